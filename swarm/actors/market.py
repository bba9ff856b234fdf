"""The market as an actor: the outside world, with a memory of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import ray

from policies.frames import Floats, Ints, Report
from swarm.actors.bounded import bounded
from swarm.actors.scenario import Scenario
from swarm.effects.door import effects_of
from swarm.observe.logging import configure_logging
from swarm.platforms.market import Market as EmbeddedMarket
from swarm.platforms.protocol import Effects, Spending
from swarm.spec.campaign import Campaign


@bounded()
class Market:
    """Ray shell of the embedded market.

    Guarantees
    ----------
    Durability: applied effects are on disk before ``apply`` returns; a new life replays them from the seed.
    Retries: every call names its market hour, so asking again changes nothing.
    Ordering: the market moves to the hour that is asked for and never back.
    """

    def __init__(self, scenario: Scenario) -> None:
        """Replay what was applied in earlier lives."""
        self._log = configure_logging(scenario.config.name, "market", scenario.folder)
        self._scenario = scenario
        self._campaigns: list[Campaign] = []
        self._market: EmbeddedMarket
        self._path = scenario.folder / "market.jsonl"
        for line in self._lines():
            self._replay(line)
        self._file = self._path.open("a", encoding="utf-8")

    def __repr__(self) -> str:
        return f"Market({self._scenario.config.name})"

    async def ping(self) -> int:
        """The process id."""
        return os.getpid()

    async def admit(self, specs: list[Campaign], tick: int) -> None:
        """List campaigns; names that are listed are left as they are."""
        known = {campaign.name for campaign in self._campaigns}
        new = [spec for spec in specs if spec.name not in known]
        if new:
            self._write({"tick": tick, "admit": [spec.model_dump(mode="json", by_alias=True) for spec in new]})
            self._admit(new, tick)
            self._log.info("listed", campaigns=[spec.name for spec in new], tick=tick)

    async def report(self, platform: str, tick: int) -> Report | None:
        """The newest hour that the platform reports at the beginning of market hour ``tick``."""
        self._catch_up(tick)
        columns = self._scenario.slices()[platform]
        report = self._market.report(columns.start)
        return None if report is None else report.columns(columns)

    async def apply(self, effects: Effects, tick: int) -> None:
        """Set absolute values at the beginning of market hour ``tick``."""
        self._catch_up(tick)
        columns = (effects.intent, effects.campaign, effects.channel, effects.field, effects.creative, effects.value)
        self._write({"tick": tick, "effects": [np.asarray(column).tolist() for column in columns]})
        self._market.settings.apply(effects)

    async def read_back(self, effects: Effects) -> Ints:
        """[n] the values in force."""
        return self._market.settings.read(effects)

    async def spending(self, tick: int) -> Spending:
        """Money spent, as the platforms report it."""
        self._catch_up(tick)
        return self._market.spending()

    async def pause_all(self, tick: int) -> int:
        """Pause everything; returns how many channels of campaigns were delivering."""
        rows, channels = np.nonzero(self._market.settings.status == 1)
        zero = np.zeros(len(rows), dtype=np.int64)
        table = np.stack([zero - 1, rows, channels, zero + 3, zero - 1, zero])
        await self.apply(effects_of(table), tick)
        return len(rows)

    async def score(self, tick: int) -> dict[str, Floats | Ints]:
        """The truth, for figures alone: credited value and spend by day, spend by channel."""
        self._catch_up(tick)
        score = self._market.score
        return {"value": self._market.credited(), "spend": score.spend, "by_channel": score.by_channel}

    def _catch_up(self, tick: int) -> None:
        while self._market.tick < tick:
            self._market.advance()

    def _admit(self, new: list[Campaign], tick: int) -> None:
        running = bool(self._campaigns)
        self._campaigns += new
        market: EmbeddedMarket = self._scenario.market(self._campaigns)
        if running:
            self._catch_up(tick)
            market.take_over(self._market)
        self._market = market

    def _replay(self, line: dict[str, Any]) -> None:
        if "admit" in line:
            self._admit([Campaign.model_validate(spec) for spec in line["admit"]], line["tick"])
            return
        self._catch_up(line["tick"])
        self._market.settings.apply(effects_of(np.array(line["effects"], dtype=np.int64)))

    def _lines(self) -> Iterator[dict[str, Any]]:
        """What is whole; a torn last line was never acknowledged, and goes, or the next one would run into it."""
        self._path.touch()
        whole, _, torn = self._path.read_bytes().rpartition(b"\n")
        os.truncate(self._path, self._path.stat().st_size - len(torn))
        yield from map(json.loads, whole.splitlines())

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


MarketActor = ray.remote(Market)
