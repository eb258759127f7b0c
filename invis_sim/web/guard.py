"""Who may steer the outlets: checks of a request before anything looks at it.

Any web page that a developer visits can send requests to this machine, and any program on it can
connect. What is checked here, in this order:

- `Host`: a name that is not ours means that a foreign name was made to point at this machine (DNS
  rebinding); the browser then takes our answers for those of the foreign page.
- `Origin` and `Sec-Fetch-Site`: the browser says that a foreign page sends the request.
- the token, where other machines can reach the port.
- the content type: only one that a foreign page cannot send without asking (CORS preflight).

No answer has CORS headers, so a foreign page can neither ask nor read. Nothing is exempt: not a
path, not a file type, not a client on this machine.
"""

import hmac
import ipaddress
import re
from collections.abc import Collection, Mapping
from http.cookies import CookieError, SimpleCookie

import msgspec

from invis_sim.web.problems import HttpProblem

__all__ = ["SECURITY_HEADERS", "Guard"]

SECURITY_HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
"""Headers of every answer: no foreign page may show, run or read it, and no cache may keep it."""

READING = ("GET", "HEAD")
"""Methods that change nothing. The others need a content type."""

CONTENT_TYPES = ("application/json", "application/toml")
"""What a body may be: types that a form, or a script without permission, cannot send."""

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^:\[\]/@\s]+)(?::(?P<port>\d+))?")


class Guard(msgspec.Struct, frozen=True):
    """What a request must have.

    port: of the control server.
    token: the secret; None: only this machine can connect, and none is needed.
    local_only: whether it listens on a loopback address.
    allow_hosts: further names by which it may be called, in lower case, on any port.
    """

    port: int
    token: str | None
    local_only: bool
    allow_hosts: Collection[str] = ()

    def check(self, method: str, headers: Mapping[str, str], has_body: bool) -> None:
        """Raise HttpProblem for a request that must not be carried out.

        headers: names in lower case.
        """
        host = headers.get("host", "")
        if not self._is_ours(host):
            raise HttpProblem(
                403,
                f"Host {host!r} is not a name of this control server; "
                "--allow-host NAME allows another one",
            )
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in self._own_origins(host):
            raise HttpProblem(403, f"Origin {origin!r} may not steer this outlet")
        site = headers.get("sec-fetch-site", "none")
        if site not in ("none", "same-origin"):
            raise HttpProblem(
                403, f"Sec-Fetch-Site {site!r}: another page may not steer this outlet"
            )
        if self.token is not None and not self._has_token(headers):
            raise HttpProblem(
                401,
                "a token is required: the header `Authorization: Bearer TOKEN`, with the token "
                "that the outlet has printed at its start",
                headers={"www-authenticate": "Bearer"},
            )
        if method not in READING and (has_body or method != "DELETE"):
            given = headers.get("content-type", "")
            if given.partition(";")[0].strip().lower() not in CONTENT_TYPES:
                found = repr(given) if given else "none"
                raise HttpProblem(415, f"Content-Type: expected application/json, found {found}")

    def is_token(self, given: str) -> bool:
        """Return whether this is the token, in a time that says nothing about it."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())

    @property
    def cookie_name(self) -> str:
        """The name of the cookie with the token. Cookies do not know ports, so it has the port."""
        return f"invis-sim-{self.port}"

    def _is_ours(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match["name"].lower().rstrip(".")
        if name in self.allow_hosts:
            return True
        if int(match["port"] or 80) != self.port:
            return False
        if name == "localhost":
            return True
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        # Rebinding needs a name, so any address is good where other machines may connect.
        return address.is_loopback or not self.local_only

    def _own_origins(self, host: str) -> tuple[str, ...]:
        host = host.lower()
        # A proxy in front of it may speak HTTPS.
        proxied = _HOST.fullmatch(host)
        behind = proxied is not None and proxied["name"] in self.allow_hosts
        return (f"http://{host}", f"https://{host}") if behind else (f"http://{host}",)

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        morsel = cookies.get(self.cookie_name)
        return morsel is not None and self.is_token(morsel.value)
