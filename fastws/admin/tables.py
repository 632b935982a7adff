"""The status of a proxy as tables for a terminal."""

from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.table import Table


def show(status: dict[str, Any]) -> None:
    """Print what `fastws status` tells."""
    # The brackets of an IPv6 address are no markup, nor are its colons emoji.
    console = Console(markup=False, emoji=False)
    age = timedelta(seconds=int(status["up"]))
    state = "ready" if status["ready"] else "not ready"
    console.print(f"fastws {status['version']}, process {status['pid']}, {state}, up {age}")
    totals, rates = status["totals"], status["rates"]
    console.print(
        f"{totals['tunnels']} tunnels, {totals['connections']} connections; a second: "
        f"{rates['accepted']:.1f} connections, {rates['messages']:.0f} messages, "
        f"{rates['bytes'] / 1024:.0f} KiB"
    )
    console.print(_table("workers", status["workers"]))
    console.print(_table("listeners", status["listeners"]))
    console.print(_table("servers", status["servers"]))


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for name in rows[0] if rows else ():
        number = all(isinstance(row[name], int) for row in rows)
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    return table
