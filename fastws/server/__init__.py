"""The process: listening sockets, TLS, signals, the way to stop."""

from fastws.server.worker import run

__all__ = ["run"]
