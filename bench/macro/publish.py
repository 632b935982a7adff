"""Write the results where readers find them."""

import json
import re
from pathlib import Path

from .charts import draw
from .errors import BenchError
from .paths import README, RESULTS
from .report import Results, page, section

BEGIN, END = "<!-- bench: rendered by `python -m bench` -->", "<!-- /bench -->"


def publish(directory: Path, data: Results) -> None:
    """Write JSON, page and charts, and what the README shows if they are the project's results."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "latest.json").write_text(json.dumps(data, indent=1) + "\n")
    (directory / "latest.md").write_text(page(data))
    draw(data, directory)
    if directory.resolve() == RESULTS.resolve():
        README.write_text(filled(README.read_text(), section(data)))


def filled(text: str, between: str) -> str:
    """Put a text between the markers."""
    pattern = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)
    text, count = pattern.subn(lambda _: f"\n{between}\n", text)
    if count != 1:
        raise BenchError(f"{README.name} has no place for the results: {BEGIN} and {END}")
    return text


def read(directory: Path) -> Results:
    """Read the results of a run again."""
    return json.loads((directory / "latest.json").read_text())
