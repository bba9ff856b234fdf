"""Columns as people pass them: of one shape, and numbers that make sense."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from policies.frames import Floats


def shaped(name: str, given: ArrayLike, size: int | None = None) -> Floats:
    """``given`` as a column of ``size`` numbers; ValueError where it has another shape."""
    numbers = np.asarray(given, dtype=np.float64)
    if numbers.ndim != 1 or (size is not None and len(numbers) != size):
        raise ValueError(f"{name} has shape {numbers.shape}, expected [{'N' if size is None else size}]")
    return numbers


def column(name: str, given: ArrayLike, size: int | None = None, *, most: float = math.inf) -> Floats:
    """``given`` as finite numbers from 0 to ``most``; ValueError where one is not."""
    numbers = shaped(name, given, size)
    bad = ~((numbers >= 0.0) & (numbers <= most) & (numbers < math.inf))
    if np.logical_or.reduce(bad):
        wanted = "finite numbers of at least 0" if most == math.inf else f"numbers from 0 to {most:g}"
        raise ValueError(f"{name} has {numbers[bad][0]}, expected {wanted}")
    return numbers
