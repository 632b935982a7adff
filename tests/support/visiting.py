"""What stands for a request at a site, without sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastws.proxy.decision import Forward, Reply


class Visiting:
    """A request from 192.0.2.7, port 7, for whose errors there is this page."""

    client = ("192.0.2.7", 7)
    method = b"GET"

    def __init__(self, page: Reply | Forward | None = None) -> None:
        self.page = page
        self.asked: list[int] = []  # about what status
        self.written = 0  # lines

    def read_path(self) -> None:
        """There is none."""

    def instead(self, status: int) -> Reply | Forward | None:
        self.asked.append(status)
        return self.page

    def headers(self, status: int) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"X-Site", b"%d" % status),)

    def over(self) -> None:
        self.written += 1

    def record(self) -> None:
        """Nobody wants to know."""
