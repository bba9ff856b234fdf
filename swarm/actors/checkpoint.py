"""The coordinator's memory in the journal: what must survive it beside the journal's own tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.evidence import Memory
from swarm.brain import SIGNALS, Attention, Brain
from swarm.store.journal import Journal

Arrays = Mapping[str, NDArray[Any]]


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
            arrays = {name: np.asarray(value) for name, value in asdict(memory).items()}
            self._journal.model(f"state/{platform}", 1, tick, arrays)
        features = _features(brain.attention)
        if any(self._features.get(name) is not array for name, array in features.items()):  # they are new once a day
            self._journal.model("state/features", 1, tick, features)
            self._features = features

    def load(self, brain: Brain, platforms: Iterable[str]) -> dict[str, Memory]:
        """Let ``brain``, which knows its campaigns, go on from what was kept; returns the memories that were."""
        kept = self._journal.models()
        if "state/brain" in kept:
            brain.resume(kept["state/brain"][1])
            brain.epoch = max(brain.epoch, self._journal.last_epoch() + 1)  # a failed hour may have used more
            _recall(brain, kept["state/brain"][1], kept.get("state/features", (0, {}))[1])
        found = {name: dict[str, Any](kept[f"state/{name}"][1]) for name in platforms if f"state/{name}" in kept}
        return {name: Memory(**{**arrays, "tick": int(arrays["tick"])}) for name, arrays in found.items()}


def _health(attention: Attention) -> Arrays:
    signals = [attention.signals.get(name, np.nan) for name in SIGNALS]
    blame = {} if attention.blame is None else {"blame": attention.blame}
    return {"coherence": np.array(attention.coherence), "signals": np.array(signals), **blame}


def _features(attention: Attention) -> Arrays:
    both = {"creative": attention.creative_features, "routing": attention.routing_features}
    return {name: array for name, array in both.items() if array is not None}


def _recall(brain: Brain, health: Arrays, features: Arrays) -> None:
    attention = brain.attention
    attention.coherence = float(health.get("coherence", 1.0))
    known = zip(SIGNALS, health.get("signals", np.full(len(SIGNALS), np.nan)).tolist(), strict=True)
    attention.signals = {name: signal for name, signal in known if np.isfinite(signal)}
    attention.blame = health.get("blame")
    if len(features.get("creative", ())) == len(brain.campaigns):  # campaigns that came since have none
        attention.creative_features, attention.routing_features = features["creative"], features.get("routing")
