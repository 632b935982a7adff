import json
from pathlib import Path

import pytest

from fastws.config.report import examine, left_out

WARNED = "server { location /ws { proxy_pass http://a:1; } }"
LEFT_OUT = "gzip on;"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "nginx.conf"


def test_a_fine_file(file: Path) -> None:
    file.write_text("server {\n listen 80;\n}\n")
    report = examine(str(file))
    assert report.text() == f"{file}: ok"
    assert not report.fails(strict=True)


@pytest.mark.parametrize(
    ("text", "fails", "strictly"),
    [
        ("server { lsten 80; }", True, True),
        (WARNED, False, True),
        (LEFT_OUT, False, True),
        ("sendfile on;", False, False),
    ],
)
def test_what_fails(file: Path, text: str, fails: bool, strictly: bool) -> None:  # noqa: FBT001
    file.write_text(text)
    report = examine(str(file))
    assert (report.fails(strict=False), report.fails(strict=True)) == (fails, strictly)


def test_findings_are_printed_as_a_compiler_does(file: Path) -> None:
    file.write_text("server {\n  listen 80;\n  ...\n  gzip on;\n}\n")
    assert examine(str(file)).text().splitlines() == [
        f'{file}:3:3: error: "..." is not a directive: it stands for lines that were left out',
        "    why:   nginx does not start with it",
        "    write: listen 80;",
        "",
        f"{file}:4:3: not imported: gzip (fastws relays bodies as they are)",
        f"{file}: 1 error, 1 not imported",
    ]


def test_lines_to_write_stand_below_one_another(file: Path) -> None:
    file.write_text(WARNED)
    text = examine(str(file)).text()
    first = "    write: proxy_set_header Upgrade $http_upgrade;\n"
    assert f"{first}           proxy_set_header Connection $connection_upgrade;\n" in text
    assert text.endswith(f"{file}: ok, 4 warnings")


def test_json_has_the_same(file: Path) -> None:
    file.write_text("server {\n  lsten 80;\n}\n")
    document = json.loads(examine(str(file)).json(strict=False))
    assert (document["file"], document["ok"]) == (str(file), False)
    (finding,) = document["findings"]
    assert finding == {
        "level": "error",
        "where": f"{file}:2:3",
        "file": str(file),
        "line": 2,
        "column": 3,
        "what": 'unknown directive "lsten"; did you mean "listen"?',
        "why": "nginx does not start with it",
        "write": "",
    }


def test_json_of_toml(file: Path) -> None:
    file.write_text("workers = 0\n")
    report = examine(str(file))
    document = json.loads(report.json(strict=False))
    assert document["ok"] is False
    assert document["findings"][0]["where"] == f"{file}: workers"
    assert report.fails(strict=False)
    assert json.loads(examine(str(file / "no")).json(strict=True))["ok"] is False


def test_nothing_unprintable_is_printed(file: Path) -> None:
    file.write_bytes(b"server {\n a\x1b[0m\xff b; gz\x1bip\x07 on;}")
    report = examine(str(file))
    text = report.text() + "".join(
        str(each.values()) for each in json.loads(report.json(strict=False))["findings"]
    )
    assert text.replace("\n", "").isprintable()


def test_what_is_not_served_has_a_line_each(file: Path) -> None:
    file.write_text("server {\n  gzip on;\n  sendfile on;\n  auth_basic a;\n}\n")
    ignored = f"{file}:4:3: not imported: auth_basic (ignored as told: without it clients get in"
    lines = left_out(str(file), ("auth_basic",))
    assert lines[0] == f"{file}:2:3: not imported: gzip (fastws relays bodies as they are)"
    assert lines[1].startswith(ignored)
    assert len(lines) == 2
    file.write_text('listeners = [":80"]\n')
    assert left_out(str(file), ()) == []
