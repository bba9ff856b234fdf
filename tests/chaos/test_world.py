"""The outside world's own log, where a kill tore it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from swarm.actors.market import Market
from swarm.effects.door import effects_of
from swarm.platforms.protocol import Effects
from swarm.spec.campaign import Campaign
from tests.conftest import scenario_of

NOTHING = np.zeros(1, dtype=np.int64)


def effects(intent: int, value: int) -> Effects:
    """A bid on the first campaign's first channel."""
    return effects_of(np.array([[intent], [0], [0], [1], [-1], [value]]))


@pytest.mark.parametrize("kept", [1, 20, -1], ids=["its first byte", "some bytes", "all but its end"])
def test_a_torn_line_was_never_applied_and_harms_none_that_follow(
    kept: int, examples: list[Campaign], tmp_path: Path
) -> None:
    """A new life has what was whole, and what it applies then is there in the life after."""

    async def story() -> list[int]:
        scenario = scenario_of("torn", 1, tmp_path)
        market, path = Market(scenario), tmp_path / "market.jsonl"
        await market.admit(examples, 0)
        await market.write(effects(1, 5), NOTHING, 0)
        whole = path.read_bytes()
        await market.write(effects(2, 7), NOTHING, 1)
        path.write_bytes(whole + path.read_bytes()[len(whole) :][:kept])
        second = Market(scenario)
        found = (await second.read(effects(1, 5), 1)).value.tolist()
        await second.write(effects(3, 9), NOTHING, 1)
        return [*found, *(await Market(scenario).read(effects(3, 9), 1)).value.tolist()]

    assert asyncio.run(story()) == [5, 9]
