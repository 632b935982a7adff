"""TLS for listeners: 1.2 and 1.3, HTTP/1.1 only."""

import ssl
from collections.abc import Callable

from fastws.config.model import Listener
from fastws.errors import FastwsError, SlowPattern
from fastws.proxy.sites.hosts import Hosts

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}

_AskedFor = Callable[[ssl.SSLObject, str | None, ssl.SSLContext], int | None]


def server_context(listener: Listener) -> ssl.SSLContext | None:
    """Return the context of a ``wss`` listener, None for a plain one.

    Raises FastwsError when a certificate or its key cannot be used.
    """
    if not listener.address.tls or listener.tls_cert is None or listener.tls_key is None:
        return None
    context = _context(listener, listener.tls_cert, listener.tls_key)
    if listener.certificates or listener.tls_refuse_unknown:
        context.sni_callback = _chooser(listener)
    return context


def _context(listener: Listener, cert: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = [_VERSIONS[version] for version in listener.tls_versions]
    context.minimum_version = min(versions)
    context.maximum_version = max(versions)
    context.set_alpn_protocols(["http/1.1"])
    try:
        if listener.tls_ciphers:
            context.set_ciphers(listener.tls_ciphers)
        context.load_cert_chain(cert, key)
    except OSError as error:
        # OpenSSL does not say which of the two.
        files = f"{cert} with {key}"
        raise FastwsError(f"cannot use {files}: {error.strerror or error}") from error
    return context


def _chooser(listener: Listener) -> _AskedFor:
    """Return what puts the certificate of the host in place that a client asks for."""
    contexts: Hosts[ssl.SSLContext] = Hosts(
        (each.hosts, _context(listener, each.tls_cert, each.tls_key))
        for each in listener.certificates
    )
    unknown = ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if listener.tls_refuse_unknown else None

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        try:
            found = contexts.find(name.lower().encode()) if name else None
        except SlowPattern:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        if found is None:
            return unknown
        connection.context = found[0]
        return None

    return choose
