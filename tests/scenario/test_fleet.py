"""`[fleet]`: what a scenario with many outlets says of each of them."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim import faults
from invis_sim.scenario import Scenario, ScenarioError, parse
from invis_sim.scenario.address_block import addresses
from invis_sim.scenario.export import scenario_text
from invis_sim.scenario.fleet import FleetSettings, OutletDifferences
from invis_sim.scenario.fleet_check import fleet_notes
from invis_sim.scenario.fleet_loading import resolve_fleet, with_fleet
from invis_sim.scenario.fleet_outlets import FleetMember, members_of
from invis_sim.scenario.loading import one_outlet, resolve, with_faults
from invis_sim.scenario.serial_numbers import serial_numbers
from tests.cases import for_each
from tests.scenario.support import problems_of

FIFTY = "[fleet]\ncount = 50\n"

WINS = "fleet.outlets[1] wins over fleet.outlets[0]"


def members(text: str, seed: int = 7) -> dict[int, FleetMember]:
    return {one.number: one for one in members_of(parse(text), seed)}


# Serial numbers


@for_each(
    ("pattern", "first", "expected"),
    [
        ("0003C4{n:05X}", 1, ["0003C400001", "0003C400002"]),
        ("0003C4{n:05X}", 0xABCD, ["0003C40ABCD", "0003C40ABCE"]),
        ("00000{n}", 12345, ["0000012345", "0000012346"]),
        ("{n:010d}", 9, ["0000000009", "0000000010"]),
        ("{n:03X}00000{n:02X}", 1, ["0010000001", "0020000002"]),
    ],
)
def test_a_pattern_has_the_number_of_the_outlet_in_it(
    pattern: str, first: int, expected: list[str]
) -> None:
    assert serial_numbers(pattern, range(first, first + 2)) == expected


@for_each(
    "pattern",
    [
        "0003C4{m:05X}",
        "0003C4{n.__class__}",
        "0003C4{n!r}",
        "0003C4{n[0]}",
        "0003C4{:05X}",
        "0003C4{n:{n}X}",
        "0003C4{n:>5}",
        "0003C4{n:,}",
        "0003C4{n:999X}",
        "0003C4{{n}}",
        "0003C4{n:05X",
        "0003C4n}",
    ],
)
def test_a_pattern_can_say_nothing_else(pattern: str) -> None:
    with pytest.raises(ValueError, match=re.escape("expected text with {n} in place of")):
        serial_numbers(pattern, range(1, 3))


@for_each(
    ("pattern", "count", "problem"),
    [
        ("0003C400001", 2, "gives each outlet the same serial number"),
        ("0003C4{n:05x}", 10, "gives outlet 10 the serial number '0003C40000a'"),
        ("0003C4{n}", 2, "gives outlet 1 the serial number '0003C41'"),
        ("SN{n:08X}", 2, "gives outlet 1 the serial number 'SN00000001'"),
        ("0003C4{n:05}0", 2, "gives outlet 1 the serial number '0003C4000010'"),
        ("", 1, "gives outlet 1 the serial number ''"),
    ],
)
def test_every_outlet_needs_a_serial_number_of_its_own(
    pattern: str, count: int, problem: str
) -> None:
    text = f'[fleet]\ncount = {count}\nsn = "{pattern}"\n'
    (found,) = problems_of(text)
    assert found.startswith("3: fleet.sn: ")
    assert problem.replace("'", '"') in found.replace("'", '"')


def test_one_outlet_needs_no_number_in_its_serial_number() -> None:
    assert serial_numbers("0003C400001", [1]) == ["0003C400001"]


@given(st.integers(0, 2**20 - 1), st.integers(1, 50))
def test_serial_numbers_of_a_pattern_are_all_different(first: int, count: int) -> None:
    numbers = range(first, min(first + count, 2**20))
    assert len({*serial_numbers("0003C4{n:05X}", numbers)}) == len(numbers)


# Addresses


@pytest.mark.parametrize(
    ("first", "count", "last"),
    [
        ("127.0.1.1", 50, "127.0.1.50"),
        ("127.0.1.250", 10, "127.0.2.3"),
        ("192.168.7.10", 245, "192.168.7.254"),
        ("10.0.0.250/16", 10, "10.0.1.3"),
        ("10.0.0.0/31", 2, "10.0.0.1"),
        ("fd00::1", 65536, "fd00::1:0"),
        ("fe80::1%eth0", 2, "fe80::2%eth0"),
        ("::1", 1, "::1"),
    ],
)
def test_each_next_outlet_has_the_next_address(first: str, count: int, last: str) -> None:
    found = addresses(first, count)
    assert (len(found), found[0], found[-1]) == (count, first.partition("/")[0], last)
    assert len({*found}) == count


@for_each(
    ("first", "count", "problem"),
    [
        ("127.255.255.250", 6, "the block 127.0.0.0/8 has 5 addresses from 127.255.255.250 on"),
        ("192.168.7.10", 246, "the block 192.168.7.0/24 has 245 addresses from 192.168.7.10 on"),
        ("10.0.0.1/30", 3, "the block 10.0.0.0/30 has 2 addresses from 10.0.0.1 on"),
        ("192.168.7.255", 1, "the block 192.168.7.0/24 has 0 addresses from 192.168.7.255 on"),
        ("::1", 2, "the block ::1/128 has 1 address from ::1 on, and there are 2 outlets"),
        ("fd00::ffff:ffff:ffff:ffff", 2, "the block fd00::/64 has 1 address"),
        ("192.168.7.0", 1, "192.168.7.0 is that of the network 192.168.7.0/24"),
    ],
)
def test_a_block_may_run_out_of_addresses(first: str, count: int, problem: str) -> None:
    (found,) = problems_of(f'[fleet]\ncount = {count}\naddress = "{first}"\n')
    assert found.startswith(f"3: fleet.address: {problem}")


@for_each("text", ["", "localhost", "127.0.1", "127.0.1.1/99", "127.0.1.1/", "a/b"])
def test_an_address_is_in_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="expected an address such as"):
        addresses(text, 1)


def test_outlets_at_usual_ports_have_an_address_each() -> None:
    text = "[listen]\ntcp_port = 3333\nws_port = 0\n" + FIFTY
    found = members(text)
    assert found[1].scenario.listen.host == "127.0.1.1"
    assert found[50].scenario.listen.host == "127.0.1.50"
    assert found[50].scenario.listen.tcp_port == 3333


def test_addresses_go_with_numbers_so_that_processes_do_not_collide() -> None:
    usual = "[listen]\ntcp_port = 3333\n"
    found = members(f"{usual}{FIFTY}first = 301\n")
    assert found[301].scenario.listen.host == "127.0.2.45"
    (problem,) = problems_of(f"{usual}{FIFTY}first = 16776956\nsn = '0003{{n:07X}}'\n")
    assert problem.startswith("3: fleet.address: the block 127.0.0.0/8 has 3 addresses from")
    assert problems_of(f"{FIFTY}first = 16776956\nsn = '0003{{n:07X}}'\n") == []  # free ports
    (problem,) = problems_of(f"{usual}{FIFTY}first = 2147483648\nsn = '{{n}}'\n")
    assert problem.startswith("3: fleet.address: expected the address of outlet 2147483648")


@for_each(
    "text",
    [
        "[listen]\ntcp_port = 3333\n[fleet]\ncount = 1\n",
        FIFTY,
        '[listen]\ntcp_port = 3333\nws_port = 8080\n[fleet]\ncount = 9\nports = "free"\n',
        "[listen]\ntcp = false\ntcp_port = 3333\n" + FIFTY,
    ],
)
def test_outlets_at_free_ports_share_the_address(text: str) -> None:
    found = members(text).values()
    assert {one.scenario.listen.host for one in found} == {"127.0.0.1"}
    assert not any(one.scenario.listen.ws_port for one in found)


def test_outlets_at_free_ports_have_an_address_each_where_one_is_given() -> None:
    found = members(f'{FIFTY}address = "127.0.3.1"\nports = "free"\n')
    assert found[2].scenario.listen.host == "127.0.3.2"


# Each outlet is whole


def test_an_outlet_differs_from_the_file_in_what_the_fleet_says_alone() -> None:
    text = f'description = "d"\nseed = 3\n[firmware.PM]\n{FIFTY}'
    one = members(text, 3)[7]
    expected = msgspec.structs.replace(parse(text), fleet=None, seed=one.scenario.seed)
    device = msgspec.structs.replace(expected.device, sn="0003C400007")
    assert one.scenario == msgspec.structs.replace(expected, device=device)


def test_outlets_share_what_they_have_in_common() -> None:
    first, second, *_ = members(FIFTY).values()
    for key in {*Scenario.__struct_fields__} - {"device", "seed", "listen"}:
        assert getattr(first.scenario, key) is getattr(second.scenario, key)


@given(st.integers(0, 2**63 - 1), st.integers(1, 40), st.integers(1, 40), st.integers(0, 60))
def test_an_outlet_is_the_same_in_whichever_fleet_of_that_seed(
    seed: int, count: int, other_count: int, other_first: int
) -> None:
    """One more outlet changes no other, nor does another process with another `first`."""
    exceptions = (
        OutletDifferences(share=0.4, sensors={"lux": 5}),
        OutletDifferences(every=3, faults=(faults.Drop(),)),
    )
    base = resolve_fleet("pro", count=count)
    assert base.fleet is not None
    fleet = msgspec.structs.replace(base.fleet, outlets=exceptions)
    base = msgspec.structs.replace(base, fleet=fleet)
    one = {each.number: each for each in members_of(base, seed)}
    another = {
        each.number: each
        for each in members_of(with_fleet(base, count=other_count, first=other_first), seed)
    }
    for number in one.keys() & another.keys():
        assert one[number] == another[number]
    seeds = [each.scenario.seed for each in one.values()]
    assert len({*seeds}) == len(seeds)
    assert all(0 < each.phase <= 1 for each in one.values())


def test_seeds_and_phases_come_from_the_seed_of_the_fleet() -> None:
    one, same, other = members(FIFTY, 1), members(FIFTY, 1), members(FIFTY, 2)
    assert one == same
    assert not {each.scenario.seed for each in one.values()} & {
        each.scenario.seed for each in other.values()
    }
    assert len({each.phase for each in one.values()}) > 25


# Differences


def test_differences_are_for_the_outlets_that_they_name() -> None:
    found = members(
        "[firmware.PM]\n" + FIFTY + "[[fleet.outlets]]\n"
        'every = 10\ndevice = { product = "aura" }\n'
        "[[fleet.outlets]]\nn = [3, 10]\nsensors = { lux = 5 }\n"
        "[[fleet.outlets]]\nn = 4\nlisten = { ws = false }\n"
    )
    auras = [n for n, one in found.items() if one.scenario.product == "aura"]
    assert auras == [10, 20, 30, 40, 50]
    assert [n for n, one in found.items() if one.scenario.sensors.lux == 5] == [3, 10]
    assert [n for n, one in found.items() if not one.scenario.listen.ws] == [4]
    assert found[10].scenario.device.hw_rev == "revA"  # the rest of the table stays


def test_a_list_replaces_that_of_the_file() -> None:
    found = members(
        '[[faults]]\nkind = "drop"\n' + FIFTY + "[[fleet.outlets]]\nn = 2\n"
        'faults = [{ kind = "delay", seconds = 2 }]\n[[fleet.outlets]]\nn = 3\nfaults = []\n'
    )
    kinds = {n: [one.kind() for one in found[n].scenario.faults] for n in (1, 2, 3)}
    assert kinds == {1: ["drop"], 2: ["delay"], 3: []}


def test_the_last_differences_that_say_a_key_count() -> None:
    text = FIFTY + (
        "[[fleet.outlets]]\nevery = 2\ntiming = { restart_seconds = 1, sensor_seconds = 1 }\n"
        "[[fleet.outlets]]\nevery = 3\ntiming = { restart_seconds = 2 }\n"
    )
    timing = members(text)[6].scenario.timing
    assert (timing.restart_seconds, timing.sensor_seconds) == (2, 1)
    assert fleet_notes(parse(text)) == [
        "timing.restart_seconds of outlets 6, 12, 18, 24, 30 and 3 more: " + WINS
    ]


def test_differences_that_agree_or_never_meet_need_no_note() -> None:
    text = FIFTY + (
        "[[fleet.outlets]]\nn = 1\nmqtt = { connected = true }\n"
        "[[fleet.outlets]]\nn = 2\nmqtt = { connected = false }\n"
        "[[fleet.outlets]]\nn = [1, 2]\ndescription = 'x'\n"
        "[[fleet.outlets]]\nn = [2, 3]\ndescription = 'x'\n"
    )
    assert fleet_notes(parse(text)) == []


def test_differences_of_no_outlet_are_noted() -> None:
    text = FIFTY + "[[fleet.outlets]]\nn = 51\ndescription = 'x'\n"
    assert fleet_notes(parse(text)) == ["fleet.outlets[0] is about no outlet of this fleet"]


def test_a_share_is_chosen_by_the_seed() -> None:
    text = "[fleet]\ncount = 1000\n[[fleet.outlets]]\nshare = 0.1\ndescription = 'chosen'\n"

    def chosen(seed: int) -> set[int]:
        found = members(text, seed).items()
        return {n for n, one in found if one.scenario.description == "chosen"}

    assert 50 < len(chosen(1)) < 150
    assert chosen(1) == chosen(1) != chosen(2)


def test_a_share_is_noted_without_a_seed_as_what_may_meet() -> None:
    text = FIFTY + (
        "[[fleet.outlets]]\nshare = 0.5\ndescription = 'x'\n"
        "[[fleet.outlets]]\nshare = 0.5\ndescription = 'y'\n"
    )
    assert fleet_notes(parse(text)) == [f"description of each outlet that both choose: {WINS}"]
    (note,) = fleet_notes(parse(text), 5)
    assert re.fullmatch(rf"description of outlets [\d, ]+ and \d+ more: {re.escape(WINS)}", note)


def test_what_an_outlet_of_another_product_lacks_is_not_its_own() -> None:
    found = members(
        "[firmware.PM]\n[sensors]\nlux = 5\n[nightlight]\nmode = 1\n[updates.PM]\nsteps = 3\n"
        + FIFTY
        + '[[fleet.outlets]]\nn = 1\ndevice = { product = "bare" }\n'
        '[[fleet.outlets]]\nn = 2\ndevice = { product = "aura" }\n'
    )
    bare, aura, pro = (found[n].scenario for n in (1, 2, 3))
    assert (bare.product, bare.firmware.PM, bare.sensors.lux) == ("bare", None, None)
    assert (aura.sensors.lux, aura.nightlight.mode, pro.nightlight.mode) == (5, 0, 1)


@for_each(
    ("differences", "problem"),
    [
        ("every = 0", "10: fleet.outlets[0].every: expected a whole number from 1, found 0"),
        ("n = []", "10: fleet.outlets[0].n: expected "),
        ("share = 2", "10: fleet.outlets[0].share: expected a number from 0 to 1, found 2"),
        ("", "9: fleet.outlets[0]: expected one of every, n and share, found none of them"),
        ("every = 2\nn = 3", "9: fleet.outlets[0]: expected one of every, n and share, found"),
        ("every = 2\nseed = 3", "11: fleet.outlets[0].seed: unknown key; it belongs at the top"),
        ("every = 2\ndevice = { produkt = 1 }", "11: fleet.outlets[0].device.produkt: unknown key"),
        ("every = 2\ndevice = 5", "11: fleet.outlets[0].device: expected a table"),
        ("every = 2\nfaults = [{ kind = 'dealy' }]", "11: fleet.outlets[0].faults[0].kind: "),
        ("every = 2\nsteps = [{ push = 9 }]", "11: fleet.outlets[0].steps[0]: a step happens"),
        (
            "every = 2\nlisten = { control = true }",
            "11: fleet.outlets[0].listen.control: is about all outlets; it belongs in [listen]",
        ),
        (
            "every = 2\nlisten = { tcp = false, ws = false }",
            "11: fleet.outlets[0].listen.tcp: tcp and ws are both false",
        ),
        (
            'every = 2\ndevice = { product = "bare" }\nsensors = { lux = 5 }',
            "12: fleet.outlets[0].sensors: has no effect: this outlet has no faceplate",
        ),
        (
            'every = 2\ndevice = { product = "bare" }\nfirmware = { PM = {} }',
            '11: fleet.outlets[0].device.product: "bare" has no faceplate',
        ),
        (
            "every = 2\nlisten.tcp = false\nfaults = [{ kind = 'drop', when.transport = 'tcp' }]",
            "12: fleet.outlets[0].faults[0].when.transport: 'drop' never applies",
        ),
        (
            "every = 2\nfaults = []",
            "9: fleet.outlets[0]: with it, steps[0].enable: no fault is called 'lost'",
        ),
        (
            "every = 2\ndevice = { sn = '0003C4FFFFF' }",
            "11: fleet.outlets[0].device.sn: expected one outlet, as n = 3",
        ),
        (
            "n = 3\ndevice = { sn = '0003C400007' }",
            "11: fleet.outlets[0].device.sn: outlet 7 has the same serial number",
        ),
        (
            "n = 3\ndevice.sn = '0003C4FFFFF'\n[[fleet.outlets]]\nn = 4\ndevice.sn = '0003C4FFFFF'",
            "14: fleet.outlets[1].device.sn: outlet 3 has the same serial number",
        ),
    ],
)
def test_what_is_wrong_with_differences_is_said_with_line_and_key(
    differences: str, problem: str
) -> None:
    text = f"""\
fleet.count = 50
[firmware.PM]
[[faults]]
name = "lost"
kind = "drop"
[[steps]]
after_seconds = 1
enable = "lost"
[[fleet.outlets]]
{differences}
"""
    found = problems_of(text)
    assert [one for one in found if one.startswith(problem)], found


def test_differences_that_cannot_meet_are_found_where_they_do() -> None:
    text = """\
[firmware.PM]
[fleet]
count = 50
[[fleet.outlets]]
every = 2
device = { product = "bare" }
[[fleet.outlets]]
n = [5, %s]
sensors = { lux = 5 }
"""
    assert problems_of(text % 7) == []
    (problem,) = problems_of(text % 8)
    assert problem.startswith("9: fleet.outlets[1].sensors: has no effect: this outlet has no")


def test_a_share_may_meet_any_other_differences_while_there_is_no_seed() -> None:
    text = """\
[firmware.PM]
[fleet]
count = 50
[[fleet.outlets]]
share = 0.01
device = { product = "bare" }
[[fleet.outlets]]
n = 5
sensors = { lux = 5 }
"""
    (problem,) = problems_of(text)
    assert problem.startswith("9: fleet.outlets[1].sensors: has no effect")


def test_what_is_said_of_all_and_can_be_true_of_one_only_has_no_effect() -> None:
    found = problems_of(
        'device.sn = "11A1F7000FE"\nlisten.host = "127.0.0.9"\nlisten.tcp_port = 3333\n'
        "fleet.count = 2\n"
    )
    own = "each outlet has an address of its own; address of [fleet] is the first"
    assert found == [
        "1: device.sn: has no effect: sn of [fleet] says those of all outlets",
        f"2: listen.host: has no effect: {own}",
    ]


def test_two_outlets_never_have_the_same_serial_number() -> None:
    text = FIFTY + "[[fleet.outlets]]\nn = 3\ndevice = { sn = '0003C400007' }\n"
    with pytest.raises(ScenarioError, match="outlet 7 has the same serial number"):
        members(text)
    exchanged = text + "[[fleet.outlets]]\nn = 7\ndevice = { sn = '0003C400003' }\n"
    assert members(exchanged)[3].scenario.device.sn == "0003C400007"
    own = members(text.replace("00007", "0FFFF"))
    assert own[3].scenario.device.sn == "0003C40FFFF"


# From Python and the command line


def test_python_can_say_what_a_file_can() -> None:
    fleet = FleetSettings(
        count=2,
        outlets=(OutletDifferences(n=2, device={"product": "aura"}, faults=(faults.Drop(),)),),
    )
    _, second = members_of(Scenario(fleet=fleet), 1)
    assert second.scenario.product == "aura"
    assert second.scenario.faults == (faults.Drop(),)


@for_each(
    ("arguments", "problem"),
    [
        ({"count": 0}, "count: expected a whole number from 1"),
        ({"count": 2, "outlets": [{"n": 1, "sensors": {"lux": {}}}]}, "outlets[0].sensors.lux"),
        ({"count": 2, "sn": "x"}, "sn: "),
    ],
)
def test_python_is_checked_as_a_file(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        FleetSettings(**arguments)


def test_options_make_a_fleet_of_any_scenario() -> None:
    scenario = resolve_fleet("default", count=3, first=5, sn="00000{n:05}", address="127.0.9.1")
    found = members_of(scenario, 1)
    assert [one.scenario.device.sn for one in found] == ["0000000005", "0000000006", "0000000007"]
    assert [one.scenario.listen.host for one in found] == ["127.0.9.1", "127.0.9.2", "127.0.9.3"]
    assert found[0].scenario.firmware == resolve("default").firmware


def test_options_override_the_fleet_of_a_scenario_key_by_key() -> None:
    text = FIFTY + "first = 5\n[[fleet.outlets]]\nn = 6\ndescription = 'x'\n"
    found = members_of(resolve_fleet(text, count=2), 1)
    assert [(one.number, one.scenario.description) for one in found] == [(5, ""), (6, "x")]


@for_each(
    ("options", "problem"),
    [
        ({}, "count: expected a number of outlets; the scenario has no [fleet]"),
        ({"count": "5"}, "count: expected a whole number from 1 to 100000, found '5'"),
        ({"count": 5, "first": -1}, "first: expected a whole number from 0"),
        ({"count": 5, "sn": "X"}, "sn: 'X' gives outlet 1"),
        ({"count": 5, "address": "::1"}, "address: the block ::1/128 has 1 address"),
        ({"count": 5, "host": "127.0.0.9", "tcp_port": 1}, "listen.host: has no effect"),
    ],
)
def test_options_are_checked_in_the_words_of_a_file(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        resolve_fleet("pro", **options)
    assert str(caught.value).replace('"', "'").startswith(problem.replace('"', "'"))


def test_further_faults_are_on_every_outlet() -> None:
    text = FIFTY + "[[fleet.outlets]]\nn = 2\nfaults = [{ kind = 'drop', name = 'a' }]\n"
    scenario = with_faults(parse(text), [faults.Fail()])
    first, second, *_ = members_of(scenario, 1)
    assert first.scenario.faults == (faults.Fail(),)
    assert second.scenario.faults == (faults.Drop(name="a"), faults.Fail())
    with pytest.raises(ScenarioError, match=re.escape("fleet.outlets[0].faults[1].name: ")):
        with_faults(parse(text), [faults.Fail(name="a")])


def test_one_outlet_is_not_made_of_several() -> None:
    with pytest.raises(ScenarioError, match="fleet: expected a scenario of one outlet"):
        resolve(FIFTY)
    with pytest.raises(ScenarioError, match="fleet: expected a scenario of one outlet"):
        one_outlet(parse(FIFTY))


def test_a_scenario_with_a_fleet_can_be_written_and_loaded_again() -> None:
    text = FIFTY + (
        "first = 9\n[firmware.PM]\n"
        "[[fleet.outlets]]\nn = [2, 9]\nfaults = [{ kind = 'delay', seconds = 2 }]\n"
        "steps = [{ after_seconds = 1, push = 9 }]\ndevice = { product = 'aura' }\n"
        "[[fleet.outlets]]\nshare = 0.5\nsensors = { lux = [1, 'inf'] }\n"
    )
    assert parse(scenario_text(parse(text))) == parse(text)
