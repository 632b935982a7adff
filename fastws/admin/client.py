"""Says a command to a proxy, and waits until it is done."""

import json
import socket
from pathlib import Path
from typing import Any

from fastws.admin import places
from fastws.errors import FastwsError

# Seconds for a sign of life.
_PATIENCE = 10.0


def ask(control: str | None, command: str, **arguments: Any) -> dict[str, Any]:
    """Return what the proxy at ``control`` (the only one that runs, if None) answers.

    Raises FastwsError when there is none, and with what it says if it cannot do it.
    """
    path = Path(control) if control else places.find()
    answer = _exchange(path, {"command": command, **arguments}, until_gone=command == "stop")
    if not answer.pop("ok"):
        raise FastwsError(answer["error"])
    return answer


def _exchange(path: Path, request: dict[str, Any], *, until_gone: bool) -> dict[str, Any]:
    try:
        with _said(path, request) as sock:
            line = _read_line(sock, path)
            if until_gone:
                _read_line(sock, path)
    except OSError as error:
        raise FastwsError(f"no fastws answers at {path}: {error.strerror or error}") from error
    if not line:
        raise FastwsError("the proxy ended before it had done that")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _said(path: Path, request: dict[str, Any]) -> socket.socket:
    """Return the connection on which something was asked. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(_PATIENCE)
        sock.connect(str(path))
        sock.sendall(json.dumps(request).encode() + b"\n")
    except OSError:
        sock.close()
        raise
    return sock


def _read_line(sock: socket.socket, path: Path) -> bytes:
    """Return an answer, however long it takes, or nothing at the end.

    Raises FastwsError when the proxy gives no sign of life meanwhile.
    """
    line = b""
    while not line.endswith(b"\n"):
        try:
            more = sock.recv(1 << 16)
        except TimeoutError:
            if _hangs(path):
                raise FastwsError(f"the proxy at {path} does not answer") from None
            continue
        if not more:
            break
        line += more
    return line


def _hangs(path: Path) -> bool:
    """Whether it does not even say what it is doing; one that is gone does not hang."""
    try:
        with _said(path, {"command": "status"}) as sock:
            sock.recv(1)
    except TimeoutError:
        return True
    except OSError:
        pass
    return False
