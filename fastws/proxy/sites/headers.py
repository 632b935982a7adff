"""The headers for an upstream, in place of the client's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastws.proxy.sites import escapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastws.config import model
    from fastws.proxy.sites.variables import Value, Variables
    from fastws.proxy.sites.visit import Visit

# What says where a message ends, or opens the tunnel, is written by whoever sends the message.
_OURS = frozenset(
    (
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "sec-websocket-accept",
        "sec-websocket-key",
        "sec-websocket-version",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
# What a handshake asks for may be taken away, and nothing be put in its place: the answer is held
# against what the client asked.
_OFFERS = frozenset(("sec-websocket-extensions", "sec-websocket-protocol"))


@dataclass(slots=True, frozen=True)
class Edits:
    """Whole lines that stand first, and the client's headers that do not go on."""

    lines: bytes
    dropped: frozenset[bytes]


class HeaderLines:
    """What the upstream is told in headers of ours."""

    def __init__(self, lines: Sequence[model.HeaderLine], variables: Variables) -> None:
        names = {line.name.lower() for line in lines} - _OURS
        self._dropped = frozenset(name.encode() for name in names) | {b"expect", b"host"}
        self._host: Value = variables.named("proxy_host")
        self._lines: list[tuple[bytes, Value]] = []
        self._connection: Value | None = None
        # Who takes the header away wants no WebSockets there.
        self.takes_websockets = not any(
            line.name.lower() == "upgrade" and not line.value for line in lines
        )
        for line in lines:
            name = line.name.lower()
            value = variables.text(line.value)
            if name == "host":
                self._host = value
            elif name == "connection":
                self._connection = value
            elif name not in _OURS and name not in _OFFERS and line.value:
                self._lines.append((line.name.encode() + b": ", value))

    def edits(self, visit: Visit) -> Edits:
        """Return what is edited in a request."""
        lines = [b"Host: " + (escapes.in_header(self._host(visit)) or visit.proxy_host)]
        if self._connection and not visit.incoming.handshake and self._closes(visit):
            lines.append(b"Connection: close")
        for start, value in self._lines:
            if found := value(visit):
                lines.append(start + escapes.in_header(found))
        lines.append(b"")
        return Edits(b"\r\n".join(lines), self._dropped)

    def _closes(self, visit: Visit) -> bool:
        """Whether a plain request says that its connection is not kept: all that it may say."""
        return self._connection is not None and self._connection(visit).lower() == b"close"
