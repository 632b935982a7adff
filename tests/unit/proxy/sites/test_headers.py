from support.sites import server

HANDSHAKE = ("Upgrade: websocket", "Connection: Upgrade")


def test_host_comes_first_and_is_that_of_the_upstream_unless_it_is_set() -> None:
    assert server("location / { proxy_pass http://u; }").lines() == ["Host: u"]
    set_host = "proxy_set_header A b; proxy_set_header Host $http_host;"
    lines = server(f"location / {{ {set_host} proxy_pass http://u; }}").lines(host="a.test:81")
    assert lines == ["Host: a.test:81", "A: b"]


def test_an_empty_value_drops_a_header() -> None:
    rules = "proxy_set_header A ''; proxy_set_header B $arg_b;"
    site = server(f"location / {{ {rules} proxy_pass http://u; }}")
    forward = site.forward()
    assert forward.edits is not None
    assert forward.edits.lines == b"Host: u\r\n"
    assert {b"a", b"b", b"host", b"expect"} == forward.edits.dropped


def test_what_frames_a_message_or_opens_a_tunnel_is_never_set() -> None:
    names = ("Content-Length", "Transfer-Encoding", "Upgrade", "TE", "Sec-WebSocket-Key")
    lines = " ".join(f"proxy_set_header {name} x;" for name in names)
    forward = server(f"location / {{ {lines} proxy_pass http://u; }}").forward()
    assert forward.edits is not None
    assert forward.edits.lines == b"Host: u\r\n"
    assert forward.edits.dropped == {b"host", b"expect"}


def test_a_plain_request_may_say_close_and_nothing_else() -> None:
    site = server("location / { proxy_set_header Connection $arg_c; proxy_pass http://u; }")
    assert site.lines("/?c=close") == ["Host: u", "Connection: close"]
    assert site.lines("/?c=upgrade") == ["Host: u"]
    assert site.lines("/?c=close", *HANDSHAKE, handshake=True) == ["Host: u"]


def test_an_offer_of_the_client_can_be_taken_away_but_not_made() -> None:
    name = "Sec-WebSocket-Extensions"
    site = server(f"location / {{ proxy_set_header {name} x; proxy_pass http://u; }}")
    forward = site.forward(handshake=True)
    assert forward.edits is not None
    assert b"sec-websocket-extensions" in forward.edits.dropped
    assert forward.edits.lines == b"Host: u\r\n"


def test_no_value_ends_its_line() -> None:
    site = server("location / { proxy_set_header A $uri; proxy_pass http://u; }")
    assert site.lines("/%0d%0aB:%20c") == ["Host: u", "A: /%0D%0AB: c"]


def test_websockets_are_refused_where_upgrade_is_taken_away() -> None:
    site = server("location / { proxy_set_header Upgrade ''; proxy_pass http://u; }")
    assert site.refusal("/", *HANDSHAKE, handshake=True) == 403
    assert site.forward()
