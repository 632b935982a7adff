"""What runs in nginx and does not do what was meant for WebSockets: a function for each trap."""

from fastws.config.nginx.findings import Findings
from fastws.config.nginx.scope import Site
from fastws.config.nginx.traps import handshake, tunnel, upstreams, variables

_ALL = (
    handshake.missing_headers,
    handshake.nothing_upgrades,
    handshake.hard_coded_connection,
    handshake.connection_that_closes,
    handshake.http_version,
    handshake.host_without_port,
    handshake.host_of_the_upstream,
    tunnel.read_timeout,
    tunnel.buffers_without_effect,
    tunnel.big_buffers,
    upstreams.unknown_upstream,
    upstreams.host_by_the_client,
    upstreams.unused_upstream,
    upstreams.no_servers,
    upstreams.suspicious_port,
    upstreams.keepalive_off,
    variables.mapped_twice,
    variables.unknown_variable,
)


def look(site: Site, findings: Findings) -> None:
    """Add every trap of a site to the findings."""
    for trap in _ALL:
        trap(site, findings)
