"""All that came to an hour from outside it, beside attention's answers: the journal keeps it, a replay is fed with it.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.frames import Floats, Ints, Report
from policies.health import Gate, Mode
from policies.tuning import Tuning
from swarm.actors.dispatcher import Standing
from swarm.brain import Brain
from swarm.platforms.protocol import Spending
from swarm.spec.money import MICROS
from swarm.store.inputs import inputs_of, keep_inputs, narrowed, widened
from swarm.store.journal import Journal

Arrays = Mapping[str, NDArray[Any]]
_KINDS = {"day": np.int32, "limited": np.bool_}
"""Of a report's arrays, those that are not numbers of float64."""
_TUNING = "tuning."


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an hour was decided from."""

    reports: tuple[Report | None, ...]
    """Each platform's newest report, on its own channels."""
    spending: Spending
    learning: NDArray[np.bool_]
    """[R, C] where the platforms said that they learn."""
    room: Floats
    """[R] what the longer caps left for the worst case of a day, currency units."""
    gate: Gate
    """As the hour's lease had it; a person may have set it."""
    paused: frozenset[str]
    floor: Mode
    careful: tuple[int, ...]
    away: frozenset[str]
    """Children that were not asked."""
    stale: tuple[str, ...]
    """Use cases that attention did not answer when last asked."""
    tuning: Tuning | None = None
    """What the hour's lesson made of the hyperparameters; None where none was held."""

    @classmethod
    def of(cls, brain: Brain, reports: Sequence[Report | None], standing: Standing, away: frozenset[str]) -> Inputs:
        """Of an hour without a lesson that ``brain`` has just decided."""
        return cls(
            reports=tuple(reports),
            spending=standing.spending,
            learning=standing.learning,
            room=standing.room,
            gate=brain.gate,
            paused=brain.paused,
            floor=brain.floor,
            careful=brain.careful,
            away=away,
            stale=brain.attention.stale,
        )

    def keep(self, journal: Journal, tick: int) -> None:
        """Let the journal keep it."""
        facts = {
            "gate": [str(self.gate.mode), self.gate.since, self.gate.held],
            "paused": sorted(self.paused),
            "floor": str(self.floor),
            "careful": list(self.careful),
            "away": sorted(self.away),
            "stale": list(self.stale),
            "reports": [None if report is None else report.tick for report in self.reports],
        }
        tuning = {} if self.tuning is None else self.tuning.as_arrays()
        arrays = dict(narrowed(name, array) for name, array in self._arrays().items())
        keep_inputs(journal, tick, facts, arrays | {_TUNING + name: array for name, array in tuning.items()})

    @classmethod
    def kept(cls, journal: Journal, tick: int) -> Inputs | None:
        """What hour ``tick`` was decided from; None where the journal does not say."""
        if (found := inputs_of(journal, tick)) is None:
            return None
        facts, arrays = found[0], widened(found[1])
        reports = tuple(_report(n, hour, arrays) for n, hour in enumerate(facts["reports"]))
        today, lifetime, earlier = (arrays[name].astype(np.int64) for name in ("today", "lifetime", "earlier"))
        as_of = arrays["as_of"].astype(np.int64)
        tuning = {name.removeprefix(_TUNING): array for name, array in arrays.items() if name.startswith(_TUNING)}
        mode, since, held = facts["gate"]
        return cls(
            reports=reports,
            spending=Spending(today + _reported(reports, today.shape), lifetime - earlier, lifetime, as_of),
            learning=arrays["learning"].astype(np.bool_),
            room=arrays["room"].astype(np.float64),
            gate=Gate(Mode(mode), since, held=held),
            paused=frozenset(facts["paused"]),
            floor=Mode(facts["floor"]),
            careful=tuple(facts["careful"]),
            away=frozenset(facts["away"]),
            stale=tuple(facts["stale"]),
            tuning=Tuning.from_arrays(tuning) if tuning else None,
        )

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Of spending what tells more than the reports and each other: mostly nothing, which costs next to nothing."""
        rest = self.spending.today - _reported(self.reports, self.spending.today.shape)
        reports = {f"{n}.{k}": v for n, one in enumerate(self.reports) if one for k, v in _told(one).items()}
        lifetime, month = self.spending.lifetime, self.spending.month
        known = {"as_of": self.spending.as_of, "learning": self.learning}
        return {**reports, **known, "today": rest, "lifetime": lifetime, "earlier": lifetime - month, "room": self.room}


def _told(report: Report) -> dict[str, NDArray[Any]]:
    """A report's arrays; of cost the sum over creatives, which is all of it that anybody reads."""
    told = {f.name: getattr(report, f.name) for f in fields(report) if f.name != "tick"}
    return {**told, "cost": report.cost.sum(axis=2)}


def _report(number: int, tick: int | None, arrays: Arrays) -> Report | None:
    """The report of platform ``number``; all of a channel's cost stands with its first creative."""
    if tick is None:
        return None
    names = [f.name for f in fields(Report) if f.name != "tick"]
    told: dict[str, Any] = {name: arrays[f"{number}.{name}"].astype(_KINDS.get(name, np.float64)) for name in names}
    cost = np.zeros_like(told["clicks"])
    cost[..., 0] = told["cost"]
    return Report(tick=tick, **{**told, "cost": cost})


def _reported(reports: Sequence[Report | None], shape: tuple[int, ...]) -> Ints:
    """[R, C] micros of ``spent_today``, 0 before the first report."""
    spent = [None if one is None else np.rint(one.spent_today * MICROS).astype(np.int64) for one in reports]
    if any(part is None for part in spent):
        return np.zeros(shape, dtype=np.int64)
    return np.concatenate([part for part in spent if part is not None], axis=1)
