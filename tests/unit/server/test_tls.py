from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from support.certificates import issue, shake_hands

from fastws.config.model import Address, Certificate, Listener
from fastws.errors import FastwsError
from fastws.server.tls import server_context

if TYPE_CHECKING:
    from pathlib import Path

    from support.certificates import Certificates

SECRET = Address(tls=True, host="127.0.0.1")


def context(certificates: Certificates) -> ssl.SSLContext:
    made = server_context(
        Listener(
            address=SECRET,
            tls_cert=str(certificates.certificate),
            tls_key=str(certificates.key),
        )
    )
    assert made is not None
    return made


def test_a_plain_listener_has_none() -> None:
    assert server_context(Listener(address=Address(host="127.0.0.1"))) is None


@pytest.mark.parametrize(
    ("version", "name"),
    [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")],
)
def test_both_versions_are_spoken(
    certificates: Certificates, version: ssl.TLSVersion, name: str
) -> None:
    client = certificates.client()
    client.minimum_version = client.maximum_version = version
    near, _ = shake_hands(client, context(certificates))
    assert near.version() == name
    assert near.getpeercert()


def test_tls_1_2_is_the_least(certificates: Certificates) -> None:
    assert context(certificates).minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("offered", [["http/1.1"], ["h2", "http/1.1"]])
def test_http_1_1_is_agreed_on(certificates: Certificates, offered: list[str]) -> None:
    client = certificates.client()
    client.set_alpn_protocols(offered)
    near, _ = shake_hands(client, context(certificates))
    assert near.selected_alpn_protocol() == "http/1.1"


def test_a_client_without_alpn_is_welcome(certificates: Certificates) -> None:
    near, _ = shake_hands(certificates.client(), context(certificates))
    assert near.selected_alpn_protocol() is None


class TestHosts:
    @pytest.fixture
    def other(self, tmp_path: Path) -> Certificates:
        return issue(tmp_path)

    def served(self, own: Certificates, other: Certificates, **rules: bool) -> ssl.SSLContext:
        made = server_context(
            Listener(
                address=SECRET,
                tls_cert=str(own.certificate),
                tls_key=str(own.key),
                certificates=(
                    Certificate(
                        hosts=("other.test", "*.wild.test"),
                        tls_cert=str(other.certificate),
                        tls_key=str(other.key),
                    ),
                ),
                **rules,
            )
        )
        assert made is not None
        return made

    def got(self, server: ssl.SSLContext, name: str) -> bytes | None:
        client = ssl.create_default_context()
        client.check_hostname = False
        client.verify_mode = ssl.CERT_NONE
        near, _ = shake_hands(client, server, name)
        return near.getpeercert(binary_form=True)

    def test_each_host_has_its_certificate(
        self, certificates: Certificates, other: Certificates
    ) -> None:
        server = self.served(certificates, other)
        first = self.got(server, "localhost")
        second = self.got(server, "OTHER.test")
        assert first != second
        assert self.got(server, "a.wild.test") == second
        assert self.got(server, "unknown.test") == first

    def test_a_client_that_asks_for_no_host_of_ours_is_refused(
        self, certificates: Certificates, other: Certificates
    ) -> None:
        server = self.served(certificates, other, tls_refuse_unknown=True)
        assert self.got(server, "other.test")
        with pytest.raises(ssl.SSLError):
            self.got(server, "unknown.test")


def test_versions_and_ciphers_are_those_that_are_configured(certificates: Certificates) -> None:
    listener = Listener(
        address=SECRET,
        tls_cert=str(certificates.certificate),
        tls_key=str(certificates.key),
        tls_versions=("TLSv1.2",),
        tls_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256",
    )
    server = server_context(listener)
    assert server is not None
    near, _ = shake_hands(certificates.client(), server)
    assert (near.version(), near.cipher()) == (
        "TLSv1.2",
        ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", 128),
    )


class TestFaults:
    def fault(self, certificate: Path, key: Path) -> str:
        listener = Listener(address=SECRET, tls_cert=str(certificate), tls_key=str(key))
        with pytest.raises(FastwsError) as caught:
            server_context(listener)
        text = str(caught.value)
        assert "\n" not in text
        return text

    def test_a_missing_certificate(self, tmp_path: Path, certificates: Certificates) -> None:
        text = self.fault(tmp_path / "gone.pem", certificates.key)
        assert str(tmp_path / "gone.pem") in text
        assert text.endswith(": No such file or directory")

    def test_a_missing_key(self, tmp_path: Path, certificates: Certificates) -> None:
        text = self.fault(certificates.certificate, tmp_path / "gone.key")
        assert str(tmp_path / "gone.key") in text
        assert text.endswith(": No such file or directory")

    def test_a_file_that_is_no_certificate(
        self, tmp_path: Path, certificates: Certificates
    ) -> None:
        text = tmp_path / "text.pem"
        text.write_text("hello")
        assert self.fault(text, certificates.key).startswith(f"cannot use {text} with ")

    def test_a_key_of_another_certificate(self, certificates: Certificates, tmp_path: Path) -> None:
        other = issue(tmp_path)
        assert "KEY_VALUES_MISMATCH" in self.fault(certificates.certificate, other.key).upper()
