"""The feedback loop: from matured outcomes to a better head for creatives and better hyperparameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from policies import learning, planning
from policies.frames import Evidence, Floats, Portfolio
from policies.health import Usual
from policies.models import weights
from policies.tuner import Tuner, Verdict
from policies.tuning import Hyper, Tuning
from swarm.actors.bounded import bounded
from swarm.actors.calls import Caller
from swarm.actors.scenario import Scenario
from swarm.errors import Failed, SwarmError
from swarm.observe.logging import bind_tick, configure_logging
from swarm.store.journal import Journal
from swarm.store.place import journal_of


@dataclass(frozen=True, slots=True)
class Lesson:
    """What there is to learn from a day."""

    tick: int
    evidence: Evidence
    creative_features: Floats
    money: Floats
    """[R] what could be spent in the 24 hours before, currency units; 0 for campaigns that were paused."""
    steady: bool
    """STABLE in all of them."""


@bounded()
class FeedbackLoop:
    """Ray shell of what the swarm learns.

    Guarantees
    ----------
    Durability: a head is in the journal before the attention service gets it, a verdict before anybody acts on it.
    Retries: every fit starts from the prior and the evidence as it stands, and a lesson that is told again is
    answered as before, so learning twice is learning once.
    Ordering: heads and hyperparameters carry versions that only grow.
    Idle outside STABLE: the coordinator does not call.
    """

    def __init__(self, scenario: Scenario) -> None:
        """Go on from the journal's heads and candidates."""
        self._log = configure_logging(scenario.config.name, "feedback", scenario.folder)
        self._name, self._namespace, self._seed = scenario.config.name, scenario.namespace, scenario.config.run.seed
        self._journal = Journal(journal_of(scenario.folder))
        self._call = Caller(scenario.config.runtime.call_deadline_s)
        kept = self._journal.models()
        self._versions = {name: version for name, (version, _) in kept.items()}
        self._usual = Usual.from_arrays(kept["usual"][1]) if "usual" in kept else Usual.start()
        self._opening = weights.head("creative_scoring", ("weights", "bias", "root"))
        tuner = kept.get("state/tuner")
        self._tuner = None if tuner is None else Tuner.from_arrays(tuner[1])

    def __repr__(self) -> str:
        return f"FeedbackLoop({self._name})"

    async def ping(self) -> int:
        """The process id."""
        return os.getpid()

    async def healthy(self, tick: int, signals: Floats) -> None:
        """One healthy hour: what is usual moves a little, and the health model hears of it."""
        bind_tick(tick)
        self._usual = self._usual.update(signals)
        version = self._keep("usual", tick, self._usual.as_arrays())
        await self._publish("health_monitoring", self._usual.head(), version)

    async def learn(self, lesson: Lesson, portfolio: Portfolio, hyper: Hyper) -> Tuning:
        """Refit the creative scorer's head; the hyperparameters and candidates for the next day.

        ``hyper`` is the version in use where nothing was tuned before.
        """
        bind_tick(lesson.tick)
        item = lesson.evidence
        flat = planning.rates_without_creatives(portfolio, item)
        creative = learning.creative_head(lesson.creative_features, item, portfolio, flat, self._opening)
        version = self._keep("creative_scoring", lesson.tick, creative)
        await self._publish("creative_scoring", creative, version)
        self._log.info("learnt", creative=version)
        return self._tuned(lesson, portfolio, hyper)

    async def ask(self, changes: Mapping[str, float], tick: int) -> None:
        """Try a person's candidate on the canary, from the next lesson on.

        Raises:
            Failed: no lesson yet, too few campaigns, or a name or value that is wrong.
        """
        if self._tuner is None:
            raise Failed("there is nothing to compare a candidate with before the first day's lesson")
        try:
            self._tuner = self._tuner.ask(changes)
        except ValueError as error:
            raise Failed(str(error)) from error
        self._keep_tuner(self._tuner, [], tick)

    def _tuned(self, lesson: Lesson, portfolio: Portfolio, hyper: Hyper) -> Tuning:
        before = self._tuner or Tuner.start(hyper, portfolio.shape)
        if before.book.ended(lesson.tick):
            return before.tuning
        clicks, matured, conversions = np.moveaxis(lesson.evidence.totals, -1, 0)
        closed = before.grown(portfolio.shape).closed(
            lesson.tick,
            steady=lesson.steady,
            money=np.where(np.arange(len(lesson.money)) < before.rows, lesson.money, 0.0),  # no whole day before
            totals=np.stack([clicks, conversions]),
            cost=lesson.evidence.cost.sum(axis=1),
            lag_h=portfolio.lag_h,
        )
        value = planning.values_by_all(portfolio, conversions, matured)
        after, verdicts = closed.lesson(value, lesson.tick, self._seed)
        settled, self._tuner = after.trimmed()
        self._journal.trajectories(settled.rows())
        self._keep_tuner(before, verdicts, lesson.tick)
        return self._tuner.tuning

    def _keep_tuner(self, before: Tuner, verdicts: list[Verdict], tick: int) -> None:
        """Verdicts, candidates, versions, and the state from which the next lesson goes on: all of it or nothing."""
        assert self._tuner is not None
        tuning = self._tuner.tuning
        started = [c for c in tuning.candidates if c.number > before.opened]
        with self._journal.writing():
            self._journal.candidates((c.number, c.since, c.reason, dict(c.changes)) for c in started)
            for verdict in verdicts:
                self._journal.verdict(verdict.candidate.number, tick, verdict.result, verdict.told())
            if tuning.hyper.version > before.tuning.hyper.version:
                self._journal.hyper(tuning.hyper.version, tick, tuning.hyper.values, tuning.hyper.evidence)
            self._journal.model("state/tuner", tuning.hyper.version, tick, self._tuner.as_arrays())
        for verdict in verdicts:
            self._log.info("candidate_judged", result=verdict.result, **verdict.told())

    def _keep(self, name: str, tick: int, arrays: Mapping[str, NDArray[Any]]) -> int:
        version = self._versions.get(name, 0) + 1
        self._journal.model(name, version, tick, arrays)
        self._versions[name] = version
        return version

    async def _publish(self, use_case: str, head: Mapping[str, NDArray[Any]], version: int) -> None:
        """Tell the attention service; one that is away reads the journal when it is back."""
        try:
            service = ray.get_actor("attention", namespace=self._namespace)
            await self._call(service, "set_head", use_case, head, version)
        except (SwarmError, ValueError) as error:
            self._log.warning("head_not_delivered", use_case=use_case, version=version, error=str(error))

    async def calls_made(self) -> int:
        """How many calls this actor has made to others."""
        return self._call.made


def heads(models: Mapping[str, tuple[int, Mapping[str, NDArray[Any]]]]) -> dict[str, Any]:
    """What the loop has told attention, out of the journal's ``models``: use case -> (version, head)."""
    told: dict[str, Any] = {}
    if "creative_scoring" in models:
        told["creative_scoring"] = models["creative_scoring"]
    if "usual" in models:
        version, arrays = models["usual"]
        told["health_monitoring"] = (version, Usual.from_arrays(arrays).head())
    return told


FeedbackActor = ray.remote(FeedbackLoop)
