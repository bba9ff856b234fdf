"""The coordinator's memory in the journal: what must survive it beside the journal's own tables.

A journal may be of another version of the program. What it lacks begins anew where that is honest, in the log; else
nothing begins: a swarm that went on with half of what it knew would spend money by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.evidence import Memory
from policies.tuner import Tuner
from swarm.actors.scenario import Scenario
from swarm.brain import SIGNALS, Attention, Brain
from swarm.errors import Failed
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal

Arrays = Mapping[str, NDArray[Any]]
_MAY_BEGIN_LATE = ("pattern",)
"""Of a memory, what tells nothing wrong where it begins in the middle of a run: how spend goes with traffic."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a new life goes on from, beside the brain."""

    memories: dict[str, Memory]
    """By platform."""
    anew: tuple[str, ...]
    """Parts that the journal does not have, or not as this program keeps them; they begin anew."""


class Checkpoint:
    """Keeps the brain and each platform's memory, and gives them back to a new life."""

    def __init__(self, journal: Journal) -> None:
        """Nothing kept in this life."""
        self._journal = journal
        self._features: Arrays = {}

    def save(self, brain: Brain, memories: Mapping[str, Memory], tick: int) -> None:
        """Keep everything as it is before hour ``tick``."""
        if not brain.campaigns:
            return
        self._journal.model("state/brain", brain.epoch, tick, {**brain.state(), **_health(brain.attention)})
        for platform, memory in memories.items():
            self._journal.model(f"state/{platform}", 1, tick, _as_arrays(memory))
        features = _features(brain.attention)
        if any(self._features.get(name) is not array for name, array in features.items()):  # they are new once a day
            self._journal.model("state/features", 1, tick, features)
            self._features = features

    def load(self, brain: Brain, scenario: Scenario) -> Kept:
        """Let ``brain``, which knows no campaign yet, take all of the journal's on and go on from what was kept.

        Raises:
            Failed: another version of the program kept something that this one cannot go on from.
        """
        try:
            return self._load(brain, scenario)
        except (KeyError, TypeError, ValueError) as error:
            raise Failed(
                f"{self._journal.place} was kept by another version of this program, and this one cannot go on from it "
                f"({_plain(error)}): go on with that version, or start in another folder (store.folder, or name); "
                "`swarm explain` and `swarm report` read the journal as it is"
            ) from error

    def _load(self, brain: Brain, scenario: Scenario) -> Kept:
        specs = [Campaign.model_validate_json(spec) for _, _, spec in self._journal.campaigns()]
        kept = {name: arrays for name, (_, arrays) in self._journal.models().items()}
        if "state/brain" not in kept:
            _admit(brain, scenario, specs)
            return Kept({}, ())
        state = kept["state/brain"]
        known = len(state["shares"])  # those that came since are taken on after them, as they were
        _admit(brain, scenario, specs[:known])
        told, anew = _completed(state, brain.state(), brain.late())
        memories, forgotten = self._memories(kept, brain, scenario)
        if "state/tuner" in kept:
            Tuner.from_arrays(kept["state/tuner"])  # the feedback loop's, which goes on from it by itself
        brain.resume(told)
        brain.epoch = max(brain.epoch, self._journal.last_epoch() + 1)  # a failed hour may have used more
        _recall(brain, state, kept.get("state/features", {}))
        _admit(brain, scenario, specs[known:])
        return Kept(memories, (*anew, *forgotten))

    def _memories(
        self, kept: Mapping[str, Arrays], brain: Brain, scenario: Scenario
    ) -> tuple[dict[str, Memory], list[str]]:
        memories, forgotten = {}, []
        for platform, columns in scenario.slices().items():
            if (arrays := kept.get(f"state/{platform}")) is None:
                continue
            own = _as_arrays(Memory.empty(brain.portfolio.columns(columns)))
            told, anew = _completed(arrays, own, {name: own[name] for name in _MAY_BEGIN_LATE})
            memories[platform] = Memory(**{**dict[str, Any](told), "tick": int(told["tick"])})
            forgotten += [f"{platform}'s {name}" for name in anew]
        return memories, forgotten


def _admit(brain: Brain, scenario: Scenario, new: list[Campaign]) -> None:
    if new:
        campaigns = [*brain.campaigns, *new]
        brain.admit(new, scenario.calendar(campaigns), scenario.budgets(campaigns))


def _completed(kept: Arrays, own: Arrays, late: Arrays) -> tuple[Arrays, list[str]]:
    """``kept`` as this program would have kept it, and the parts that begin anew.

    ``own`` is what it keeps at the start of a run, ``late`` what of it may begin in the middle of one: a part, all
    names up to the first underscore, is taken whole or begins whole. That names and shapes are compared, and no
    version number is kept, is so that nobody can forget to raise it. What this program has no use for is left behind.

    Raises:
        ValueError: something else is missing, or has another shape.
    """
    wrong = [name for name, array in own.items() if name not in kept or not _fits(kept[name], array)]
    if lost := [name for name in wrong if name not in late]:
        more = f", nor are {len(lost) - 1} others as they should be" if len(lost) > 1 else ""
        raise ValueError(_difference(lost[0], kept.get(lost[0]), own[lost[0]]) + more)
    anew = list(dict.fromkeys(map(_part, wrong)))
    return {name: late[name] if name in late and _part(name) in anew else kept[name] for name in own}, anew


def _part(name: str) -> str:
    return name.partition("_")[0]


def _fits(kept: NDArray[Any], own: NDArray[Any]) -> bool:
    """Whether the shape is the same; an axis that begins with no length may have any."""
    return kept.ndim == own.ndim and all(new in (0, old) for old, new in zip(kept.shape, own.shape, strict=True))


def _difference(name: str, kept: NDArray[Any] | None, own: NDArray[Any]) -> str:
    return f"no {name!r} in it" if kept is None else f"{name!r} is {list(kept.shape)}, here {list(own.shape)}"


def _plain(error: Exception) -> str:
    """In one line; a name that was looked for in vain is all that a KeyError says."""
    if isinstance(error, KeyError):
        return f"no {error.args[0]!r} in it"
    return " ".join(str(error).split())


def _as_arrays(memory: Memory) -> Arrays:
    return {name: np.asarray(value) for name, value in asdict(memory).items()}


def _health(attention: Attention) -> Arrays:
    signals = [attention.signals.get(name, np.nan) for name in SIGNALS]
    blame = {} if attention.blame is None else {"blame": attention.blame}
    return {"coherence": np.array(attention.coherence), "signals": np.array(signals), **blame}


def _features(attention: Attention) -> Arrays:
    return {} if attention.creative_features is None else {"creative": attention.creative_features}


def _recall(brain: Brain, health: Arrays, features: Arrays) -> None:
    attention = brain.attention
    attention.coherence = float(health.get("coherence", 1.0))
    known = zip(SIGNALS, health.get("signals", np.full(len(SIGNALS), np.nan)).tolist(), strict=True)
    attention.signals = {name: signal for name, signal in known if np.isfinite(signal)}
    attention.blame = health.get("blame")
    if len(features.get("creative", ())) == len(brain.campaigns):  # campaigns that came since have none
        attention.creative_features = features["creative"]
