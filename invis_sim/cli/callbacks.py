"""`invis-sim callbacks`: the manual of the protocol's callbacks."""

import argparse
from collections.abc import Mapping
from typing import get_args

import msgspec

from invis_sim.cli import CliError
from invis_sim.cli.width import text_width, wrap
from invis_sim.device.effects import Answer
from invis_sim.device.firmware import FaceplateFirmware, FirmwareInventory, OutletFirmware
from invis_sim.device.handlers import MUTATING_CALLBACKS
from invis_sim.device.manual import MANUAL, CallbackManual, Source
from invis_sim.device.outlet import Outlet
from invis_sim.device.preferences import MqttPrefs, Preferences, SysPrefs
from invis_sim.device.state import Device, Mqtt, OutletState, Product
from invis_sim.journal.text import format_callback
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Push, encode_json, parse_request

__all__ = ["PRODUCTS", "callbacks", "description", "example_exchange", "products_with"]

PACKET_ID = 221_040
"""Of the example; any number of six digits."""

PRODUCTS: tuple[Product, ...] = get_args(Product)
"""Every product that there is."""


def callbacks(args: argparse.Namespace) -> int:
    """Print a line for each callback, or the manual of one. Raises CliError."""
    if args.callback is None:
        print(_overview())
        return 0
    known = {int(callback): callback for callback in MANUAL}
    if args.callback not in known:
        numbers = ", ".join(map(str, known))
        raise CliError(f"unknown callback {args.callback}; those are {numbers}", status=2)
    print(_manual(known[args.callback]))
    return 0


def products_with(callback: Callback) -> list[Product]:
    """Return the products that have a callback: those that carry out its example."""
    return [product for product in PRODUCTS if _is_done(_ask(callback, product))]


def example_exchange(callback: Callback) -> list[str]:
    """Return the packets of an example, a line each: `>` the request, `<` the reply, `*` a push."""
    manual = MANUAL[callback]
    if manual.takes is None:
        push = Push.of(Device().sn, PACKET_ID, callback, manual.example)
        return [f"* {push.encode().decode()}"]
    answer = _ask(callback, products_with(callback)[0])
    lines = [f"> {_request(callback).decode()}"]
    if answer.reply is not None:
        lines.append(f"< {answer.reply.encode().decode()}")
    lines += [
        f"* {effect.encode().decode()}" for effect in answer.effects if isinstance(effect, Push)
    ]
    return lines


def _request(callback: Callback) -> bytes:
    payload = {"callbackName": int(callback), "callbackArgs": MANUAL[callback].example}
    if MANUAL[callback].example is msgspec.UNSET:
        del payload["callbackArgs"]
    return encode_json({"packetID": PACKET_ID, "payload": payload})


def _ask(callback: Callback, product: Product) -> Answer:
    """Return the answer of an outlet that has an update and a broker."""
    faceplate = None if product == "bare" else FaceplateFirmware(available_fw_rev="0.6.0")
    state = OutletState(
        device=Device(product=product),
        firmware=FirmwareInventory(IM=OutletFirmware(available_fw_rev="0.1.0"), PM=faceplate),
        preferences=Preferences(sys_prefs=SysPrefs(mqtt=MqttPrefs(enabled=1))),
        mqtt=Mqtt(connected=True),
    )
    return Outlet(state).handle(parse_request(_request(callback)), 0.0)


def _is_done(answer: Answer) -> bool:
    return answer.reply is None or answer.reply.ok


def _overview() -> str:
    lines = []
    for callback, manual in MANUAL.items():
        takes = "push only" if manual.takes is None else _takes(manual)
        head = f"{format_callback(callback):30} "
        lines += wrap(f"{head}{takes}", text_width(), indent=" " * len(head))
    lines += ["", "Run `invis-sim callbacks N` for details of one, with an example."]
    return "\n".join(lines)


def _takes(manual: CallbackManual) -> str:
    """Return what a callback takes, without the details."""
    return (manual.takes or "").partition(":")[0].partition(", and")[0]


def description(callback: Callback) -> list[str]:
    """Return which products have a callback, what it takes, what it returns, and where that is
    known from: a line each.
    """
    manual = MANUAL[callback]
    known_from = f"Known from: {', '.join(_SOURCES[source] for source in manual.sources)}."
    if manual.takes is None:
        return [f"Pushed: {manual.returns}.", known_from]
    does = "changes something" if callback in MUTATING_CALLBACKS else "reads"
    names = {"bare": "a bare outlet", "pro": "an InvisDeco Pro", "aura": "an InvisDeco Aura"}
    products = products_with(callback)
    having = (
        "every product"
        if len(products) == len(names)
        else " and ".join(names[product] for product in products)
    )
    return [
        f"On {having}; it {does}.",
        f"Takes: {manual.takes}.",
        f"Returns: {manual.returns}.",
        known_from,
    ]


_SOURCES: Mapping[Source, str] = {
    "doc": "the vendor's documentation",
    "client": "the client invisoutlet",
    "app": "the vendor's early app",
}


def _manual(callback: Callback) -> str:
    parts = [format_callback(callback), ""]
    for line in description(callback):
        parts += wrap(line, text_width(), indent="    ")
        parts += [""] if line.startswith("On ") else []
    parts += ["", "Example:", ""]
    parts += [f"    {line}" for line in example_exchange(callback)]
    return "\n".join(parts)
