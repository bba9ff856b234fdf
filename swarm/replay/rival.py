"""A rival of ``swarm.rivals`` on logged hours: it reads the log's reports, and what it sets changes nothing of them.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from dataclasses import fields
from typing import cast

import numpy as np

from policies.frames import Report
from swarm import portfolio
from swarm.platforms.market import Market
from swarm.platforms.protocol import Spending
from swarm.platforms.settings import Settings
from swarm.replay.log import Log
from swarm.rivals import RIVALS


class _Recorded:
    """What a rival asks of a market, from the log; it keeps what was set in each hour."""

    def __init__(self, log: Log) -> None:
        scenario = log.scenario
        self.calendar, self.budgets = scenario.calendar(log.campaigns), scenario.budgets(log.campaigns)
        self.portfolio = portfolio.portfolio(log.campaigns, scenario.channels)
        self.settings, self.hours = Settings.empty(*self.portfolio.shape), list[Settings]()
        self._log, self._slices, self._tick = log, list(scenario.slices().values()), 0
        self._inputs = log.inputs(0)

    def report(self, channel: int) -> Report | None:
        """The newest hour that the channel had reported, over all channels, as a market tells it."""
        for part, columns in zip(self._inputs.reports, self._slices, strict=True):
            if columns.start <= channel < columns.stop:
                return None if part is None else self._wide(part, columns)
        raise AssertionError(channel)

    def _wide(self, part: Report, columns: slice) -> Report:
        shape = self.portfolio.shape
        told = {f.name: getattr(part, f.name) for f in fields(part) if f.name not in ("tick", "day")}
        wide = {name: np.zeros(shape[: array.ndim], dtype=array.dtype) for name, array in told.items()}
        for name, array in told.items():
            wide[name][:, columns] = array
        return Report(tick=part.tick, day=part.day, **wide)

    def spending(self) -> Spending:
        """What had been spent."""
        return self._inputs.spending

    def advance(self) -> None:
        """The hour passes as it did."""
        now = self.settings
        self.hours.append(Settings(now.budget.copy(), now.bid.copy(), now.weight.copy(), now.status.copy()))
        self._tick += 1
        if self._tick < self._log.end:
            self._inputs = self._log.inputs(self._tick)


def set_by(rival: str, log: Log) -> list[Settings]:
    """What ``rival`` would have set in each hour of the log.

    Raises:
        ValueError: the log does not begin with the run, or campaigns joined in mid-run: rivals know no such thing.
    """
    if log.first > 0 or max(log.joined) > 0:
        raise ValueError(
            f"{rival} can be asked about whole runs alone: this journal has inputs from market hour {log.first} "
            f"on, and its last campaign joined in hour {max(log.joined)}"
        )
    recorded = _Recorded(log)
    RIVALS[rival](cast(Market, recorded), recorded.portfolio, log.end)
    return recorded.hours
