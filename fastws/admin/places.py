"""Where control sockets are: each proxy has its own, and a command finds the only one.

A service manager's directory for the service comes first, then the user's directory for such
things, then one of ours among the temporary files. The name is the process's number, so that two
proxies are never in each other's way.
"""

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fastws.errors import FastwsError

_SYSTEM = Path("/run/fastws")


def default_path() -> Path:
    """Return where this process has its control socket if nobody says where.

    Raises FastwsError when there can be none.
    """
    folder = next(_folders())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FastwsError(f"cannot make {folder}: {error.strerror}") from error
    if not _is_ours(folder):
        raise FastwsError(f"{folder} belongs to somebody else, or others may write there")
    return folder / f"{os.getpid()}.sock"


def find() -> Path:
    """Return the control socket of the one proxy that runs. Raises FastwsError."""
    folders = list(dict.fromkeys([*_folders(), _SYSTEM]))
    found = [path for folder in folders for path in _living(folder)]
    if not found:
        places = ", ".join(map(str, folders))
        raise FastwsError(f"no fastws runs here (looked in {places}); say --control PATH")
    if len(found) > 1:
        paths = ", ".join(map(str, found))
        raise FastwsError(f"more than one fastws runs here: say --control with one of {paths}")
    return found[0]


def _folders() -> Iterator[Path]:
    if given := os.environ.get("RUNTIME_DIRECTORY"):
        yield Path(given.partition(":")[0])
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(given) / "fastws"
    yield Path(tempfile.gettempdir()) / f"fastws-{os.getuid()}"


def _is_ours(folder: Path) -> bool:
    """Whether nobody else can put a socket there: temporary files are everybody's."""
    found = folder.lstat()
    return (
        stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
    )


def _living(folder: Path) -> Iterator[Path]:
    """Yield the sockets that somebody answers at; one that is left from a kill is passed over."""
    try:
        paths = sorted(folder.glob("*.sock"))
    except OSError:
        return
    for path in paths:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                continue
        yield path
