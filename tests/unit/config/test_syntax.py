from pathlib import Path

import pytest

from fastws.config.syntax import is_nginx, read
from fastws.errors import ConfigError


@pytest.mark.parametrize(
    "text",
    [
        "events {}",
        "# a = b\n\nserver {\n listen 80;\n}\n",
        "user\n  nobody;",
        "upstream a {\n",
        "map $a $b { '' close; }",
        "...\nlocation / { }",
        "\ufeffhttp {\n}",
        "set $a b; # c",
        "a {\r\n}\r\n",
        "}",
        "log_format a escape=json b;\nserver { }",
        "add_header Strict-Transport-Security max-age=1;",
    ],
)
def test_what_nginx_would_write(text: str) -> None:
    assert is_nginx(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# server {\n",
        "a = 1",
        "[a]\nb = 'c;'",
        "[[upstreams]]",
        'a.b = { c = "d" }',
        '"a b" = "{"',
        "a . 'b c'.d-e = 1",
        "a = {",
        "workers 2",
        "a = '''\n;\n'''",
        "\xff\xfe",
    ],
)
def test_what_is_toml_or_nothing(text: str) -> None:
    assert not is_nginx(text.encode("latin-1"))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read(str(tmp_path / "no"))
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read(str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be read"):
        read("a\0b")
