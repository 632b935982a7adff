import pytest
from support.sites import Sites

SITES = Sites(
    """
    server { listen 80; server_name a.test; return 200 a; }
    server { listen 80 default_server; server_name b.test; return 200 b; }
    server { listen 127.0.0.2:80; server_name a.test; return 200 special; }
    server { listen [::]:80; return 200 six; }
    server { listen 81; server_name ~^(?<who>.)\\.test$; return 200 "$who$1"; }
    """
)


@pytest.mark.parametrize(
    ("listener", "host", "text"),
    [
        (("127.0.0.1", 80), "a.test", "a"),
        (("127.0.0.1", 80), "A.test:80", "a"),
        (("127.0.0.1", 80), "other", "b"),
        (("127.0.0.2", 80), "b.test", "special"),
        (("::1", 80), "a.test", "six"),
        (("127.0.0.1", 81), "x.test", "xx"),
        (("127.0.0.1", 9999), "b.test", "b"),
        (("", 0), "unknown", "a"),
    ],
)
def test_which_site_it_is(listener: tuple[str, int], host: str, text: str) -> None:
    assert SITES.text("/", host=host, listener=listener) == text


@pytest.mark.parametrize("target", ["/%zz", "/..", "/%00"])
def test_a_path_that_cannot_be_read_is_a_400(target: str) -> None:
    assert SITES.refusal(target) == 400
