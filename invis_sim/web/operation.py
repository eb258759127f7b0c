"""An operation of the API: what can be done with one method at one path, as data."""

from collections.abc import Callable
from typing import Any

import msgspec

from invis_sim.web.request import Call

__all__ = ["Operation"]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. The routes and the OpenAPI document are made from these.

    path: with parameters, as `/api/outlets/{sn}/faults/{id}`.
    handler: carries it out and returns what becomes JSON, or a response; may be a coroutine. Its
    docstring is the operation's manual.
    answer: the type of what it returns; None: nothing. status: of the answer where all is well.
    body: the type of the body; None: there is none. query: a struct with a field for each
    parameter.
    media: the media type of the answer where that is not JSON.
    """

    method: str
    path: str
    handler: Callable[[Call], Any]
    answer: Any = None
    status: int = 200
    body: Any = None
    query: type[msgspec.Struct] | None = None
    media: str = "application/json"
