import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from fastws import __version__
from fastws.cli import main
from fastws.config.model import Config
from fastws.errors import FastwsError

GOOD = 'listeners = [":80"]\nupstreams = [{name = "a", servers = ["a:1"]}]\n'


def fastws(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    calls = SimpleNamespace(config=None, demo=None, fails=None)

    def run(load: Callable[[], Config], *, demo: bool = False) -> None:
        calls.config, calls.demo = load(), demo
        if calls.fails:
            raise calls.fails

    module = ModuleType("fastws.server")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastws.server", module)
    return calls


def test_the_version() -> None:
    assert fastws("--version").output == f"fastws {__version__}\n"


def test_serve_runs_what_the_flags_say(server: SimpleNamespace) -> None:
    options = ["--upstream", "a:1", "--upstream", "b:2", "--set", "timeouts.head=5s"]
    result = fastws("serve", "--listen", ":90", *options, "--driver", "transport")
    assert (result.exit_code, result.output) == (0, "")
    assert server.demo is False
    assert [str(each.address) for each in server.config.listeners] == ["ws://:90"]
    assert len(server.config.upstreams[0].servers) == 2
    assert (server.config.timeouts.head, server.config.driver) == (5.0, "transport")


def test_serve_runs_a_file(server: SimpleNamespace, tmp_path: Path) -> None:
    file = tmp_path / "fastws.toml"
    file.write_text(GOOD)
    options = ["--log-level", "debug", "--log-format", "json", "--workers", "1"]
    assert fastws("serve", str(file), *options).exit_code == 0
    assert server.config.upstreams[0].name == "a"
    assert (server.config.log.level, server.config.log.format) == ("debug", "json")


def test_serve_runs_the_demonstration(server: SimpleNamespace) -> None:
    assert fastws("serve", "--demo").exit_code == 0
    assert server.demo is True


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "give a CONFIG, --upstream HOST:PORT or --demo"),
        (("--listen", ":80"), "give a CONFIG, --upstream HOST:PORT or --demo"),
        (("--demo", "--upstream", "a:1"), "--demo brings its own upstream"),
        (("--demo", "--driver", "x"), "--driver"),
        (("--demo", "--workers", "0"), "--workers"),
    ],
)
def test_wrong_usage_is_status_2(arguments: tuple[str, ...], sentence: str) -> None:
    result = fastws("serve", *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_mistake_of_the_operator_is_a_line_and_status_1(server: SimpleNamespace) -> None:
    result = fastws("serve", "--upstream", "a:1", "--set", "workers=x")
    assert result.exit_code == 1
    assert result.stderr.startswith('fastws: error: --set workers: expected "auto"')
    server.fails = FastwsError("port 80 is in use")
    result = fastws("serve", "--demo")
    assert (result.exit_code, result.stderr) == (1, "fastws: error: port 80 is in use\n")


def test_check_passes_a_good_file(tmp_path: Path) -> None:
    file = tmp_path / "fastws.toml"
    file.write_text(GOOD)
    result = fastws("check", str(file))
    assert (result.exit_code, result.stdout) == (0, f"{file}: ok\n")


def test_check_prints_every_fault(tmp_path: Path) -> None:
    file = tmp_path / "fastws.toml"
    file.write_text("workers = 0\n[timeouts]\nhaed = 1\n")
    result = fastws("check", str(file))
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first == f'fastws: error: {file}: workers: expected "auto" or a whole number >= 1, got 0'
    assert second.startswith(f"fastws: error: {file}: timeouts.haed: unknown key")


def test_check_names_a_missing_file() -> None:
    result = fastws("check", "/no/such")
    assert result.exit_code == 1
    assert result.stderr == "fastws: error: /no/such: cannot be read: No such file or directory\n"


NGINX = "server {\n  listen 80;\n  gzip on;\n}\n"


def test_check_reads_nginx(tmp_path: Path) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text(NGINX)
    result = fastws("check", str(file))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith(f"{file}: ok, 1 not imported\n")
    assert fastws("check", "--strict", str(file)).exit_code == 1
    file.write_text("server {\n  lsten 80;\n}\n")
    result = fastws("check", str(file))
    assert result.exit_code == 1
    assert result.stdout.startswith(f'{file}:2:3: error: unknown directive "lsten"')


def test_check_prints_json(tmp_path: Path) -> None:
    file = tmp_path / "any.conf"
    for text, status in ((NGINX, 0), (GOOD, 0), ("workers = 0", 1), ("a {", 1)):
        file.write_text(text)
        result = fastws("check", "--json", str(file))
        assert (result.exit_code, result.stderr) == (status, "")
        assert json.loads(result.stdout)["ok"] is (status == 0)
    file.write_text(NGINX)
    assert json.loads(fastws("check", "--json", "--strict", str(file)).stdout)["ok"] is False


def test_strict_is_no_stricter_with_toml(tmp_path: Path) -> None:
    file = tmp_path / "fastws.toml"
    file.write_text(GOOD)
    assert fastws("check", "--strict", str(file)).exit_code == 0


def test_a_broken_nginx_conf_is_not_served(tmp_path: Path) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text("server {\n  listen 80;\n  ...\n  allow;\n}\n")
    result = fastws("serve", str(file))
    assert result.exit_code == 1
    dots = '"..." is not a directive: it stands for lines that were left out; listen 80;'
    assert result.stderr.splitlines() == [
        f"fastws: error: {file}:3:3: {dots}",
        f'fastws: error: {file}:4:3: "allow" takes 1 argument, not 0',
    ]


def test_strict_serves_nothing_that_check_would_not_pass(
    server: SimpleNamespace, tmp_path: Path
) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text("http {\nupstream u { server a:1; }\nserver { listen 8081; gzip on; }\n}\n")
    result = fastws("serve", "--strict", str(file))
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f'fastws: error: {file}:2:1: the upstream "u" is not used; proxy_pass http://u;',
        f"fastws: error: {file}:3:23: not imported: gzip; fastws relays bodies as they are",
    ]
    file.write_text("user www;\nhttp { server { listen 8081; return 204; } }\n")
    assert fastws("serve", "--strict", str(file)).exit_code == 0  # notes are no warnings
    assert str(server.config.listeners[0].address) == "ws://0.0.0.0:8081"


def test_show_prints_what_reads_back_and_says_the_rest_on_stderr(tmp_path: Path) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text("server { listen 8081; gzip on; return 204; }")
    shown = fastws("check", "--show", str(file))
    assert shown.exit_code == 0
    assert "not imported: gzip" in shown.stderr
    again = tmp_path / "fastws.toml"
    again.write_text(shown.stdout)
    assert fastws("check", "--show", str(again)).stdout.startswith('[[listeners]]\naddress = "ws')
