"""Sites as an nginx.conf describes them, asked without a connection."""

from __future__ import annotations

from support.incoming import Incoming, get

from fastws.config.build import build
from fastws.config.nginx.check import read
from fastws.errors import Reject
from fastws.proxy.decision import Forward, Reply
from fastws.proxy.settings import Settings


class Sites:
    """The sites of the servers in a text."""

    def __init__(self, text: str) -> None:
        reading = read("f", f"upstream u {{ server 127.0.0.1:1; }} {text}".encode())
        assert reading.errors == []
        self.config = build(reading.raw, "f")
        self.routes = Settings(self.config).routes

    def ask(self, incoming: Incoming) -> Forward | Reply:
        return self.routes.decide(incoming)  # type: ignore[arg-type]

    def reply(self, target: str = "/", *headers: str, **options: object) -> Reply:
        decision = self.ask(get(target, *headers, **options))  # type: ignore[arg-type]
        assert isinstance(decision, Reply), decision
        return decision

    def text(self, target: str = "/", *headers: str, **options: object) -> str:
        return self.reply(target, *headers, **options).body.decode("latin-1")

    def forward(self, target: str = "/", *headers: str, **options: object) -> Forward:
        decision = self.ask(get(target, *headers, **options))  # type: ignore[arg-type]
        assert isinstance(decision, Forward), decision
        return decision

    def lines(self, target: str = "/", *headers: str, **options: object) -> list[str]:
        edits = self.forward(target, *headers, **options).edits
        assert edits is not None
        return edits.lines.decode("latin-1").split("\r\n")[:-1]

    def refusal(self, target: str = "/", *headers: str, **options: object) -> int:
        try:
            return self.reply(target, *headers, **options).status
        except Reject as reject:
            return reject.status


def server(inside: str) -> Sites:
    """One server with this inside."""
    return Sites(f"server {{ listen 80; {inside} }}")
