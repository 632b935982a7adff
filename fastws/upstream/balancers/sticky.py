"""By a cookie that names the peer, so that a client finds the one it had."""

from collections.abc import Sequence
from email.utils import formatdate
from hashlib import md5
from time import time

from fastws.config import model
from fastws.upstream.balancers import Balancer
from fastws.upstream.client import Client
from fastws.upstream.key import cookie
from fastws.upstream.peer import Peer


class Sticky:
    """nginx's ``sticky cookie`` over another method, which chooses for those without the cookie.

    The cookie's value is nginx's too, so that clients stay where they are when one replaces the
    other.
    """

    def __init__(self, peers: Sequence[Peer], method: Balancer, name: str) -> None:
        self._method = method
        self._cookie = cookie(name)
        self._peers = {_identity(peer): peer for peer in reversed(peers)}

    def pick(self, tried: Sequence[Peer], client: Client) -> Peer | None:
        """Choose the peer of the cookie."""
        peer = self._peers.get(self._cookie(client))
        if peer is not None and peer.available and peer not in tried:
            return peer
        return self._method.pick(tried, client)


def field(peer: Peer, config: model.Sticky) -> bytes:
    """Make the line of a head that sets the cookie for a peer."""
    text = b"Set-Cookie: %b=%b" % (config.name.encode(), _identity(peer))
    if config.expires is not None:
        date = formatdate(time() + config.expires, usegmt=True)
        text += f"; expires={date}; max-age={int(config.expires)}".encode()
    return text + config.attributes.encode() + b"\r\n"


def _identity(peer: Peer) -> bytes:
    return md5(peer.name.encode(), usedforsecurity=False).hexdigest().encode()
