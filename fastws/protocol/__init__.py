"""Sans-I/O HTTP/1.1: the opening handshake of a WebSocket, from bytes to bytes."""
