import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastws.config.addresses import Address, read_listen_address, read_server_address


@pytest.mark.parametrize(
    ("written", "address", "canonical"),
    [
        (":8080", Address(port=8080), "ws://:8080"),
        (":0", Address(), "ws://:0"),
        ("127.0.0.1:80", Address(host="127.0.0.1", port=80), "ws://127.0.0.1:80"),
        ("[::1]:80", Address(host="::1", port=80), "ws://[::1]:80"),
        ("[0:0::1]:80", Address(host="::1", port=80), "ws://[::1]:80"),
        ("Chat.Example.com:80", Address(host="chat.example.com", port=80), None),
        ("chat_1:3000", Address(host="chat_1", port=3000), "ws://chat_1:3000"),
        ("ws://a:1/", Address(host="a", port=1), "ws://a:1"),
        ("http://a:1", Address(host="a", port=1), "ws://a:1"),
        ("wss://a:1", Address(tls=True, host="a", port=1), "wss://a:1"),
        ("HTTPS://a:1/", Address(tls=True, host="a", port=1), "wss://a:1"),
        ("unix:/run/a.sock", Address(path="/run/a.sock"), "unix:/run/a.sock"),
        ("wss://unix:/a", Address(tls=True, path="/a"), "wss://unix:/a"),
    ],
)
def test_an_address_is_read(written: str, address: Address, canonical: str | None) -> None:
    assert read_listen_address(written) == address
    assert read_listen_address(str(address)) == address
    assert canonical in (None, str(address))


def test_the_authority_leaves_the_scheme_out() -> None:
    assert Address(tls=True, host="::1", port=443).authority == "[::1]:443"
    assert Address(tls=True, path="/a").authority == "unix:/a"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("8080", 'write ":8080"'),
        ("", "a host and a port"),
        ("example.com", "a host and a port"),
        ("a:b", "an address such as"),
        ("a:", "an address such as"),
        ("::1:8080", "brackets"),
        ("[::g]:80", "an IPv6 address"),
        ("[a]:80", "an IPv6 address"),
        ("a..b:80", "a host name"),
        ("-a:80", "a host name"),
        (" a:80", "a host name"),
        ("a:99999", "at most 65535"),
        ("a:\u0663", "an address such as"),
        ("ftp://a:80", "the scheme"),
        ("ws://ws://a:80", "the scheme"),
        ("me@a:80", "no user name"),
        ("a:80/chat", "no path"),
        ("a:80?x=1", "no query"),
        ("a:80#x", "no fragment"),
        ("unix:run.sock", "absolute path"),
        ("unix:/" + "a" * 107, "at most 107"),
        ("unix:/a\nb", "printable"),
        (8080, "an address such as"),
        (True, "an address such as"),
    ],
)
def test_what_is_no_address_is_refused(written: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        read_listen_address(written)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("written", [":3000", "wss://:3000"])
def test_an_upstream_needs_a_host(written: str) -> None:
    with pytest.raises(ValueError, match="needs a host"):
        read_server_address(written)


def test_an_upstream_needs_a_port() -> None:
    with pytest.raises(ValueError, match="needs a port"):
        read_server_address("a:0")


def test_an_upstream_may_be_a_socket() -> None:
    assert read_server_address("unix:/a") == Address(path="/a")


@given(st.text(alphabet=st.sampled_from("aA0.:[]/@-_ws") | st.characters(), max_size=40))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = read_listen_address(text)
    except ValueError:
        return
    assert read_listen_address(str(address)) == address
