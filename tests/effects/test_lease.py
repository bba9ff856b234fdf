"""What a lease allows, to whom, and until when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from swarm.effects.lease import Mode
from tests.effects.doors import ALWAYS, bid, door, lease, limits, proposals, status, write

NOW_S = 1000.0


@pytest.mark.parametrize(
    ("tick", "now_s", "holds"), [(4, NOW_S - 1, True), (5, NOW_S - 1, False), (4, NOW_S, False), (5, NOW_S, False)]
)
def test_a_lease_lapses_by_market_hour_and_by_wall_time(tick: int, now_s: float, holds: bool) -> None:
    """Whichever comes first; a lapsed lease means FREEZE."""
    given = replace(lease(expires=5), expires_s=NOW_S)
    assert holds is given.holds(tick, now_s)
    assert (Mode.STABLE if holds else Mode.FREEZE) == given.at(tick, now_s).mode


def test_a_lease_without_wall_time_never_lapses_by_it() -> None:
    """In simulated time the machine's clock decides nothing."""
    assert ALWAYS.holds(0, 1e300)


@pytest.mark.parametrize(
    ("mode", "modes"),
    [
        (Mode.STABLE, ["STABLE", "CAUTIOUS"]),
        (Mode.CAUTIOUS, ["CAUTIOUS", "CAUTIOUS"]),
        (Mode.FREEZE, ["FREEZE", "FREEZE"]),
    ],
)
def test_a_careful_campaign_is_cautious_by_itself(mode: Mode, modes: list[str]) -> None:
    """Half steps, unless the whole swarm is as careful already, or more."""
    given = replace(lease(mode), careful=(1,))
    assert modes == given.modes(np.array([0, 1])).tolist()
    assert [0.5 if name == "CAUTIOUS" else 1.0 for name in modes] == given.part(np.array([0, 1])).tolist()


def test_the_door_lets_a_careful_campaign_go_half_a_step(tmp_path: Path) -> None:
    """The same step passes for the other, and the journal has each write's own mode."""
    one = door(tmp_path, rows=2)
    write(one, bid(100), bid(100, campaign=1))
    given = replace(lease(), careful=(1,))
    within = limits(2, max_bid_step=0.2)
    assert {"step": 1} == write(one, bid(120), bid(120, campaign=1), limits=within, lease=given, tick=1)
    assert {} == write(one, bid(110, campaign=1), limits=within, lease=given, tick=2)
    assert ["STABLE", "CAUTIOUS", "CAUTIOUS"] == [row[11] for row in one._journal.intents()[2:]]


def test_the_door_refuses_a_lapsed_lease_but_for_pauses(tmp_path: Path) -> None:
    """The door looks at its own clock when the batch arrives, however old the batch is."""
    one = door(tmp_path)
    write(one, bid(5), status(1))
    late = one.open(proposals([bid(6), status(0)]), limits(), replace(lease(), expires_s=NOW_S), 1, NOW_S)
    assert {"lease": 1} == dict(late.refused)
    assert [0] == late.effects.value.tolist()
