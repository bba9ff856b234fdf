"""Logs drawn from worlds that the test knows."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.history import Response
from swarm.platforms.log import COLUMNS, AccountLog

Floats = NDArray[np.float64]
FIRST = date(2024, 3, 4)
KNOWN = {"search": (60.0, 2.0), "brand": (25.0, 0.8)}
"""Clicks to be had and median price of each campaign."""


def known_log(days: int = 120, *, seed: int = 0, noise: float = 0.1, drift: float = 0.0) -> AccountLog:
    """Budgets that vary by a factor of eight, spent to the last cent; clicks drawn about what the market answers.

    ``drift``: log of the prices of the last day over those of the first.
    """
    rng = np.random.default_rng(seed)
    weekday = (FIRST.weekday() + np.arange(days)) % 7
    money = np.exp(rng.uniform(np.log(5.0), np.log(40.0), (days, len(KNOWN))))
    level = np.linspace(-drift / 2, drift / 2, days)
    truth = [Response(*known, np.zeros(0)) for known in KNOWN.values()]
    mean = np.stack([each.clicks(money[:, c], weekday, level) for c, each in enumerate(truth)], axis=1)
    clicks = rng.poisson(mean * np.exp(noise * rng.standard_normal(mean.shape) - noise**2 / 2)).astype(np.float64)
    return AccountLog(FIRST, tuple(KNOWN), clicks, money, money)


def lines(log: AccountLog) -> list[str]:
    """The log as the lines of a CSV file; the first is the header."""
    rows = [
        f"{log.first + timedelta(days=day)},{name},{log.clicks[day, c]},{log.cost[day, c]},{log.budget[day, c]}"
        for day in range(len(log))
        for c, name in enumerate(log.names)
        if not np.isnan(log.cost[day, c])
    ]
    return [",".join(COLUMNS), *rows]


def write(path: Path, text: list[str]) -> Path:
    """``text`` as a file."""
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path
