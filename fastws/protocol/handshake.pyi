"""The opening handshake of RFC 6455, section 4, on both sides of the proxy."""

from collections.abc import Set as AbstractSet
from typing import final

from fastws.protocol.forward import Edits
from fastws.protocol.head import RequestHead, ResponseHead
from fastws.protocol.headers import Forwarded

@final
class UpgradeRequest:
    """A valid opening handshake. Its parts are made into objects each time they are asked for."""

    @property
    def target(self) -> bytes:
        """In origin-form, byte for byte."""

    @property
    def host(self) -> bytes:
        """The Host header."""

    @property
    def origin(self) -> bytes | None:
        """The Origin header; None from a program that sends none."""

    @property
    def key(self) -> bytes:
        """Sec-WebSocket-Key: the base64 of 16 bytes."""

    @property
    def protocols(self) -> tuple[bytes, ...]:
        """The subprotocols offered; their names are case-sensitive."""

    @property
    def extensions(self) -> tuple[bytes, ...]:
        """The names of the extensions offered."""

    def values(self, name: bytes) -> list[bytes]:
        """All values of a header, by its lower-cased name."""

    @property
    def dropped(self) -> int:
        """How many headers were dropped, for an underscore in their names."""

@final
class UpgradeResponse:
    """A 101 that answers its request, with what the two peers agreed on."""

    @property
    def protocol(self) -> bytes | None:
        """The subprotocol that was chosen; None: none."""

    @property
    def extensions(self) -> tuple[bytes, ...]:
        """The names of the extensions that were agreed, in order."""

def judge(head: RequestHead) -> UpgradeRequest:
    """Hold a request against RFC 6455 section 4.2.1.

    Raises ``Reject``: 426 for what is no WebSocket handshake of version 13, 400 for a faulty one.
    """

def upgrade_request(
    request: UpgradeRequest,
    forwarded: Forwarded,
    edits: Edits | None = None,
    target: bytes | None = None,
) -> bytes:
    """Build the request to the upstream; see ``plain_request``."""

def check_answer(request: UpgradeRequest, response: ResponseHead) -> UpgradeResponse | None:
    """Hold the upstream's answer against RFC 6455 section 4.1; None for any but a 101.

    Raises ``UpstreamReject`` for a 101 that does not answer this request.
    """

def switching_response(
    response: UpgradeResponse, lines: bytes = b"", hidden: AbstractSet[bytes] | None = None
) -> bytes:
    """Build the 101 to the downstream; the Accept among its headers has been checked.

    ``lines`` are added to it; the headers ``hidden``, in lower case, do not go on.
    """
