"""The first inputs of each target of `make fuzz`."""

from __future__ import annotations

import random

import fuzz
import pytest


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_mutated_input_is_read_or_refused(name: str) -> None:
    for seed in range(100):
        fuzz.play(name, seed)


def test_the_same_seed_gives_the_same_input() -> None:
    inputs = [fuzz.mutated(fuzz.TARGETS["request"], random.Random(seed)) for seed in [1, 1, 2]]
    assert inputs[0] == inputs[1] != inputs[2]
