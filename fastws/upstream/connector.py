"""Opens connections to peers."""

import asyncio
import ssl
from collections.abc import Callable

from fastws.upstream.peer import Peer


async def connect(peer: Peer, factory: Callable[[], asyncio.Protocol]) -> None:
    """Connect to ``peer``, TLS included; the protocol that ``factory`` makes gets the transport.

    Raises OSError.
    """
    loop = asyncio.get_running_loop()
    # The name that a certificate is for; the loop takes it with TLS only.
    name = (peer.server_name or "localhost") if peer.tls else None
    address = peer.address
    try:
        if address.path is not None:
            await loop.create_unix_connection(
                factory, address.path, ssl=peer.tls, server_hostname=name
            )
        else:
            await loop.create_connection(
                factory, address.host, address.port, ssl=peer.tls, server_hostname=name
            )
    except ssl.SSLError as error:
        raise OSError(f"TLS failed: {error.reason or error}") from error
    except ConnectionError as error:
        if error.errno:
            raise
        # The loop has no words for an end of file in the middle of the handshake.
        raise OSError("TLS failed: the connection was closed") from error
