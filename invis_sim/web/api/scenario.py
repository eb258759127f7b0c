"""The scenario that makes such an outlet again, and another one for it."""

from typing import Any

import msgspec
from starlette.responses import Response

from invis_sim.commands.reset import Reset, What
from invis_sim.scenario import Scenario, ScenarioError, parse
from invis_sim.scenario.diff import Reloaded
from invis_sim.scenario.export import scenario_text
from invis_sim.scenario.loading import one_outlet
from invis_sim.scenario.validation import validate
from invis_sim.server.export import export
from invis_sim.web.api.commands import BY
from invis_sim.web.operation import Operation
from invis_sim.web.problems import HttpProblem, invalid
from invis_sim.web.request import Call

__all__ = ["OPERATIONS"]

TOML = "application/toml"


def get_scenario(call: Call) -> Response:
    """Return TOML that makes such an outlet again as it is now: its state, its faults with their
    switches, the steps that are left, with the whole seconds and the requests that are still to
    pass, its seed. Loading it and asking again gives the same text. The header `omitted` says what
    does not go together with what the outlet has become.
    """
    try:
        scenario, omitted = export(call.outlet)
    except ValueError as error:
        raise HttpProblem(409, f"no scenario can say what the outlet has become: {error}") from None
    headers = {"omitted": "; ".join(omitted).encode("ascii", "replace").decode()} if omitted else {}
    return Response(scenario_text(scenario), headers=headers, media_type=f"{TOML}; charset=utf-8")


class PutQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """reset: what goes back to the start of the new scenario in the same moment, as the command
    `reset` says it: "all", or some of "faults", "state", "counters", "journal", "seed", "steps"
    with commas. Omitted: what was changed since the start stays.
    """

    reset: What | tuple[What, ...] | None = None


def put_scenario(call: Call) -> Reloaded:
    """Run another scenario from now on: TOML as `application/toml`, or the same as JSON. What
    differs between it and the scenario before is carried out, whole or not at all, as when a file
    is saved under `--watch`: connections stay, faults and steps that did not change go on with
    their counts, and what was changed since the start and is the same in both scenarios stays
    changed. With `?reset=all` the outlet is then exactly as the new scenario begins, whatever
    happened before: for a test that needs a known start. `fixed`: what a reload does not
    change.
    """
    reset = call.query(PutQuery).reset
    return call.outlet.carry_out_reload(_parse(call), BY, () if reset is None else (Reset(reset),))


def _parse(call: Call) -> Scenario:
    media = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == TOML:
        try:
            return one_outlet(parse(call.data.decode(), "body"))
        except UnicodeDecodeError as error:
            raise HttpProblem(400, f"the body is not UTF-8: {error.reason}") from None
        except ScenarioError as error:
            raise invalid(*error.problems) from None
    scenario, problems = validate(call.json(), Scenario)
    if problems:
        raise invalid(*problems)
    assert isinstance(scenario, Scenario)
    try:
        return one_outlet(scenario)
    except ScenarioError as error:
        raise invalid(*error.problems) from None


PATH = "/api/outlets/{sn}/scenario"

OPERATIONS = (
    Operation(method="GET", path=PATH, handler=get_scenario, answer=str, media=TOML),
    Operation(
        method="PUT", path=PATH, handler=put_scenario, body=Any, query=PutQuery, answer=Reloaded
    ),
)
