"""The catalogue is the manual: what it says about each kind is there, and holds."""

import inspect
import re
import textwrap

import msgspec
import pytest

from invis_sim import faults, scenario
from invis_sim.faults import KINDS, Fault
from invis_sim.faults.fault import LAYERS, DeliveryFault, ReplyFault, TextFault
from tests.faults.strategies import BREAKAGES, WRONG_IDS

every_kind = pytest.mark.parametrize("fault", KINDS.values(), ids=KINDS.keys())


def manual(fault: type[Fault]) -> str:
    """The docstring of the class itself, not one that it inherits."""
    return inspect.cleandoc(fault.__doc__ or "")


def described(text: str, name: str) -> bool:
    """Whether a line of the text begins to describe this name (`name:` or `one, name:`)."""
    return re.search(rf"^(\w+, )*{name}(, \w+)*:", text, re.MULTILINE) is not None


@every_kind
def test_a_kind_is_known_by_its_tag_and_belongs_to_a_layer(fault: type[Fault]) -> None:
    assert KINDS[fault.kind()] is fault
    assert re.fullmatch("[a-z]+(_[a-z0-9]+)*", fault.kind())
    assert fault.layer in LAYERS
    for layer in (ReplyFault, TextFault, DeliveryFault):
        assert issubclass(fault, layer) == (fault.layer == layer.layer)


def test_every_kind_that_can_be_imported_is_in_the_catalogue() -> None:
    offered = [getattr(faults, name) for name in faults.__all__]
    kinds = {it for it in offered if inspect.isclass(it) and issubclass(it, Fault)} - {Fault}
    assert kinds == set(KINDS.values())


@every_kind
def test_the_manual_says_what_a_client_sees_and_what_it_stands_for(fault: type[Fault]) -> None:
    text = manual(fault)
    assert text.split("\n")[0].endswith(".")
    assert re.search(r"^What a client sees: \S", text, re.MULTILINE)
    assert re.search(r"^Stands for: \S", text, re.MULTILINE)


@every_kind
def test_the_manual_describes_every_field_of_the_kind(fault: type[Fault]) -> None:
    common = set(Fault.__struct_fields__)
    for name in fault.__struct_fields__:
        assert name in common or described(manual(fault), name), name


def test_the_manual_describes_what_all_kinds_have_in_common() -> None:
    assert all(described(manual(Fault), name) for name in Fault.__struct_fields__)


@pytest.mark.parametrize("struct", [msgspec.structs.fields(Fault)[2].type])
def test_the_manual_describes_every_condition(struct: type[msgspec.Struct]) -> None:
    text = inspect.cleandoc(struct.__doc__ or "")
    assert all(described(text, name) for name in struct.__struct_fields__)


@every_kind
def test_the_example_is_a_scenario_with_a_fault_of_this_kind(fault: type[Fault]) -> None:
    assert "example" in vars(fault)
    loaded = scenario.parse("[[faults]]\n" + textwrap.dedent(fault.example))
    assert [type(shown) for shown in loaded.faults] == [fault]


@pytest.mark.parametrize(
    ("kind", "forms"), [("wrong_packet_id", WRONG_IDS), ("malformed_json", BREAKAGES)]
)
def test_the_manual_describes_every_form(kind: str, forms: tuple[str, ...]) -> None:
    known = msgspec.inspect.type_info(KINDS[kind])
    assert isinstance(known, msgspec.inspect.StructType)
    how = next(field.type for field in known.fields if field.name == "how")
    assert isinstance(how, msgspec.inspect.LiteralType)
    assert set(how.values) == set(forms)
    assert all(f'"{form}"' in manual(KINDS[kind]) for form in forms)
