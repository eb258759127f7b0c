"""The catalogue is the manual: what it says about each kind is there, and holds."""

import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from invis_sim import faults, scenario
from invis_sim.faults import KINDS, Fault
from invis_sim.faults.case import Expectation
from invis_sim.faults.catalogue import kind_manual
from invis_sim.faults.fault import (
    LAYERS,
    ConnectionFault,
    DeliveryFault,
    FrameFault,
    Layer,
    OutageFault,
    ReplyFault,
    TextFault,
)
from tests.cases import for_each
from tests.faults.strategies import BREAKAGES, WRONG_IDS

LAYERS_OF: dict[type[Fault], set[Layer]] = {
    ReplyFault: {"content"},
    TextFault: {"text"},
    FrameFault: {"websocket"},
    DeliveryFault: {"delivery"},
    ConnectionFault: {"connection", "websocket"},
    OutageFault: {"connection", "device"},
}
"""The layers of which the kinds of each base class are."""

DESIGNED: dict[Layer, str] = {
    "content": """fail wrong_packet_id wrong_sn wrong_callback wrong_puback set_field remove_field
        stale push_first colliding_push""",
    "text": """malformed_json unusual_json no_object empty garbage invalid_utf8 bom utf16 pad
        bit_flip""",
    "websocket": """reject_handshake bad_handshake slow_handshake binary fragment no_pong
        bad_frame""",
    "delivery": """delay drop duplicate reorder split coalesce throttle close reset half_close
        stall""",
    "connection": """refuse unreachable accept_close slow_accept greeting connection_limit
        idle_close""",
    "device": """reboot faceplate_offline""",
}

every_kind = for_each("fault", KINDS.values(), ids=KINDS.keys())


def fields_of(fault: type[Fault]) -> tuple[msgspec.inspect.Field, ...]:
    known = msgspec.inspect.type_info(fault)
    assert isinstance(known, msgspec.inspect.StructType)
    return known.fields


def described(text: str, name: str) -> bool:
    """Whether a line of the text begins to describe this name (`name:` or `one, name:`)."""
    return re.search(rf"^(\w+, )*{name}(, \w+)*:", text, re.MULTILINE) is not None


@every_kind
def test_a_kind_is_known_by_its_tag_and_belongs_to_a_layer(fault: type[Fault]) -> None:
    assert KINDS[fault.kind()] is fault
    assert re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", fault.kind())
    assert fault.layer in LAYERS
    for base, layers in LAYERS_OF.items():
        assert issubclass(fault, base) <= (fault.layer in layers)
    assert sum(issubclass(fault, base) for base in LAYERS_OF) == 1


def test_every_kind_of_the_design_is_there_on_its_layer() -> None:
    for layer, kinds in DESIGNED.items():
        assert {k for k, fault in KINDS.items() if fault.layer == layer} >= set(kinds.split())


def test_every_file_of_kinds_is_registered() -> None:
    folder = Path(faults.__file__).with_name("kinds")
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert {fault.__module__.rpartition(".")[2] for fault in KINDS.values()} == files


def test_the_catalogue_is_in_the_order_of_layers() -> None:
    layers = [LAYERS.index(fault.layer) for fault in KINDS.values()]
    assert layers == sorted(layers)


def test_what_the_package_hands_out_is_each_kind_and_no_file() -> None:
    for fault in KINDS.values():
        assert getattr(faults, fault.__name__) is fault
    assert faults.delivery is importlib.import_module("invis_sim.faults.delivery")


def test_the_catalogue_is_shown_layer_by_layer() -> None:
    layers = [fault.layer for fault in KINDS.values()]
    assert layers == sorted(layers, key=LAYERS.index)


@every_kind
def test_what_a_kind_says_of_transports_and_packets_follows_from_its_layer(
    fault: type[Fault],
) -> None:
    assert (fault.transports == ("ws",)) == (fault.layer == "websocket")
    assert (fault.acts_on == ("connection",)) == issubclass(fault, ConnectionFault)


def test_every_kind_that_can_be_imported_is_in_the_catalogue() -> None:
    offered = vars(faults).values()
    kinds = {it for it in offered if inspect.isclass(it) and issubclass(it, Fault)} - {Fault}
    assert kinds == set(KINDS.values())


@every_kind
def test_the_manual_says_what_a_client_sees_and_what_it_stands_for(fault: type[Fault]) -> None:
    text = kind_manual(fault)
    assert text.split("\n")[0].endswith(".")
    assert re.search(r"^What a client sees: \S", text, re.MULTILINE)
    assert re.search(r"^Stands for: \S", text, re.MULTILINE)


@every_kind
def test_the_manual_describes_every_field_of_the_kind(fault: type[Fault]) -> None:
    common = set(Fault.__struct_fields__)
    for name in fault.__struct_fields__:
        assert name in common or described(kind_manual(fault), name), name


def test_the_manual_describes_what_all_kinds_have_in_common() -> None:
    assert all(
        described(inspect.cleandoc(Fault.__doc__ or ""), name) for name in Fault.__struct_fields__
    )


@pytest.mark.parametrize("struct", [msgspec.structs.fields(Fault)[2].type])
def test_the_manual_describes_every_condition(struct: type[msgspec.Struct]) -> None:
    text = inspect.cleandoc(struct.__doc__ or "")
    assert all(described(text, name) for name in struct.__struct_fields__)


@every_kind
def test_the_example_is_a_scenario_with_a_fault_of_this_kind(fault: type[Fault]) -> None:
    assert "example" in vars(fault)
    loaded = scenario.parse("[[faults]]\n" + textwrap.dedent(fault.example))
    assert [type(shown) for shown in loaded.faults] == [fault]


@every_kind
def test_a_kind_declares_cases_with_a_reason_in_one_line(fault: type[Fault]) -> None:
    assert "cases" in vars(fault)
    assert fault.cases
    for case in fault.cases:
        assert case.expectation in get_args(Expectation)
        assert re.fullmatch("[a-z0-9_-]+", case.label)
        assert re.fullmatch(r"[A-Z][^\n]{10,100}\.", case.reason), case.reason


@every_kind
def test_the_labels_of_a_kind_differ_on_each_transport(fault: type[Fault]) -> None:
    for transport in fault.transports:
        labels = [
            case.label
            for case in fault.cases
            if case.transports is None or transport in case.transports
        ]
        assert labels
        assert len(set(labels)) == len(labels)


FORMS = [
    (kind, field.name, field.type.values)
    for kind, fault in KINDS.items()
    for field in fields_of(fault)
    if isinstance(field.type, msgspec.inspect.LiteralType)
]


@for_each(("kind", "name", "forms"), FORMS)
def test_every_form_is_met_by_a_case(kind: str, name: str, forms: tuple[str, ...]) -> None:
    default = next(field.default for field in fields_of(KINDS[kind]) if field.name == name)
    met = {case.keys.get(name, default) for case in KINDS[kind].cases}
    assert met == set(forms)


@for_each(("kind", "forms"), [(kind, forms) for kind, _, forms in FORMS])
def test_the_manual_describes_every_form(kind: str, forms: tuple[str, ...]) -> None:
    assert [form for form in forms if f'"{form}"' not in kind_manual(KINDS[kind])] == []


def test_the_tests_know_every_form_of_a_wrong_packet_id_and_of_malformed_json() -> None:
    known = {(kind, name): set(forms) for kind, name, forms in FORMS}
    assert known["wrong_packet_id", "how"] == set(WRONG_IDS)
    assert known["malformed_json", "how"] == set(BREAKAGES)
    assert len(known) > 12


def test_the_manual_of_what_python_itself_accepts_says_so() -> None:
    for kind in ("malformed_json", "invalid_utf8", "bom", "utf16"):
        assert "Python's own json" in " ".join(kind_manual(KINDS[kind]).split())
