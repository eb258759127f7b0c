"""The vendor's update service, with the firmware of the outlets of this process.

Clients ask it before they update an outlet. It steers nothing, so it is not part of the API, but
the guard is the same.
"""

import msgspec
from starlette.responses import Response

from invis_sim.device.effects import Log
from invis_sim.device.schedule import Schedule
from invis_sim.device.update_service import Module, find_release
from invis_sim.schema.describe import quote
from invis_sim.server.clock import Clock
from invis_sim.web.operation import Operation
from invis_sim.web.problems import HttpProblem
from invis_sim.web.request import Call

__all__ = ["OPERATIONS"]

NOT_JSON = "<!doctype html>\n<title>Service unavailable</title>\n<p>Please try again later.</p>\n"


async def check_firmware(call: Call) -> Response:
    """Return the newest firmware of a module: its revision, where its image is, what is new."""
    asked = Module(call.parameter("module"), call.parameter("product"), call.parameter("hw_rev"))
    running = call.parameter("fw_rev")
    try:
        outlet, release = find_release(((one, one.state) for one in call.outlets), asked, running)
    except LookupError as error:
        why = str(error)
        raise HttpProblem(404, why, more={"message": why}) from None  # clients read `message`
    service = outlet.state.update_service
    said = quote(release.available_fw_rev) if service.answer == "inventory" else service.answer
    text = f"the update service is asked about {asked}, {quote(running)}, and answers: {said}"
    outlet.apply_effects((Log(text),))
    match service.answer:
        case "error":
            return _json({"message": "Internal Server Error"}, 500)
        case "not json":
            return Response(NOT_JSON, media_type="text/html")
        case "slow":
            await _sleep(call.runtime.clock, service.slow_seconds)
        case "up-to-date":
            release = msgspec.structs.replace(release, available_fw_rev=running)
    answer = {
        "available_fw_rev": release.available_fw_rev,
        "ota_bin_url": release.url,
        "message": release.message,
    }
    if service.answer == "no url":
        del answer["ota_bin_url"]
    return _json(answer)


async def _sleep(clock: Clock, seconds: float) -> None:
    """Return after a number of simulated seconds."""
    # With timers of its own: those of an outlet belong to what clients of the outlet see.
    timeline = clock.timeline(Schedule(), lambda effects: None)
    try:
        await timeline.sleep(seconds)
    finally:
        timeline.close()


def _json(answer: dict[str, str], status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


OPERATIONS = (
    Operation(
        method="GET",
        path="/update-service/{module}/{product}/{hw_rev}/{fw_rev}",
        handler=check_firmware,
        answer=dict[str, str],
    ),
)
