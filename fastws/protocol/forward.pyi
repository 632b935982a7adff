"""Heads that go on: the request to the upstream, the answer to the client."""

from collections.abc import Set as AbstractSet
from typing import Protocol, type_check_only

from fastws.protocol.head import RequestHead, ResponseHead
from fastws.protocol.headers import Forwarded

@type_check_only
class Edits(Protocol):
    """What becomes of a request's headers, in place of our own rules."""

    @property
    def lines(self) -> bytes:
        """Whole lines that stand first."""

    @property
    def dropped(self) -> AbstractSet[bytes]:
        """Lower-case names of those that do not go on."""

def plain_request(
    head: RequestHead,
    forwarded: Forwarded,
    edits: Edits | None = None,
    target: bytes | None = None,
    method: bytes | None = None,
    host: bytes = b"",
    bodiless: bool = False,
) -> bytes:
    """Build the head of a request that is no upgrade.

    ``edits`` take the place of ``forwarded``, ``target`` and ``method`` that of the client's.
    ``host`` is for a request in HTTP/1.0 that names none. If it is ``bodiless``, the body that the
    client sends does not follow.
    """

def relayed_response(
    response: ResponseHead,
    lines: bytes = b"",
    hidden: AbstractSet[bytes] | None = None,
    connection: bytes = b"close",
    chunked: bool = True,
    status: bytes | None = None,
) -> bytes:
    """Build the head of an answer other than a 101; its body follows as it comes.

    ``lines`` are added to it, the headers ``hidden``, in lower case, do not go on. ``connection``
    is what Connection says, empty for nothing. Without ``chunked`` a body loses its chunks.
    ``status``, with its reason, takes the place of the answer's own.
    """
