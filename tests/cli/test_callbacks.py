"""`invis-sim callbacks`: the manual of the callbacks says what the tables and an outlet say."""

import msgspec

from invis_sim.cli.callbacks import example_exchange, products_with
from invis_sim.device.handlers import HANDLERS
from invis_sim.device.manual import MANUAL
from invis_sim.protocol.callbacks import Callback
from tests.cases import for_each
from tests.cli.process import cli_here

every_callback = for_each("callback", MANUAL)


def test_every_callback_is_described_and_none_besides() -> None:
    assert list(MANUAL) == list(Callback)


@every_callback
def test_every_callback_says_where_it_is_known_from(callback: Callback) -> None:
    assert MANUAL[callback].sources
    assert "Known from: the " in cli_here("callbacks", str(int(callback))).stdout


@every_callback
def test_a_callback_takes_what_its_handler_takes(callback: Callback) -> None:
    manual, handler = MANUAL[callback], HANDLERS.get(callback)
    assert (manual.takes is None) == (handler is None)  # there is only a push
    if handler is not None:
        assert (manual.takes != "nothing") == handler.takes_arguments
        assert (manual.example is not msgspec.UNSET) == handler.takes_arguments


@every_callback
def test_the_example_of_a_callback_is_a_good_exchange_that_returns_what_is_said(
    callback: Callback,
) -> None:
    manual, lines = MANUAL[callback], example_exchange(callback)
    packets = [(line[:2], msgspec.json.decode(line[2:])) for line in lines]
    if manual.takes is None:
        ((mark, push),) = packets
        assert (mark, push["payload"]["callbackArgs"]) == ("* ", manual.example)
        return
    assert products_with(callback)
    (mark, request), *rest = packets
    assert (mark, request["payload"]["callbackName"]) == ("> ", callback)
    replies = [packet for mark, packet in rest if mark == "< "]
    if manual.returns.startswith("no reply"):
        assert replies == []
        return
    (reply,) = replies
    assert reply["PUBACK"] == 1
    assert manual.returns.startswith("nothing") == ("payload" not in reply)


def test_the_products_that_have_a_callback_are_found_by_asking() -> None:
    assert products_with(Callback.AVAILABLE_UPDATES) == ["bare", "pro", "aura"]
    assert products_with(Callback.CONTROL_NIGHTLIGHT) == ["pro"]
    assert products_with(Callback.COLOR_LIGHT_STATUS) == ["aura"]
    assert products_with(Callback.SENSOR_READINGS) == ["pro", "aura"]


def test_callbacks_lists_every_callback() -> None:
    lines = cli_here("callbacks").stdout.splitlines()
    numbers = [int(line.split()[0]) for line in lines if line[:1].isdigit()]
    assert numbers == list(Callback)
    assert all(len(line) <= 100 for line in lines)


def test_callbacks_shows_one_with_its_example() -> None:
    shown = cli_here("callbacks", "10").stdout
    assert shown.startswith("10 control outlet\n\nOn every product; it changes something.\n")
    assert "Takes: [outlet, state]: outlet 1 (upper) or 2 (lower), state 0 or 1." in shown
    assert '    < {"sn":"0003C44076","packetID":221040,"PUBACK":1}\n' in shown
    assert (
        "On an InvisDeco Pro and an InvisDeco Aura; it reads." in cli_here("callbacks", "11").stdout
    )


@for_each("number", ["8", "0", "-1", "99"])
def test_a_callback_that_does_not_exist_is_status_2(number: str) -> None:
    ended = cli_here("callbacks", number)
    assert ended.returncode == 2
    assert f"unknown callback {number}; those are 1, 2, 3," in ended.stderr


def test_the_manual_of_a_fault_names_its_class() -> None:
    assert "\nIn Python: invis_sim.faults.CloseConnection\n" in cli_here("faults", "close").stdout
