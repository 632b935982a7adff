from pathlib import Path
from typing import Any

import pytest
from support.certificates import Certificates

from fastws.config.build import build
from fastws.config.checks import check
from fastws.errors import InvalidConfigError

A = {"name": "a", "servers": ["a:1"]}
GOOD: dict[str, Any] = {"listeners": [":80"], "upstreams": [A]}


def faults(raw: dict[str, Any], *, demo: bool = False) -> list[str]:
    try:
        check(build({**GOOD, **raw}, "f"), "f", {}, demo=demo)
    except InvalidConfigError as error:
        return [str(each).removeprefix("f: ") for each in error.errors]
    return []


def test_a_good_configuration_passes() -> None:
    assert faults({}) == []


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"listeners": []}, "listeners: there is none"),
        ({"upstreams": []}, "upstreams: there is none"),
        ({"listeners": [":80", "ws://:80/"]}, "listeners[1]: listens where listeners[0] does"),
        ({"listeners": ["unix:/a", "unix:/a"]}, "listeners[1]: listens where listeners[0] does"),
        ({"listeners": ["wss://:1"]}, "listeners[0]: a wss listener needs a certificate"),
        ({"upstreams": [A, A], "routes": [{"upstream": "a"}]}, "upstreams[1].name: is the name of"),
        ({"upstreams": [{"name": "a"}]}, "upstreams[0].servers: there is none"),
        ({"upstreams": [A, {**A, "name": "b"}]}, "routes: there is none"),
        (
            {"upstreams": [{**A, "name": "chat"}], "routes": [{"upstream": "chta"}]},
            'routes[0].upstream: there is no upstream "chta"; did you mean "chat"?',
        ),
        ({"routes": [{"upstream": "a"}] * 2}, "routes[1]: is for any host and /, as routes[0] is"),
        (
            {
                "routes": [
                    {"upstream": "a", "hosts": ["a.com", "b.com"]},
                    {"upstream": "a", "hosts": ["B.com"]},
                ]
            },
            "routes[1]: is for b.com and /, as routes[0] is",
        ),
    ],
)
def test_a_fault_between_keys_is_found(raw: dict[str, Any], fault: str) -> None:
    (error,) = faults(raw)
    assert error.startswith(fault)


@pytest.mark.parametrize("ciphers", ["NONE", "EECDH+\udcc1ESGCM", "HIGH\0"], ids=repr)
def test_ciphers_that_openssl_cannot_read_are_a_fault(ciphers: str) -> None:
    found = faults({"listeners": [{"address": "wss://:1", "tls_ciphers": ciphers}]})
    assert "listeners[0].tls_ciphers: is no list of ciphers that OpenSSL can read" in found


def test_what_only_looks_like_a_fault_is_none() -> None:
    assert faults({"listeners": [":0", ":0", "127.0.0.1:80", "[::1]:80"]}) == []
    routes = [{"upstream": "a"}, {"upstream": "a", "path": "/x"}, {"upstream": "a", "hosts": ["b"]}]
    assert faults({"routes": routes}) == []


def test_only_a_demonstration_goes_without_servers() -> None:
    assert faults({"upstreams": [{"name": "demo"}]}, demo=True) == []


BACKUP = {"address": "a:2", "backup": True}


@pytest.mark.parametrize("method", ["round_robin", "least_conn", "least_conn; sticky cookie a"])
def test_a_backup_fits_some_methods(method: str) -> None:
    servers = ["a:1", BACKUP]
    assert faults({"upstreams": [{"name": "a", "servers": servers, "balance": method}]}) == []


@pytest.mark.parametrize("method", ["ip_hash", "hash $uri", "hash $uri consistent", "random two"])
def test_and_not_the_others(method: str) -> None:
    servers = ["a:1", BACKUP]
    (error,) = faults({"upstreams": [{"name": "a", "servers": servers, "balance": method}]})
    assert error == "upstreams[0].servers[1].backup: is only for round_robin and least_conn"


def test_backups_alone_are_none() -> None:
    (error,) = faults({"upstreams": [{"name": "a", "servers": [BACKUP]}]})
    assert error == "upstreams[0].servers: are all backups; let one be none"


def tls(**keys: object) -> dict[str, Any]:
    return {"listeners": [{"address": "wss://:1", **{k: str(v) for k, v in keys.items()}}]}


def test_a_key_pair_is_loaded(certificates: Certificates) -> None:
    assert faults(tls(tls_cert=certificates.certificate, tls_key=certificates.key)) == []


def test_a_key_pair_is_two_files(certificates: Certificates) -> None:
    (error,) = faults(tls(tls_cert=certificates.certificate))
    assert error == "listeners[0].tls_cert: is of no use without tls_key"
    (error,) = faults(tls(tls_key=certificates.key))
    assert error == "listeners[0].tls_key: is of no use without tls_cert"


def test_a_certificate_needs_a_wss_listener(certificates: Certificates) -> None:
    pair = {"tls_cert": str(certificates.certificate), "tls_key": str(certificates.key)}
    (error,) = faults({"listeners": [{"address": ":1", **pair}]})
    assert error.startswith("listeners[0]: has a certificate, but is no wss listener")


def test_unreadable_files_are_named() -> None:
    first, second = faults(tls(tls_cert="/no/cert", tls_key="/no/key"))
    assert first == "listeners[0].tls_cert: '/no/cert' cannot be read: No such file or directory"
    assert second.startswith("listeners[0].tls_key: '/no/key' cannot be read")
    assert faults(tls(tls_cert="a\0", tls_key="b\0")) != []


def test_files_that_are_no_key_pair_are_refused(certificates: Certificates, tmp_path: Path) -> None:
    good = {"tls_cert": certificates.certificate, "tls_key": certificates.key}
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    (error,) = faults(tls(**{**good, "tls_cert": junk}))
    assert error == "listeners[0]: tls_cert or tls_key is not a PEM file of its kind"
    (error,) = faults(tls(tls_cert=certificates.authority, tls_key=certificates.key))
    assert error == "listeners[0]: tls_key does not belong to tls_cert"


def test_a_key_with_a_password_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = serialization.load_pem_private_key(certificates.key.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    (error,) = faults(tls(tls_cert=certificates.certificate, tls_key=locked))
    assert error == "listeners[0].tls_key: is protected by a password, which cannot be given"


def test_authorities_are_loaded(certificates: Certificates, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    assert faults({"upstreams": [{**A, "tls_ca": str(certificates.authority)}]}) == []
    (error,) = faults({"upstreams": [{**A, "tls_ca": str(junk)}]})
    assert error == "upstreams[0].tls_ca: is not a PEM file of certificates"
    (error,) = faults({"upstreams": [{**A, "tls_ca": "/no"}]})
    assert error.startswith("upstreams[0].tls_ca: '/no' cannot be read")
