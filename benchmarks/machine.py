"""The machine that figures were measured on, and statistics for reporting them."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def describe() -> str:
    """Processor, cores, memory and Python of this machine."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return f"{_processor()}, {os.cpu_count()} cores, {pages * size / 2**30:.0f} GiB, Python {platform.python_version()}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def paired_interval(differences: NDArray[np.float64], *, draws: int = 10_000, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of paired ``differences`` [n]."""
    rng = np.random.default_rng(seed)
    means = differences[rng.integers(len(differences), size=(draws, len(differences)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
