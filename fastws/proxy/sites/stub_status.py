"""What nginx's ``stub_status`` says, of all workers together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastws._board import Board


def text(board: Board) -> bytes:
    """Return the page; tunnels are among those that nginx calls writing, as they are there."""
    totals = board.totals()
    open_, reading, waiting = totals["connections"], totals["reading"], totals["waiting"]
    accepted = totals["accepted"]
    return (
        f"Active connections: {open_} \n"
        "server accepts handled requests\n"
        f" {accepted} {accepted} {totals['requests']} \n"
        f"Reading: {reading} Writing: {max(0, open_ - reading - waiting)} Waiting: {waiting} \n"
    ).encode()
