"""TLS for listeners: 1.2 and 1.3, HTTP/1.1 only."""

import ssl

from fastws.config.model import Listener
from fastws.errors import FastwsError


def server_context(listener: Listener) -> ssl.SSLContext | None:
    """Return the context of a ``wss`` listener, None for a plain one.

    Raises FastwsError when the certificate or its key cannot be used.
    """
    if not listener.address.tls or listener.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(listener.tls_cert, listener.tls_key)
    except OSError as error:
        # OpenSSL does not say which of the two.
        files = f"{listener.tls_cert} with {listener.tls_key}"
        raise FastwsError(f"cannot use {files}: {error.strerror or error}") from error
    return context
