"""The statements of the reference on updates, bad input, packetIDs, restarts and mDNS, each with
the test that covers it.
"""

import ast
from pathlib import Path

import pytest

from invis_sim.device.update_plan import OutletUpdate, Part, Progress, update_timeline

TESTS = Path(__file__).parent.parent

STATEMENTS = [
    (
        "21",
        "[target, method], or [target] alone",
        "device/test_updates::test_an_update_of_the_outlet_runs_from_www_to_the_restart",
    ),
    (
        "21",
        "revA: PUBACK 1, will be performed",
        "device/test_updates::test_an_update_of_the_outlet_runs_from_www_to_the_restart",
    ),
    (
        "21",
        "revA: PUBACK 0, not started",
        "device/test_updates::test_an_update_with_outcome_refused_fails_at_once",
    ),
    (
        "21",
        "revB, target 1: no reply, restart, push [1, 1]",
        "device/test_updates::test_a_revb_restarts_without_a_reply_and_continues_with_a_client",
    ),
    (
        "21",
        "revB, target 1: push [1, 0] if it fails",
        "device/test_updates::test_a_revb_whose_update_does_not_start_says_so_after_its_restart",
    ),
    (
        "21",
        "revB, target 1, nothing to update: restart, push [1, 0]",
        "device/test_updates::test_a_revb_with_nothing_to_update_finds_out_after_a_restart",
    ),
    (
        "21",
        "revB, target 2: PUBACK 1, push [2, 1], no restart",
        "device/test_updates::test_a_revb_confirms_an_update_of_its_faceplate_by_a_push",
    ),
    (
        "21",
        "revB, target 2: push [2, 0]",
        "device/test_updates::test_a_revb_pushes_that_an_update_of_its_faceplate_does_not_start",
    ),
    (
        "21",
        "nothing to update: PUBACK 0",
        "device/test_updates::test_without_an_available_update_none_starts",
    ),
    (
        "21",
        "an update of either target in progress: PUBACK 0",
        "device/test_updates::test_while_one_runs_no_other_starts",
    ),
    (
        "21",
        "1. a stray result before any progress, which can be turned off",
        "device/test_updates::test_the_stray_result_can_be_turned_off",
    ),
    (
        "21",
        "2. silence to the first progress",
        "device/test_updates::test_the_outlet_is_silent_from_acceptance_to_the_first_progress",
    ),
    (
        "21",
        "2. in silence: no answers, no pongs, no pushes",
        "server/test_updates::test_in_its_silence_the_outlet_answers_and_pushes_nothing",
    ),
    (
        "21",
        "2. longer than a heartbeat of 10 s",
        "server/test_updates::test_a_client_with_a_heartbeat_loses_the_connection_in_the_silence",
    ),
    (
        "21",
        "2. clients reconnect",
        "real_client/test_updates::test_a_client_with_a_heartbeat_reconnects_in_the_silence",
    ),
    (
        "21",
        "3. part 3, then part 1, then the restart",
        "server/test_updates::test_an_update_of_the_outlet_runs_to_its_end_on_a_rev_a",
    ),
    (
        "21",
        "4. both revisions are new after the restart",
        "device/test_updates::test_www_is_in_use_after_the_restart_with_the_application",
    ),
    (
        "21",
        "4. push 12 after the restart",
        "server/test_updates::test_an_update_of_the_outlet_runs_to_its_end_on_a_rev_b",
    ),
    (
        "21",
        "of the InvisDeco: connections stay, no PM meanwhile",
        "server/test_updates::test_an_update_of_the_faceplate_runs_to_its_end_and_drops_nobody",
    ),
    (
        "21",
        "ten steps over 10 s per phase",
        "device/test_reference_updates::test_by_default_each_part_has_ten_steps_over_ten_seconds",
    ),
    (
        "21",
        "web firmware alone: both parts, or by a quirk one",
        "device/test_updates::test_an_update_of_the_web_pages_runs_both_parts_or_alone",
    ),
    (
        "21",
        "a failure in either part: no restart, revisions stay",
        "device/test_updates::test_an_update_fails_or_hangs_where_the_scenario_says",
    ),
    (
        "22",
        "packetIDs of pushes: fresh, or by a quirk the request's",
        "device/test_updates::test_pushes_may_bear_the_packet_id_of_the_request",
    ),
    (
        "23",
        "the faceplate reboots after [2, 1]",
        "device/test_updates::test_an_update_of_the_faceplate_ends_with_the_restart_of_that_alone",
    ),
    (
        "envelope",
        "no push has the packetID of a waiting request",
        "server/session/test_pushes::test_no_push_bears_the_packet_id_of_a_request_that_waits",
    ),
    (
        "clients",
        "a push with the request's packetID, on purpose",
        "faults/test_reply_faults::test_only_a_colliding_push_bears_the_packet_id_of_the_request",
    ),
    (
        "envelope",
        "order: reply first, or by a quirk the push",
        "server/session/test_pushes::test_by_a_quirk_a_push_comes_before_its_reply",
    ),
    (
        "envelope",
        "bad input: no JSON object, no answer",
        "protocol/test_json_stream::test_an_object_inside_something_else_is_never_a_request",
    ),
    (
        "envelope",
        "bad input: the next good request is answered",
        "protocol/test_json_stream::test_after_an_unfinished_document_the_next_request_is_found",
    ),
    (
        "envelope",
        "bad input: not lost for ever",
        "server/session/test_tcp::test_an_unfinished_document_is_given_up_after_a_while",
    ),
    (
        "envelope",
        "arguments of the wrong type, however deep: PUBACK 0",
        "server/session/test_tcp::test_arguments_nested_64_deep_are_refused_and_not_ignored",
    ),
    (
        "transports",
        "binary messages: no answer, logged",
        "server/session/test_websocket::test_a_binary_message_is_not_answered_but_logged",
    ),
    (
        "transports",
        "no packet of more than 1024 bytes",
        "server/session/test_pushes::test_no_packet_of_the_outlet_itself_is_too_long_for_early_clients",
    ),
    (
        "transports",
        "mDNS: TXT keys, port",
        "server/test_mdns::test_it_is_announced_taken_back_for_a_reboot_and_taken_back_at_the_end",
    ),
    (
        "transports",
        "mDNS: sub_ keys with an attached faceplate alone",
        "server/test_mdns::test_of_a_faceplate_that_is_not_attached_nothing_is_announced",
    ),
    (
        "transports",
        "mDNS: seen from another machine",
        "server/test_mdns::test_it_is_seen_on_the_wire_from_another_machine",
    ),
    (
        "7",
        "away for 3 s, or by a quirk until it joins the network",
        "device/test_open_questions::test_after_a_factory_reset_it_is_away_for_3_s_or_leaves_the_network",
    ),
    (
        "open 5",
        "unknown callbacks: PUBACK 0, or by a quirk nothing",
        "device/test_open_questions::test_what_no_outlet_could_understand_is_refused_or_ignored",
    ),
    (
        "open 6",
        "pushes to the sender, or by a quirk not",
        "server/session/test_pushes::test_by_a_quirk_the_client_that_asks_gets_no_push",
    ),
    (
        "open 6",
        "no push without a change, or by a quirk one",
        "device/test_open_questions::test_what_is_set_already_is_pushed_by_a_quirk_alone",
    ),
    (
        "open 26",
        "switches survive a restart, or by a quirk not",
        "device/test_open_questions::test_the_switches_are_kept_over_a_restart_or_off",
    ),
]
"""Section, statement, and "folder/file::test"."""


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda one: f"{one[0]}: {one[1]}")
def test_each_statement_has_a_test_that_exists(statement: tuple[str, str, str]) -> None:
    path, _, name = statement[2].partition("::")
    tree = ast.parse((TESTS / f"{path}.py").read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_by_default_each_part_has_ten_steps_over_ten_seconds() -> None:
    plan = OutletUpdate()
    for part, begins in ((Part.WWW, 20.0), (Part.OUTLET, 30.0)):
        percents = [
            (seconds, event.percent)
            for seconds, event in update_timeline(plan, stray=False)
            if isinstance(event, Progress) and event.part is part
        ]
        assert percents == [(begins + step, 10 * step) for step in range(11)]
