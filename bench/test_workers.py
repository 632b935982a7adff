"""The page about several workers."""

from .workers import page

MOVE = {"seconds": 1.5, "p50": 12.5, "p99": 14.5, "max": 15.5}
FIGURES = {
    "date": "2026-01-01",
    "machine": {"cores": 2},
    "connections": 5000,
    "spread": "2531 and 2469",
    "reload": 0.3,
    "reload_most": 0.4,
    "status": 0.2,
    "moves": {"nothing": MOVE, "upgrade": MOVE},
    "handshakes": {"ours": 3050, "theirs": 6721},
}


def test_every_figure_has_its_place() -> None:
    """Nothing is left out, and nothing to be filled in."""
    text = page(FIGURES)
    assert "$" not in text
    assert "2531 and 2469" in text
    assert "| upgrade | 1.5 | 12.5 | 14.5 | 15.5 |" in text
    assert "3050" in text
    assert "6721" in text
