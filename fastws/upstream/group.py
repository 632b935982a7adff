"""An upstream: the group of peers that a route's connections are balanced over."""

import ssl
from collections.abc import Callable, Sequence
from itertools import zip_longest

from fastws._board import PeerState
from fastws.config import model
from fastws.upstream.balancers import Balancer, sticky
from fastws.upstream.balancers.backup import Backup
from fastws.upstream.balancers.consistent_hash import ConsistentHash
from fastws.upstream.balancers.hash import Hash
from fastws.upstream.balancers.ip_hash import IpHash
from fastws.upstream.balancers.least_conn import LeastConn
from fastws.upstream.balancers.random import Random, RandomTwo
from fastws.upstream.balancers.round_robin import RoundRobin
from fastws.upstream.balancers.sticky import Sticky
from fastws.upstream.client import Client
from fastws.upstream.idle import Idle
from fastws.upstream.key import CompileKey, compile_key
from fastws.upstream.lease import Lease, take
from fastws.upstream.peer import Peer, lone_state

_METHODS: dict[str, Callable[[Sequence[Peer]], Balancer]] = {
    "round_robin": RoundRobin,
    "least_conn": LeastConn,
    "ip_hash": IpHash,
    "random": Random,
    "random_two": RandomTwo,
}


class Upstream:
    """The live form of a configured upstream.

    ``states`` are those of its servers, in their order; without them each counts for itself.
    ``key`` compiles what is hashed. Raises OSError when ``tls_ca`` cannot be read.
    """

    def __init__(
        self,
        config: model.Upstream,
        states: Sequence[PeerState] = (),
        *,
        key: CompileKey = compile_key,
    ) -> None:
        self._key = key
        self.name = config.name
        context = _client_context(config)
        self.peers = tuple(
            _peer(server, config, context, state)
            for server, state in zip_longest(config.servers, states)
        )
        self.idle = Idle(config.keepalive, config.keepalive_timeout)
        self._sticky = config.balance.sticky
        self._balancer = self._build(config)

    def lease(self, tried: Sequence[Peer], client: Client) -> Lease | None:
        """Choose the peer for a connection, or the next one after those ``tried``."""
        # Once for each, since a peer whose last place another worker takes is picked no more.
        for _ in self.peers:
            peer = self._balancer.pick(tried, client)
            if peer is None:
                return None
            if lease := take(peer):
                return lease
        return None

    def fields(self, peer: Peer) -> bytes:
        """Return the lines to add to the head of a peer's answer."""
        return sticky.field(peer, self._sticky) if self._sticky else b""

    def _build(self, config: model.Upstream) -> Balancer:
        primaries, backups = (
            [peer for peer, server in zip(self.peers, config.servers, strict=True) if kind(server)]
            for kind in (lambda server: not server.backup, lambda server: server.backup)
        )
        balancer = self._balance(config.balance, primaries)
        return Backup(balancer, self._balance(config.balance, backups)) if backups else balancer

    def _balance(self, balance: model.Balance, peers: Sequence[Peer]) -> Balancer:
        method = self._method(balance, peers)
        return Sticky(peers, method, balance.sticky.name) if balance.sticky else method

    def _method(self, balance: model.Balance, peers: Sequence[Peer]) -> Balancer:
        match balance.method:
            case "hash":
                return Hash(peers, self._key(balance.key))
            case "consistent_hash":
                return ConsistentHash(peers, self._key(balance.key))
            case method:
                return _METHODS[method](peers)


def _peer(
    server: model.Server,
    config: model.Upstream,
    context: ssl.SSLContext | None,
    state: PeerState | None,
) -> Peer:
    alone = len(config.servers) == 1
    return Peer(
        address=server.address,
        weight=server.weight,
        tls=context if server.address.tls else None,
        server_name=config.tls_server_name or server.address.host or None,
        down=server.down,
        max_conns=server.max_conns,
        # Where there is no other, it is better to try than to refuse: nginx's rule too.
        max_fails=0 if alone else server.max_fails,
        fail_timeout=int(server.fail_timeout * 1e9),
        state=state or lone_state(server.weight),
    )


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
