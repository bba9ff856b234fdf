"""Bad input by the thousand: some hundreds of examples in the quick tier, ten thousand in the slow one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

TIERS = pytest.mark.parametrize("examples", [300, pytest.param(10_000, marks=pytest.mark.slow)])
"""How many examples a test tries."""


def each(strategy: SearchStrategy[Any], check: Callable[[Any], None], examples: int) -> None:
    """Call ``check`` with so many examples of ``strategy``, the same every time."""

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(strategy)
    def one(example: Any) -> None:
        check(example)

    one()
