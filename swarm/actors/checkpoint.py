"""The coordinator's memory in the journal: what must survive it beside the journal's own tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from policies.evidence import Memory
from swarm.brain import Brain
from swarm.store.journal import Journal


def save(journal: Journal, brain: Brain, memories: Mapping[str, Memory], tick: int) -> None:
    """Keep ``brain`` and each platform's memory as they are before hour ``tick``."""
    if brain.campaigns:
        journal.model("state/brain", brain.epoch, tick, brain.state())
    for platform, memory in memories.items():
        arrays = {name: np.asarray(value) for name, value in asdict(memory).items()}
        journal.model(f"state/{platform}", 1, tick, arrays)


def load(journal: Journal, brain: Brain, platforms: Iterable[str]) -> dict[str, Memory]:
    """Let ``brain``, which knows its campaigns, go on from what was kept; returns the memories that were."""
    kept = journal.models()
    if "state/brain" in kept:
        brain.resume(kept["state/brain"][1])
        brain.epoch = max(brain.epoch, journal.last_epoch() + 1)  # an hour that was taken back may have used more
    found = {name: dict[str, Any](kept[f"state/{name}"][1]) for name in platforms if f"state/{name}" in kept}
    return {name: Memory(**{**arrays, "tick": int(arrays["tick"])}) for name, arrays in found.items()}
