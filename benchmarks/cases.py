"""The table of mechanisms: every name, and how its case is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.case import Case
from benchmarks.theories import THEORIES
from benchmarks.use_cases import USE_CASES

CASES: Mapping[str, Callable[[], Case]] = {**USE_CASES, **THEORIES}
