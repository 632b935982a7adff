"""The processes: supervisor and workers, listening sockets, TLS, signals, the way to stop."""

from fastws.server.supervisor import Load, Supervisor

__all__ = ["run"]


def run(load: Load, *, demo: bool = False) -> None:
    """Serve what ``load()`` returns, until SIGTERM or SIGINT; then close all tunnels with 1001.

    With ``demo`` there is an embedded upstream that echoes, and a page at ``/``. Raises
    FastwsError for what the operator has to put right: an address in use, an unreadable file.
    """
    Supervisor(load, with_demo=demo).run()
