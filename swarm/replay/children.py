"""The coordinator's children in a replay: each answers from the log what its namesake learnt from the outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from policies.evidence import Memory
from policies.frames import Portfolio, Report
from policies.tuning import Hyper, Tuning
from swarm.actors import answers
from swarm.actors.agent import PlatformAgent
from swarm.actors.calls import Caller
from swarm.actors.feedback import FeedbackLoop, Lesson, heads
from swarm.actors.scenario import Scenario
from swarm.attention.engine import AttentionEngine
from swarm.attention.request import Answer, Request
from swarm.brain import Brain
from swarm.errors import Failed
from swarm.platforms.protocol import Spending
from swarm.replay.inputs import Inputs
from swarm.store.journal import Journal


@dataclass
class Now:
    """The hour that is being decided again, and what it was decided from."""

    tick: int
    inputs: Inputs


class Children(dict[str, Any]):
    """Children by name, plain objects, and who of them was away."""

    away: frozenset[str] = frozenset()
    on_trial: frozenset[str] = frozenset()


@dataclass
class Roster:
    """Who is there."""

    slices: Mapping[str, slice]
    children: Children = field(default_factory=Children)
    memories: dict[str, Memory] = field(default_factory=dict)


class Plainly(Caller):
    """Calls within one process; nothing to wait for, so no deadline."""

    async def __call__(self, actor: Any, method: str, *args: Any, deadline_s: float | None = None) -> Any:  # noqa: ARG002
        """The answer of ``actor.method(*args)``."""
        return await getattr(actor, method)(*args)


class Outside:
    """In place of the market: what was reported in the hour."""

    def __init__(self, now: Now, platforms: list[str]) -> None:
        """``platforms`` in the order of the reports."""
        self._now, self._platforms = now, platforms

    async def report(self, platform: str, _: int) -> Report | None:
        """The platform's newest report."""
        return self._now.inputs.reports[self._platforms.index(platform)]

    async def spending(self, _: int) -> Spending:
        """What had been spent."""
        return self._now.inputs.spending


class Agent(PlatformAgent):
    """A platform's agent that reads the log's reports."""

    def __init__(self, scenario: Scenario, platform: str, outside: Outside) -> None:
        """``outside`` is what it asks."""
        super().__init__(scenario, platform)
        self._call, self._logged = Plainly(0.0), outside

    def _outside(self) -> Outside:
        return self._logged


class Remembered:
    """In place of attention: what it answered."""

    def __init__(self, now: Now, journal: Journal) -> None:
        """``journal`` has the answers."""
        self._now, self._journal = now, journal

    async def compute(self, use_case: str, _: Request) -> Answer:
        """What was answered in this hour.

        Raises:
            Failed: there was no answer then, or not one that the journal has whole.
        """
        found = self._journal.answered(self._now.tick, use_case)
        if use_case in self._now.inputs.stale or found is None:
            raise Failed(f"{use_case} was not answered in market hour {self._now.tick}")
        return answers.from_arrays(*found)


class Asked:
    """In place of attention: the models themselves, asked anew wherever they answered then."""

    def __init__(self, now: Now, journal: Journal) -> None:
        """``journal`` has the heads with which the replay begins."""
        self._now, self._engine = now, AttentionEngine()
        for use_case, (version, head) in heads(journal.models()).items():
            self._engine.set_head(use_case, head, version)

    async def compute(self, use_case: str, request: Request) -> Answer:
        """The model's answer.

        Raises:
            Failed: there was no answer then, or there is none now.
        """
        if use_case in self._now.inputs.stale:
            raise Failed(f"{use_case} was not answered in market hour {self._now.tick}")
        (answer,) = self._engine.compute(use_case, [request])
        if isinstance(answer, Exception):
            raise Failed(f"{use_case}: {answer}") from answer
        return answer

    async def set_head(self, use_case: str, arrays: Mapping[str, NDArray[Any]], version: int) -> None:
        """Answer with this head from now on."""
        self._engine.set_head(use_case, arrays, version)


class Taught:
    """In place of the feedback loop: what its lessons came to."""

    def __init__(self, now: Now, brain: Brain, *, fixed: bool) -> None:
        """``fixed``: the hyperparameters stay as they are, whatever was learnt."""
        self._now, self._brain, self._fixed = now, brain, fixed

    async def healthy(self, *_: Any) -> None:
        """Nothing that decides anything."""

    async def learn(self, *_: Any) -> Tuning:
        """The hyperparameters for the next day."""
        tuning = self._now.inputs.tuning
        return self._brain.tuning if self._fixed or tuning is None else tuning


class Learning(FeedbackLoop):
    """The feedback loop itself, for models that are asked anew; hyperparameters are those of the log."""

    def __init__(self, scenario: Scenario, taught: Taught, asked: Asked) -> None:
        """Goes on from the journal in the scenario's folder; ``asked`` hears of its heads."""
        super().__init__(scenario)
        self._taught, self._asked = taught, asked

    async def learn(self, lesson: Lesson, portfolio: Portfolio, hyper: Hyper) -> Tuning:
        """Refit the heads; the hyperparameters of the log for the next day."""
        await super().learn(lesson, portfolio, hyper)
        return await self._taught.learn()

    async def _publish(self, use_case: str, head: Mapping[str, NDArray[Any]], version: int) -> None:
        await self._asked.set_head(use_case, head, version)
