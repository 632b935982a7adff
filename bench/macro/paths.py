"""Where templates and results lie."""

from pathlib import Path

MACRO = Path(__file__).parent
PAGE = MACRO / "page.md"
SECTION = MACRO / "section.md"

RESULTS = MACRO.parent / "results"
README = MACRO.parents[1] / "README.md"
