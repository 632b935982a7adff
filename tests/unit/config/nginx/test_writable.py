from pathlib import Path

from fastws.config.nginx.findings import Findings, Level
from fastws.config.nginx.parser import Directive, parse
from fastws.config.nginx.writable import writable_file


def test_a_name_is_relative_to_the_folder(tmp_path: Path) -> None:
    findings = Findings()
    file = writable_file(_written("access.log"), tmp_path, findings)
    assert file == str(tmp_path / "access.log")
    assert findings.all == []


def test_what_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    findings = Findings()
    assert writable_file(_written("none/access.log"), tmp_path, findings) == ""
    (found,) = findings.all
    assert found.level is Level.WARNING
    assert found.what.startswith("access_log '")
    assert found.what.endswith("cannot be written to: No such file or directory")


def _written(file: str) -> Directive:
    (directive,) = parse("f", f"access_log {file};".encode(), Findings())
    return directive
