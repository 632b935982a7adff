"""Says a command to a proxy, and waits until it is done."""

import json
import socket
from pathlib import Path
from typing import Any

from fastws.admin import places
from fastws.errors import FastwsError


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
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(json.dumps(request).encode() + b"\n")
            with sock.makefile("rb") as answers:
                line = answers.readline()
                if until_gone:
                    answers.read()
    except OSError as error:
        raise FastwsError(f"no fastws answers at {path}: {error.strerror or error}") from error
    if not line:
        raise FastwsError("the proxy ended before it had done that")
    answer: dict[str, Any] = json.loads(line)
    return answer
