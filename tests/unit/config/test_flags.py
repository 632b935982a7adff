from pathlib import Path

import pytest
from support.certificates import Certificates

from fastws.config.flags import Flags, load
from fastws.config.model import Address, Route
from fastws.errors import FastwsError

FILE = """
listeners = [":80", ":81"]

[[upstreams]]
name = "chat"
servers = ["a:1"]

[[upstreams]]
name = "feed"
servers = ["a:2"]

[[routes]]
upstream = "chat"
hosts = ["a.com"]

[[routes]]
upstream = "feed"
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "fastws.toml"
    path.write_text(FILE)
    return str(path)


def refusal(path: str | None, flags: Flags) -> str:
    with pytest.raises(FastwsError) as caught:
        load(path, flags)
    return str(caught.value)


def setting(*settings: str) -> Flags:
    return Flags(upstream=("a:1",), settings=settings)


def test_upstreams_make_one_upstream_with_one_route() -> None:
    config = load(None, Flags(upstream=("a:1", "wss://b:2")))
    (upstream,) = config.upstreams
    assert [str(server.address) for server in upstream.servers] == ["ws://a:1", "wss://b:2"]
    assert config.routes == (Route(upstream=upstream.name),)
    assert [listener.address for listener in config.listeners] == [Address(port=8080)]


def test_flags_come_before_the_file(file: str) -> None:
    flags = Flags(listen=(":90",), upstream=("c:3",), log_level="debug", log_format="json")
    config = load(file, flags)
    assert [str(listener.address) for listener in config.listeners] == ["ws://:90"]
    assert [str(server.address) for server in config.upstreams[0].servers] == ["ws://c:3"]
    assert len(config.upstreams) == len(config.routes) == 1
    assert (config.log.level, config.log.format) == ("debug", "json")


def test_what_no_flag_sets_is_the_file(file: str) -> None:
    config = load(file, Flags(balance="round_robin", workers=1, driver="transport"))
    assert [upstream.name for upstream in config.upstreams] == ["chat", "feed"]
    assert [str(listener.address) for listener in config.listeners] == ["ws://:80", "ws://:81"]
    assert config.driver == "transport"
    listeners = load(file, Flags(upstream=("c:3",))).listeners
    assert [str(listener.address) for listener in listeners] == ["ws://:80", "ws://:81"]


def test_a_demonstration_waits_for_its_server() -> None:
    config = load(None, Flags(demo=True))
    assert config.upstreams[0].name == "demo"
    assert config.upstreams[0].servers == ()
    assert config.routes == (Route(upstream="demo"),)
    assert str(config.listeners[0].address) == "ws://127.0.0.1:8080"


def test_the_certificate_is_for_wss_listeners_without_one(
    certificates: Certificates, tmp_path: Path
) -> None:
    cert, key = str(certificates.certificate), str(certificates.key)
    flags = Flags(listen=(":80", "wss://:443"), demo=True, tls_cert=cert, tls_key=key)
    plain, tls = load(None, flags).listeners
    assert (plain.tls_cert, plain.tls_key) == (None, None)
    assert (tls.tls_cert, tls.tls_key) == (cert, key)

    other = tmp_path / "other.pem"
    other.write_bytes(Path(cert).read_bytes())
    file = tmp_path / "fastws.toml"
    own = f'{{address = "wss://:1", tls_cert = "{other}", tls_key = "{key}"}}'
    file.write_text(f'listeners = [{own}, "wss://:2"]')
    listeners = load(str(file), Flags(demo=True, tls_cert=cert, tls_key=key)).listeners
    assert [listener.tls_cert for listener in listeners] == [str(other), cert]


def test_a_certificate_without_a_wss_listener_is_a_mistake() -> None:
    flags = Flags(demo=True, tls_cert="a.pem", tls_key="b.pem")
    assert refusal(None, flags).startswith("--tls-cert: there is no wss listener")
    flags = Flags(demo=True, listen=("wss:/x",), tls_cert="a.pem", tls_key="b.pem")
    assert refusal(None, flags).startswith("--tls-cert: there is no wss listener")


def test_a_setting_sets_any_key() -> None:
    config = load(
        None,
        setting(
            "timeouts.head=5s",
            "timeouts.connect = 2.5",
            "limits.queued_bytes=128k",
            "routes[0].max_message=1m",
            "routes.0.validate_utf8=true",
            'routes[0].hosts=["a.com", "b.com"]',
            "upstreams[0].servers[0].weight=3",
            "trusted_proxies=['10.0.0.0/8']",
            "listeners[0].address=:90",
        ),
    )
    assert (config.timeouts.head, config.timeouts.connect) == (5.0, 2.5)
    assert config.limits.queued_bytes == 131072
    (route,) = config.routes
    assert (route.max_message, route.validate_utf8) == (1048576, True)
    assert route.hosts == ("a.com", "b.com")
    assert config.upstreams[0].servers[0].weight == 3
    assert len(config.trusted_proxies) == 1
    assert config.listeners[0].address.port == 90


def test_a_setting_reaches_what_the_file_left_short(tmp_path: Path) -> None:
    file = tmp_path / "fastws.toml"
    file.write_text('listeners = [":80"]\nupstreams = [{name = "a", servers = ["a:1"]}]')
    flags = Flags(settings=("routes[0].path=/ws", "upstreams[0].servers[0].weight=2"))
    config = load(str(file), flags)
    assert (config.routes[0].path, config.upstreams[0].servers[0].weight) == ("/ws", 2)


def test_the_last_setting_wins() -> None:
    config = load(None, setting("timeouts.head=1", "timeouts={idle=3}", "timeouts.idle=4"))
    assert (config.timeouts.head, config.timeouts.idle) == (15.0, 4.0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("timeouts.haed=5s", '--set timeouts.haed: unknown key; did you mean "head"?'),
        ("timeouts.head=0", "--set timeouts.head: expected a time above 0, got 0"),
        (
            "workers=1\nx=2",
            r"""--set workers: expected "auto" or a whole number >= 1, got '1\nx=2'""",
        ),
        ("workers.x=1", "--set workers.x: workers is not a table"),
        ("routes.path=/", "--set routes.path: routes is not a table"),
        ("routes[7].path=/", "--set routes[7].path: there is no routes[7]"),
        ("timeouts[0]=1", "--set timeouts[0]: there is no timeouts[0]"),
        ("timeouts={haed=1}", "--set timeouts: timeouts.haed: unknown key"),
        ("nonsense", "--set nonsense: expected KEY=VALUE"),
        ("=1", "--set =1: expected KEY=VALUE"),
        ("a..b=1", "--set a..b=1: expected KEY=VALUE"),
        ("listeners=[]", "--set listeners: there is none"),
        ("listeners=['8080']", "--set listeners: listeners[0].address: a port alone"),
    ],
)
def test_a_wrong_setting_is_named(text: str, fault: str) -> None:
    flags = Flags(upstream=("a:1",), workers=1, settings=(text,))
    assert refusal(None, flags).startswith(fault)


def test_a_wrong_flag_is_named() -> None:
    flags = Flags(listen=("8080",), upstream=("a:1", ":2"), balance="ip_hsh")
    lines = refusal(None, flags).splitlines()
    assert lines[0].startswith("--listen 8080: a port alone")
    assert lines[1].startswith("--upstream :2: an upstream needs a host")
    assert lines[2] == '--balance: there is no method "ip_hsh"; did you mean "ip_hash"?'
    flags = Flags(upstream=("a:1",), workers=0)
    assert refusal(None, flags).startswith("--workers: ")


def test_a_fault_of_the_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "fastws.toml"
    file.write_text("upstreams = 3\nlisteners = [4]\n")
    lines = refusal(str(file), Flags(balance="x", tls_cert="a")).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("--tls-cert: there is no wss listener without a certificate")
    lines = refusal(str(file), Flags(balance="x")).splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        [str(file), "upstreams"],
        [str(file), "listeners[0]"],
    ]


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ('[[upstreams]]\nname = "a"\nservers = ["a:1"]\nbalanse = 1', Flags(upstream=("b:2",))),
        ('[[routes]]\nupstream = "a"\npaht = "/"', Flags(upstream=("b:2",))),
        ('[[listeners]]\naddress = ":80"\ntls_crt = "a"', Flags(listen=(":90",))),
    ],
)
def test_an_unknown_key_in_what_a_flag_replaces_is_a_fault_of_the_file(
    tmp_path: Path, text: str, flags: Flags
) -> None:
    file = tmp_path / "fastws.toml"
    file.write_text(text)
    key = text.splitlines()[-1].split(" ")[0]
    section = text[2:].partition("]")[0]
    assert refusal(str(file), flags).startswith(f"{file}: {section}[0].{key}: unknown key")
