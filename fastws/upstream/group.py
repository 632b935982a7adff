"""An upstream: the group of peers that a route's connections are balanced over."""

import ssl
from collections.abc import Collection

from fastws.config import model
from fastws.upstream.balancers.round_robin import RoundRobin
from fastws.upstream.peer import Peer


class Upstream:
    """The live form of a configured upstream.

    Raises OSError when ``tls_ca`` cannot be read.
    """

    def __init__(self, config: model.Upstream) -> None:
        self.name = config.name
        context = _client_context(config)
        self.peers = tuple(
            Peer(
                address=server.address,
                weight=server.weight,
                tls=context if server.address.tls else None,
                server_name=config.tls_server_name or server.address.host or None,
            )
            for server in config.servers
        )
        self._balancer = RoundRobin(self.peers)

    def pick(self, tried: Collection[Peer]) -> Peer | None:
        """Choose the peer for a connection, or the next one after those ``tried``."""
        return self._balancer.pick(tried)


def _client_context(config: model.Upstream) -> ssl.SSLContext | None:
    if not any(server.address.tls for server in config.servers):
        return None
    context = ssl.create_default_context(cafile=config.tls_ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not config.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
