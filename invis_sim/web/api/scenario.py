"""The scenario that makes such an outlet again, and another one for it."""

from typing import Any

from starlette.responses import Response

from invis_sim.scenario import Scenario, ScenarioError, parse
from invis_sim.scenario.diff import Reloaded
from invis_sim.scenario.export import scenario_text
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
    switches, the steps that are left, its seed. Loading it and asking again gives the same text.
    The header `omitted` says what does not go together with what the outlet has become.
    """
    try:
        scenario, omitted = export(call.outlet)
    except ValueError as error:
        raise HttpProblem(409, f"no scenario can say what the outlet has become: {error}") from None
    headers = {"omitted": "; ".join(omitted).encode("ascii", "replace").decode()} if omitted else {}
    return Response(scenario_text(scenario), headers=headers, media_type=f"{TOML}; charset=utf-8")


def put_scenario(call: Call) -> Reloaded:
    """Run another scenario from now on: TOML as `application/toml`, or the same as JSON. What
    differs from the present one is carried out, whole or not at all. Connections stay, and faults
    and steps that did not change, with their counts. `fixed`: what cannot change while it runs.
    """
    return call.outlet.carry_out_reload(_parse(call), BY)


def _parse(call: Call) -> Scenario:
    media = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == TOML:
        try:
            return parse(call.data.decode(), "body")
        except UnicodeDecodeError as error:
            raise HttpProblem(400, f"the body is not UTF-8: {error.reason}") from None
        except ScenarioError as error:
            raise invalid(*error.problems) from None
    scenario, problems = validate(call.json(), Scenario)
    if problems:
        raise invalid(*problems)
    assert isinstance(scenario, Scenario)
    return scenario


PATH = "/api/outlets/{sn}/scenario"

OPERATIONS = (
    Operation(method="GET", path=PATH, handler=get_scenario, answer=str, media=TOML),
    Operation(method="PUT", path=PATH, handler=put_scenario, body=Any, answer=Reloaded),
)
