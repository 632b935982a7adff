import pytest

from fastws.config.nginx.check import read
from fastws.config.nginx.findings import Level

MAP = "map $http_upgrade $connection_upgrade { default upgrade; '' close; }\n"
HEADERS = """proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $connection_upgrade;
proxy_set_header Host $http_host;
proxy_http_version 1.1;
proxy_read_timeout 1h;
"""
UPSTREAM = "upstream app { server a:3000; }\n"


def found(text: str) -> list[tuple[int, str, str]]:
    """Return the errors and warnings: line, what is wrong, what to write."""
    findings = read("f", text.encode()).findings
    levels = (Level.ERROR, Level.WARNING)
    return [(each.place.line, each.what, each.write) for each in findings if each.level in levels]


def one(text: str, what: str) -> tuple[int, str]:
    """Return the line and what to write of the one finding that says so."""
    findings = [each for each in found(text) if what in each[1]]
    assert len(findings) == 1, found(text)
    return findings[0][0], findings[0][2]


def server(location: str, around: str = "") -> str:
    return f"{MAP}server {{ listen 80; {around}\n{location} }}\n"


def test_a_right_configuration_has_no_findings() -> None:
    text = server(f"location / {{ proxy_pass http://app; {HEADERS} }}")
    assert found(UPSTREAM + text) == []
    assert found(f"events {{}} http {{ {UPSTREAM}{text} }}") == []


def test_headers_missing_where_websockets_are_meant() -> None:
    line, write = one(server("location /ws { proxy_pass http://a:1; }"), "do not get through")
    assert line == 3
    assert write.splitlines() == HEADERS.splitlines()[:2]


def test_one_header_missing() -> None:
    headers = HEADERS.replace("proxy_set_header Connection $connection_upgrade;", "")
    text = f"server {{ location / {{ {headers} proxy_pass http://a:1; }} }}"
    _, write = one(text, "Connection is not set")
    assert write.splitlines()[0] == "proxy_set_header Connection $connection_upgrade;"
    assert write.splitlines()[1].startswith("(at http level) map $http_upgrade")
    emptied = text.replace("proxy_pass", 'proxy_set_header Connection ""; proxy_pass')
    one(emptied, "Connection is not set")


def test_headers_lost_by_inheritance() -> None:
    text = server("location / {\nproxy_set_header X y; proxy_pass http://a:1; }", HEADERS)
    line, write = one(text, "hides Upgrade and Connection, set in line 2, 3")
    assert line == 9
    assert write.splitlines() == HEADERS.splitlines()[:2]


def test_a_whole_configuration_without_websockets() -> None:
    text = "events {} http { server { location / {\nproxy_pass http://a:1; } } }"
    assert one(text, "no location of this configuration")[0] == 2
    assert not any("no location" in each[1] for each in found("server { location / { } }"))


@pytest.mark.parametrize(("path", "count"), [("/", 1), ("/socket.io/", 1), ("/ws", 0)])
def test_a_hard_coded_connection(path: str, count: int) -> None:
    headers = HEADERS.replace("$connection_upgrade", '"Upgrade"')
    text = server(f"location {path} {{ proxy_pass http://a:1; {headers} }}")
    assert sum('Connection is "upgrade" for every' in each[1] for each in found(text)) == count


def test_a_connection_that_closes() -> None:
    text = server(f"location /ws {{ proxy_pass http://a:1;\n{HEADERS} }}")
    line, _ = one(text.replace("$connection_upgrade;", "close;"), 'Connection is "close"')
    assert line == 5


@pytest.mark.parametrize(
    ("version", "what"),
    [("proxy_http_version 1.0;", "over HTTP/1.0"), ("", "proxy_http_version is not set")],
)
def test_the_version_of_http(version: str, what: str) -> None:
    headers = HEADERS.replace("proxy_http_version 1.1;", version)
    text = server(f"location /ws {{ proxy_pass http://a:1; {headers} }}")
    assert one(text, what)[1] == "proxy_http_version 1.1;"


@pytest.mark.parametrize(
    ("listen", "count"), [("80", 0), ("[::]:443 ssl", 0), ("8080", 1), ("[::1]:8443 ssl", 1)]
)
def test_a_host_without_its_port(listen: str, count: int) -> None:
    headers = HEADERS.replace("$http_host", "$host")
    text = server(f"location /ws {{ proxy_pass http://a:1; {headers} }}")
    text = text.replace("listen 80", f"listen {listen}")
    assert sum("$host drops the port" in each[1] for each in found(text)) == count


def test_the_host_of_the_upstream() -> None:
    headers = HEADERS.replace("proxy_set_header Host $http_host;", "")
    text = server(f"location /ws {{ proxy_pass http://a:1; {headers} }}")
    assert one(text, "Host is not set")[1] == "proxy_set_header Host $http_host;"


@pytest.mark.parametrize(
    ("timeout", "count"),
    [("", 1), ("60s", 1), ("1m", 1), ("5000ms", 1), ("61s", 0), ("1d", 0), ("86400", 0), ("x", 0)],
)
def test_a_short_read_timeout(timeout: str, count: int) -> None:
    directive = f"proxy_read_timeout {timeout};" if timeout else ""
    headers = HEADERS.replace("proxy_read_timeout 1h;", directive)
    text = server(f"location /ws {{ proxy_pass http://a:1; {headers} }}")
    assert sum("proxy_read_timeout is" in each[1] for each in found(text)) == count


def test_buffers() -> None:
    text = server(
        f"location /ws {{ proxy_pass http://a:1; {HEADERS} proxy_buffers 8 4k;\n"
        "proxy_buffer_size 128k; }"
    )
    assert one(text, "two buffers of 128k")[1] == "proxy_buffer_size 16k;"
    notes = [each.what for each in read("f", text.encode()).findings if each.level is Level.NOTE]
    assert "proxy_buffers has no effect on WebSockets, only on plain answers" in notes
    small = text.replace("128k", "16k")
    assert not any("two buffers" in each[1] for each in found(small))
    assert found(text.replace("128k", "many")) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("http://ap", "http://app"),
        ("http://upstream", "http://app"),
        ("https://ap/x", "https://app/x"),
    ],
)
def test_an_upstream_that_is_not_there(name: str, meant: str) -> None:
    text = UPSTREAM + server(f"location / {{\nproxy_pass {name}; {HEADERS} }}")
    assert one(text, 'did you mean "app"?') == (5, f"proxy_pass {meant};")


@pytest.mark.parametrize(
    "name",
    ["http://localhost", "http://ap.example.com", "http://ap:80", "http://$ap", "http://[::1]"],
)
def test_what_is_a_host_is_no_missing_upstream(name: str) -> None:
    text = UPSTREAM + server(f"location / {{ set $ap app; proxy_pass {name}; {HEADERS} }}")
    assert not any("there is no upstream" in each[1] for each in found(text))


def test_an_upstream_that_is_not_used() -> None:
    text = "\n" + UPSTREAM + server(f"location / {{ proxy_pass http://a:1; {HEADERS} }}")
    assert one(text, 'the upstream "app" is not used') == (2, "proxy_pass http://app;")
    assert found(UPSTREAM) == []  # its user may be in another file


def test_an_upstream_that_a_variable_names_is_used() -> None:
    mapped = "map $arg_a $to { default app; }\n"
    text = UPSTREAM + mapped + server(f"location / {{ proxy_pass http://$to; {HEADERS} }}")
    assert found(text) == []


def test_an_upstream_without_servers() -> None:
    assert one("upstream a { ip_hash; }", 'the upstream "a" has no server')[0] == 1


@pytest.mark.parametrize(
    ("ports", "slip"),
    [((3000, 300), 300), ((8080, 8008, 80), None), ((8080, 808), 808), ((3000, 3001), None)],
)
def test_a_suspicious_port(ports: tuple[int, ...], slip: int | None) -> None:
    servers = "\n".join(f"server a:{port} backup;" for port in ports)
    findings = [each for each in found(f"upstream a {{ {servers} }}") if "slip" in each[1]]
    assert [each[1].split()[1] for each in findings] == ([str(slip)] if slip else [])
    assert all(each[2] == f"server a:{ports[0]} backup;" for each in findings)


def test_a_map_that_turns_keepalive_off() -> None:
    text = server(f"location / {{ proxy_pass http://app; {HEADERS} }}")
    keepalive = UPSTREAM.replace("3000;", "3000; keepalive 8;")
    assert one(keepalive + text, "turns off the keepalive of line 1") == (2, "'' '';")
    assert found(keepalive + text.replace("'' close", "'' ''")) == []


@pytest.mark.parametrize("host", ["$host", "$http_host:81", "$1", "a.$arg_b.test", "${cookie_x}"])
def test_a_server_that_the_client_chooses(host: str) -> None:
    text = server(f"location / {{ proxy_pass http://{host}/x$uri; {HEADERS} }}")
    assert one(text, "the client chooses the server")[1] == "proxy_pass http://UPSTREAM;"


def test_a_server_that_the_configuration_chooses() -> None:
    around = "set $backend a;"
    text = server(f"location / {{ proxy_pass http://$backend:81$uri; {HEADERS} }}", around)
    assert found(text) == []


def test_two_maps_of_one_variable() -> None:
    assert one(MAP + MAP, "is mapped twice, first in line 1")[0] == 2


def test_a_variable_that_nothing_defines() -> None:
    text = server(f"location /ws {{ proxy_pass http://a:1; {HEADERS} }}").removeprefix(MAP)
    what = "nothing defines the variable $connection_upgrade"
    line, write = one(text, f"{what} in this file")
    assert line == 3
    assert write.startswith("(at http level) map")
    (whole,) = [
        each
        for each in read("f", f"events {{}} http {{ {text} }}".encode()).findings
        if each.what == what
    ]
    assert whole.level is Level.ERROR


@pytest.mark.parametrize(
    "text",
    [
        "set $a b; add_header c $a;",
        "add_header c $http_x$arg_y$cookie_z${host}$1;",
        "location ~ (?<tail>.*) { add_header c $tail; }",
        "return 200 '$REQUEST_URI costs 5$';",
    ],
)
def test_variables_that_are_defined(text: str) -> None:
    assert found(f"server {{ {text} }}") == []
