import pytest

from fastws.proxy.sites.hosts import Hosts

HOSTS = Hosts(
    [
        (["~^p(.+)\\.test$"], "first pattern"),
        (["www.*", "~^pa"], "tail"),
        (["*.example.com"], "wild"),
        (["a.example.com", "*.b.example.com", "www.b.*"], "exact"),
        (["a.example.com"], "too late"),
    ]
)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (b"a.example.com", "exact"),
        (b"x.example.com", "wild"),
        (b"x.y.example.com", "wild"),
        (b"x.b.example.com", "exact"),
        (b"example.com", None),
        (b"www.test", "tail"),
        (b"www.b.test", "exact"),
        (b"www", None),
        (b"pat.test", "first pattern"),
        (b"pat.example", "tail"),
        (b"", None),
    ],
)
def test_the_order_is_that_of_nginx(host: bytes, found: str | None) -> None:
    result = HOSTS.find(host)
    assert (result and result[0]) == found


def test_a_pattern_says_how_it_matched() -> None:
    result = HOSTS.find(b"pat.test")
    assert result is not None
    assert result[1] is not None
    assert result[1][1] == b"at"
