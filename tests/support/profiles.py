"""How hard Hypothesis tries: `fast` by default, `HYPOTHESIS_PROFILE=deep` for a long search."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings


def load() -> None:
    """Register the profiles and take the one that the environment names."""
    settings.register_profile("fast", max_examples=100, deadline=None)
    settings.register_profile(
        "deep",
        max_examples=5_000,
        stateful_step_count=100,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
