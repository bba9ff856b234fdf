"""Calls from outside that make no sense: a clear error, or an answer; the swarm goes on, and a new life of it too."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import strategies as st

from swarm.actors.launch import ask, launch
from swarm.actors.scenario import Scenario
from swarm.errors import SwarmError
from swarm.spec.campaign import load_campaigns
from tests.cluster.test_swarm import follow
from tests.conftest import EXAMPLES
from tests.fuzz import TIERS, each

pytestmark = pytest.mark.cluster
Make = Callable[[str, int], Scenario]
METHODS = ("submit", "hold", "pause", "resume", "try_out", "progress")
"""Those that take one thing; ``start`` takes two. Ray itself refuses another number of them."""
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=4) | st.binary(max_size=3)
HYPER = st.sampled_from(["pacing_gain", "exploration"]) | st.text(max_size=3)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HYPER, inner, max_size=2), max_leaves=5
)
CALLS = st.tuples(st.sampled_from(METHODS), VALUES.map(lambda one: [one])) | st.tuples(
    st.just("start"), st.tuples(VALUES, VALUES).map(list)
)
AT_ONCE = 5
"""Calls under way at a time."""


@TIERS
def test_nonsense_breaks_nothing(examples: int, scenarios: Make) -> None:
    """Each call has an answer or one of our errors, and the clock runs as before."""
    scenario, campaigns = scenarios("bodies", 2), load_campaigns([EXAMPLES])[:3]
    coordinator = launch(scenario)
    ask(coordinator, "submit", campaigns)
    follow(coordinator, 10)

    def check(call: tuple[str, list[Any]]) -> None:
        method, body = call
        try:
            ask(coordinator, method, *body)
        except SwarmError as error:
            assert str(error)

    with ThreadPoolExecutor(AT_ONCE) as people:

        def together(calls: list[tuple[str, list[Any]]]) -> None:
            list(people.map(check, calls))

        each(st.lists(CALLS, min_size=AT_ONCE, max_size=AT_ONCE), together, examples // AT_ONCE)
    ask(coordinator, "release")
    ask(coordinator, "resume", [])
    assert [row["name"] for row in ask(coordinator, "status")["campaigns"]] == [c.name for c in campaigns]
    follow(coordinator, 14)
    os.kill(ask(coordinator, "ping"), signal.SIGKILL)
    follow(launch(scenario), 18)
