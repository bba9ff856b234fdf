"""Rotation of creatives that wear."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest

from policies.bandit import EXPLORATION, CreativeBandit, Prior
from policies.creative import CreativeRotator


def _rotator(creatives: int, exploration: float = EXPLORATION) -> CreativeRotator:
    return CreativeRotator(Prior.alike(creatives), exploration=exploration, rng=np.random.default_rng(0))


def test_before_the_first_day_all_are_shown_alike() -> None:
    """But for the luck of the draws."""
    np.testing.assert_allclose(_rotator(4).shares(), 0.25, atol=0.08)


def test_a_better_creative_is_left_when_it_has_worn_below_the_next() -> None:
    """And not before: it is half as good again, and loses a quarter in eight days."""
    rotator, shown = _rotator(2), np.array([40_000.0, 40_000.0])
    chosen = []
    for day in range(36):
        chosen.append(rotator.shares()[0, 0])
        left = 0.75 ** (max(day - 12, 0) / 8)
        rotator.update(shown=shown, clicks=shown * [0.03 * left, 0.02])
    crossing = 12 + 8 * np.log(1.5) / np.log(4 / 3)  # day 23.3
    assert min(chosen[4:21]) > 0.9
    assert max(chosen[int(crossing) + 3 :]) < 0.1


def test_a_creative_is_not_blamed_for_the_days_on_which_it_was_shown() -> None:
    """Two creatives of the same rate, one of them shown mostly on bad days: mere counts would drop it."""
    rotator, plain = _rotator(2, exploration=1.0), CreativeBandit(Prior.alike(2), rng=np.random.default_rng(0))
    for day in range(14):
        bad = day % 2 == 1
        shown = np.array([10_000.0, 40_000.0] if bad else [40_000.0, 10_000.0])
        clicks = shown * (0.014 if bad else 0.02)
        rotator.update(shown=shown, clicks=clicks)
        plain.update(shown=shown, clicks=clicks)
    assert plain.shares()[0, 1] < 0.01
    assert 0.25 < rotator.shares()[0, 1] < 0.75


def test_a_new_creative_is_compared_by_its_level() -> None:
    """It came when the other had worn: what counts is what is left of both tomorrow."""
    rotator = _rotator(2)
    for day in range(30):
        shown = np.array([40_000.0, 40_000.0 if day >= 24 else 0.0])
        rotator.update(shown=shown, clicks=shown * [0.02 * 0.75 ** (max(day - 10, 0) / 7), 0.016])
    assert rotator.shares()[0, 1] > 0.9


def test_mistakes_are_named() -> None:
    """Shapes, as the bandit does."""
    with pytest.raises(ValueError, match=r"shown has shape \(3,\), expected \(1, 2\)"):
        _rotator(2).update(shown=[1, 2, 3], clicks=[0, 0, 0])


def test_the_pages_examples_run_as_they_stand() -> None:
    """``docs/creative.md`` prints what it says."""
    failed, tried = doctest.testfile(str(Path(__file__).parents[2] / "docs" / "creative.md"), module_relative=False)
    assert tried > 10
    assert failed == 0
