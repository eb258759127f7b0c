"""A client of the control server of a running outlet, for the commands that steer one."""

import argparse
import http.client
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, quote, urlsplit

from invis_sim import __version__
from invis_sim.cli import CliError

__all__ = ["AT_VARIABLE", "TOKEN_VARIABLE", "ControlClient", "ControlLost", "ControlProblem"]

DEFAULT_AT = "http://127.0.0.1:3334"
DEFAULT_PORT = 3334
AT_VARIABLE = "INVIS_SIM_CONTROL"
TOKEN_VARIABLE = "INVIS_SIM_TOKEN"

MAX_STRANGE_BYTES = 65536
"""How much is read of an answer before it is known to come from invis-sim."""


class ControlLost(CliError):
    """The control server cannot be reached, or went away."""


class ControlProblem(CliError):
    """The control server has not done what was asked.

    http_status: of its answer. found: its problems, each the path into the body and a message; none
    where the problem is of another kind.
    """

    def __init__(
        self,
        *problems: str,
        status: int = 1,
        http_status: int = 0,
        found: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(*problems, status=status)
        self.http_status = http_status
        self.found = found


class Target(NamedTuple):
    """Where a control server is."""

    host: str
    port: int
    https: bool
    path: str
    token: str | None

    @property
    def url(self) -> str:
        """The URL, as messages show it: without a token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.https else 'http'}://{host}:{self.port}{self.path}"


def parse_target(text: str) -> Target:
    """Return where the control server is.

    text: a URL, as the outlet prints it at its start; or HOST[:PORT], or PORT on this machine.

    Raises CliError (status 2).
    """
    whole = text
    if text.isascii() and text.isdecimal():
        whole = f"http://127.0.0.1:{text}"
    elif "://" not in text:
        whole = f"http://{text}"
    try:
        parts = urlsplit(whole)
        port = parts.port
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError
        if port == 0 or not parts.path.isascii():
            raise ValueError
    except ValueError:
        expected = f"expected a URL such as {DEFAULT_AT}, HOST:PORT or PORT"
        raise CliError(f"--at {text!r}: {expected}", status=2) from None
    if port is None:
        port = DEFAULT_PORT if "://" not in text else 443 if parts.scheme == "https" else 80
    token = parse_qs(parts.query).get("token", [None])[0]
    path = parts.path.rstrip("/")
    return Target(parts.hostname, port, parts.scheme == "https", path, token)


class ControlClient(AbstractContextManager["ControlClient"]):
    """A connection to a control server, which a `with` block closes.

    args: the options that `steer_arguments.py` adds.
    headers: of the last answer.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        target = parse_target(args.at or os.environ.get(AT_VARIABLE) or DEFAULT_AT)
        self.url = target.url
        self._path = target.path
        self._token = args.token or target.token or os.environ.get(TOKEN_VARIABLE)
        self._sn: str | None = args.sn
        self._timeout: float | None = args.timeout
        self._version = __version__
        self.headers: Mapping[str, str] = {}
        kind = http.client.HTTPSConnection if target.https else http.client.HTTPConnection
        self._connection = kind(target.host, target.port)

    def __enter__(self) -> Self:
        """Connect. Raises CliError unless an invis-sim answers."""
        try:
            self._meet()
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def base(self) -> str:
        """The path of what the command is about: the outlet of --sn, or all of them."""
        return "/api" if self._sn is None else f"/api/outlets/{quote(self._sn, safe='')}"

    def outlets(self) -> list[Any]:
        """Return what the outlets of the command are at the moment. Raises CliError."""
        if self._sn is not None:
            return [self.get(self.base)]
        return [*self.get("/api/outlets")]

    def get(self, path: str) -> Any:
        """Return what is there. Raises CliError."""
        return self.send("GET", path)

    def send(self, method: str, path: str, body: Any = None, *, slow: bool = False) -> Any:
        """Send a request; return the answer, decoded where it is JSON, else as text.

        slow: whether the answer may take longer than --timeout.

        Raises ControlLost, ControlProblem.
        """
        if slow:
            self._timeout = None
        response = self._request(method, path, body)
        found = _decoded(response, self._read(response))
        self.headers = dict(response.getheaders())
        if response.status >= 400 or found is None:
            raise self._problem(response.status, found, f"{method} {path}")
        return found

    def stream(self, path: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """Begin to read an answer that does not end; it is the last one of this connection.

        Raises ControlLost, ControlProblem.
        """
        response = self._request("GET", path, headers=headers)
        if response.status != 200:
            found = _decoded(response, self._read(response))
            raise self._problem(response.status, found, f"GET {path}")
        return response

    def wait_at_most(self, seconds: float | None) -> None:
        """Let reading fail with a TimeoutError where nothing comes for so long; None: never."""
        self._connection.timeout = seconds
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)

    def _meet(self) -> None:
        """Find out what answers there. Raises CliError unless it is an invis-sim."""
        response = self._request("GET", "/api/version")
        found = _decoded(response, self._read(response, MAX_STRANGE_BYTES))
        if isinstance(found, dict):
            if response.status == 200 and found.get("name") == "invis-sim":
                self._version = str(found.get("version"))
                return
            if found.get("status") == response.status and "detail" in found:
                raise self._problem(response.status, found, "GET /api/version")
        raise CliError(
            f"{self.url} is not the control server of an invis-sim (HTTP status {response.status})"
        )

    def _request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> http.client.HTTPResponse:
        sent = dict(headers or {})
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        if method not in ("GET", "HEAD"):
            sent["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        try:
            self.wait_at_most(self._timeout)
            self._connection.request(method, self._path + path, data, sent)
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._lost(error) from None

    def _read(self, response: http.client.HTTPResponse, most: int | None = None) -> bytes:
        try:
            return response.read(most)
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error) from None

    def _lost(self, error: Exception) -> CliError:
        if isinstance(error, TimeoutError) and self._timeout is not None:
            why = f"no answer within {self._timeout:g} s; is this the port of --control?"
        elif isinstance(error, ConnectionRefusedError):
            why = "nothing listens there; does an outlet run with --control?"
        elif isinstance(error, http.client.RemoteDisconnected):
            why = "the connection was closed without an answer; is this the port of --control?"
        elif isinstance(error, http.client.HTTPException):
            why = "what answers does not speak HTTP; is this the port of --control?"
        elif isinstance(error, OSError):
            why = error.strerror or str(error)
        else:  # a token, or a host, that no header can have
            return CliError(f"{self.url}: {error}", status=2)
        return ControlLost(f"{self.url}: {why}")

    def _problem(self, status: int, found: Any, what: str) -> ControlProblem:
        document = found if isinstance(found, dict) else {}
        listed = tuple(
            (str(one.get("path", "")), str(one.get("message", "")))
            for one in document.get("problems", ())
            if isinstance(one, dict)
        )
        lines = [": ".join(filter(None, one)) for one in listed]
        if status == 401:
            given = "this token is wrong" if self._token else "a token is required"
            hint = f"--token or {TOKEN_VARIABLE} takes the one printed when the outlet started"
            lines = [f"{self.url}: {given}; {hint}"]
        elif not lines:
            detail = document.get("detail") or f"{what} is answered with HTTP status {status}"
            lines = [f"{self.url}: {detail}"]
        if self._version != __version__:
            lines.append(f"it is invis-sim {self._version}, and this is {__version__}")
        return ControlProblem(*lines, status=2 if listed else 1, http_status=status, found=listed)


def _decoded(response: http.client.HTTPResponse, data: bytes) -> Any:
    """Return what an answer says: decoded JSON, text; None where it is neither."""
    media = response.headers.get_content_type()
    try:
        text = data.decode()
        return json.loads(text) if media.endswith("json") else text
    except (ValueError, RecursionError):
        return None
