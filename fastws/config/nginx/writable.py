"""Files that a directive wants written."""

import os
from pathlib import Path

from fastws.config.files import why_unwritable
from fastws.config.nginx.findings import Findings
from fastws.config.nginx.parser import Directive


def writable_file(directive: Directive, folder: Path, findings: Findings) -> str:
    """Return the file that a directive names, relative to ``folder``.

    Nothing if it cannot be written to, which is a warning: nginx would not start, but sockets are
    worth more than a file.
    """
    file = os.path.join(folder, directive.values[0])  # noqa: PTH118 - as nginx writes it
    why = why_unwritable(file)
    if not why:
        return file
    then = "fastws serves without it; nginx would not start"
    findings.warning(directive.place, f"{directive.name.text} {why}", then)
    return ""
