"""What one key alone does not show: faults between keys, and in the files they name."""

import ssl
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from fastws.config.check_sites import check_sites
from fastws.config.faults import Faults, did_you_mean
from fastws.config.files import why_unreadable, why_unwritable
from fastws.config.model import Config, Listener, Route, Upstream

_Key = TypeVar("_Key", bound=Hashable)

# The methods that nginx allows a backup with.
_WITH_BACKUPS = ("round_robin", "least_conn")

_MISMATCH = "tls_key does not belong to tls_cert"
_NOT_PEM = "tls_cert or tls_key is not a PEM file of its kind"


def check(config: Config, origin: str, flags: Mapping[str, str], *, demo: bool = False) -> None:
    """Check what concerns more than one key, and the files that the configuration names.

    ``origin`` and ``flags`` say where the keys were written (see `Faults`). In a demonstration an
    upstream may be without servers. Raises InvalidConfigError with every fault.
    """
    faults = Faults(origin, flags)
    _check_listeners(config, faults)
    _check_upstreams(config, faults, demo=demo)
    _check_routes(config, faults)
    check_sites(config, faults)
    if config.log.file and (why := why_unwritable(config.log.file)):
        faults.add("log.file", why)
    faults.settle()


def _check_listeners(config: Config, faults: Faults) -> None:
    if not config.listeners:
        faults.add("listeners", "there is none", 'give one, as in listeners = [":8080"]')
    # With port 0 the kernel chooses a different one each time.
    places = (
        listener.address.authority if listener.address.port or listener.address.path else i
        for i, listener in enumerate(config.listeners)
    )
    for i, first in _repeated(places):
        faults.add(f"listeners[{i}]", f"listens where listeners[{first}] does")
    for i, listener in enumerate(config.listeners):
        _check_certificate(listener, f"listeners[{i}]", faults)
        _check_tls(listener, f"listeners[{i}]", faults)
        for j, each in enumerate(listener.certificates):
            here = f"listeners[{i}].certificates[{j}]"
            _check_key_pair(each.tls_cert, each.tls_key, here, faults)


def _check_certificate(listener: Listener, path: str, faults: Faults) -> None:
    cert, key = listener.tls_cert, listener.tls_key
    if cert is not None and key is not None:
        _check_key_pair(cert, key, path, faults)
    elif cert is not None or key is not None:
        given, missing = ("tls_cert", "tls_key") if key is None else ("tls_key", "tls_cert")
        faults.add(f"{path}.{given}", f"is of no use without {missing}")
    elif listener.address.tls:
        hint = "give tls_cert and tls_key, or --tls-cert and --tls-key"
        faults.add(path, "a wss listener needs a certificate", hint)
    if not listener.address.tls and (cert or key):
        faults.add(path, "has a certificate, but is no wss listener", "write wss:// before it")


def _check_tls(listener: Listener, path: str, faults: Faults) -> None:
    if not listener.tls_versions:
        faults.add(f"{path}.tls_versions", "are none", "the oldest that is spoken is TLSv1.2")
    if listener.tls_ciphers is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(listener.tls_ciphers)
    except (ssl.SSLError, ValueError):  # the second: of what is no text, or has a NUL in it
        faults.add(f"{path}.tls_ciphers", "is no list of ciphers that OpenSSL can read")


def _check_key_pair(cert: str, key: str, path: str, faults: Faults) -> None:
    unreadable = {"tls_cert": why_unreadable(cert), "tls_key": why_unreadable(key)}
    for name, why in unreadable.items():
        if why:
            faults.add(f"{path}.{name}", why)
    if any(unreadable.values()):
        return
    try:
        # Without a password function OpenSSL asks the terminal for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, _refuse_password)
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        faults.add(path, _MISMATCH if mismatch else _NOT_PEM)
    except ValueError as error:
        faults.add(f"{path}.tls_key", str(error))


def _refuse_password() -> str:
    raise ValueError("is protected by a password, which cannot be given")


def _check_upstreams(config: Config, faults: Faults, *, demo: bool) -> None:
    if not config.upstreams and not config.sites:
        faults.add("upstreams", "there is none", "give one, or --upstream HOST:PORT")
    names = (upstream.name for upstream in config.upstreams)
    for i, first in _repeated(names):
        faults.add(f"upstreams[{i}].name", f"is the name of upstreams[{first}] already")
    for i, upstream in enumerate(config.upstreams):
        path = f"upstreams[{i}]"
        if not upstream.servers and not demo:
            faults.add(f"{path}.servers", "there is none")
        _check_backups(upstream, path, faults)
        _check_authorities(upstream, path, faults)


def _check_backups(upstream: Upstream, path: str, faults: Faults) -> None:
    backups = [i for i, server in enumerate(upstream.servers) if server.backup]
    if backups and len(backups) == len(upstream.servers):
        faults.add(f"{path}.servers", "are all backups", "let one be none")
    if upstream.balance.method not in _WITH_BACKUPS:
        for i in backups:
            methods = " and ".join(_WITH_BACKUPS)
            faults.add(f"{path}.servers[{i}].backup", f"is only for {methods}")


def _check_authorities(upstream: Upstream, path: str, faults: Faults) -> None:
    if upstream.tls_ca is None:
        return
    if why := why_unreadable(upstream.tls_ca):
        faults.add(f"{path}.tls_ca", why)
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(upstream.tls_ca)
    except ssl.SSLError:
        faults.add(f"{path}.tls_ca", "is not a PEM file of certificates")


def _check_routes(config: Config, faults: Faults) -> None:
    names = [upstream.name for upstream in config.upstreams]
    if names and not config.routes and not config.sites:
        faults.add("routes", "there is none", "say which requests go to which upstream")
    for i, route in enumerate(config.routes):
        if route.upstream not in names:
            message = f'there is no upstream "{route.upstream}"'
            faults.add(f"routes[{i}].upstream", message, did_you_mean(route.upstream, names))
    _check_ambiguous_routes(config.routes, faults)


def _check_ambiguous_routes(routes: tuple[Route, ...], faults: Faults) -> None:
    seen: dict[tuple[str, str], int] = {}
    for i, route in enumerate(routes):
        for host in route.hosts or ("any host",):
            first = seen.setdefault((host, route.path), i)
            if first != i:
                faults.add(f"routes[{i}]", f"is for {host} and {route.path}, as routes[{first}] is")


def _repeated(keys: Iterable[_Key]) -> Iterator[tuple[int, int]]:
    """Yield the index of every key that was there before, and that of its first occurrence."""
    seen: dict[_Key, int] = {}
    for i, key in enumerate(keys):
        first = seen.setdefault(key, i)
        if first != i:
            yield i, first
