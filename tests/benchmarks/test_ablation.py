"""The whole swarm on a named scenario, and what stands in for its parts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.decisions.ablation import HINDSIGHT, SHIPPED, Unit, ablation_table, changes, totals
from benchmarks.decisions.alternatives import REPLACED, UNLIMITED, CreativesAlike, EqualFirstShares, ShippedHeads
from benchmarks.decisions.whole import AS_SHIPPED, Named, Parts, drawn, play, written
from benchmarks.runtime import configured
from policies.clock import Traffic
from swarm import portfolio
from swarm.actors.attention import AttentionService
from swarm.attention.engine import AttentionEngine
from swarm.attention.request import USE_CASES, Answer, Request
from swarm.brain import Brain
from swarm.platforms.channels import FOUR
from swarm.platforms.scenarios import SCENARIOS, Setup
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.spec.campaign import Campaign


@pytest.fixture(scope="module")
def setup() -> Setup:
    """Six campaigns in one portfolio for two days."""
    return drawn("seasonal", 510, campaigns=6, days=2)


@pytest.fixture
def scenario(setup: Setup, tmp_path: Path) -> Named:
    """The same as actors are told of it."""
    config = configured(510, 2)
    return Named(config, tmp_path, FOUR, setup.calendar.first, 2, world=setup.world, daily=setup.budgets, setup=setup)


@pytest.fixture
def specs(setup: Setup, scenario: Named) -> list[Campaign]:
    """Its campaigns' files."""
    return [written(listing, scenario) for listing in setup.world.listings]


@pytest.fixture
def brain(scenario: Named, specs: list[Campaign]) -> Brain:
    """A coordinator that has heard nothing yet."""
    made = Brain(scenario.config, FOUR, Traffic(HOUR_OF_WEEK))
    made.admit(specs, scenario.calendar(specs), scenario.budgets(specs))
    return made


def test_a_scenario_keeps_all_but_its_size(setup: Setup) -> None:
    """So many campaigns of one seed, and the table of scenarios as it was."""
    assert (len(setup.seed), set(setup.seed.tolist())) == (6, {510})
    assert SCENARIOS["seasonal"].campaigns == (1, 1)


def test_files_say_what_the_scenario_tells_its_policies(setup: Setup, specs: list[Campaign]) -> None:
    """To the cent, and to the sixth decimal of a return."""
    told, known = portfolio.portfolio(specs, FOUR), setup.portfolio
    for name in ("allowed", "creatives", "first_price", "over_delivery", "lag_h"):
        np.testing.assert_array_equal(getattr(told, name), getattr(known, name))
    for name in ("bid_low", "bid_high", "unit_value", "exposure_cap"):
        np.testing.assert_allclose(getattr(told, name), getattr(known, name), atol=0.0051)
    np.testing.assert_allclose(told.nominal_cap, known.nominal_cap, atol=0.02)
    np.testing.assert_allclose(told.target_cost, known.target_cost, rtol=1e-3)
    listed = portfolio.listings(specs, FOUR, 510)
    assert [each.genomes for each in listed] == [each.genomes for each in setup.world.listings]


def test_the_same_swarm_twice_is_the_same_and_another_one_is_not(setup: Setup) -> None:
    """One seed's runs meet the same luck, so they differ by what they do."""
    first, again = play(setup), play(setup)
    np.testing.assert_array_equal(first, again)
    assert (first.sum(axis=1) > 0).all()
    assert not np.array_equal(first, play(setup, REPLACED["creative_scoring"].parts))


@pytest.mark.parametrize(
    ("service", "use_case"), [(CreativesAlike, "creative_scoring"), (EqualFirstShares, "expert_routing")]
)
def test_an_answer_that_is_marked_advises_as_the_models_own_alternative(
    service: type[AttentionService], use_case: str, scenario: Named, brain: Brain, specs: list[Campaign]
) -> None:
    """What the swarm takes of it is what it takes of the model without weights; other answers stay as they are."""
    requests = {"creative_scoring": brain.creative_request(), "expert_routing": brain.routing_request()}
    marked, plain = (asyncio.run(_answers(made(scenario), requests)) for made in (service, AttentionService))
    for name, request in requests.items():
        replaced = name == use_case
        expected = _simple(name, request) if replaced else plain[name]
        one, other = (_heard(brain, scenario, specs, name, each) for each in (marked[name], expected))
        assert marked[name].source == ("simple" if replaced else "trained")
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


async def _answers(service: AttentionService, requests: Mapping[str, Request]) -> dict[str, Answer]:
    return {name: await service.compute(name, request) for name, request in requests.items()}


def _simple(name: str, request: Request) -> Answer:
    """Of the model as it is before it has weights."""
    answer = AttentionEngine(table={"bare": USE_CASES[name]}).compute("bare", [request])[0]
    assert isinstance(answer, Answer)
    assert answer.source == "simple"
    return answer


def _heard(
    brain: Brain, scenario: Named, specs: list[Campaign], name: str, answer: Answer
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Factors of the creatives and first shares of a fresh coordinator that hears ``answer`` alone."""
    fresh = Brain(scenario.config, FOUR, brain.traffic)
    fresh.admit(specs, scenario.calendar(specs), scenario.budgets(specs))
    (fresh.hear_creatives if name == "creative_scoring" else fresh.hear_routes)(answer)
    return fresh.attention.creative.factor, fresh.attention.shares


class _Listening(AttentionService):
    """Remembers whose heads it got."""

    got: ClassVar[set[str]] = set()

    async def set_head(self, use_case: str, arrays: Mapping[str, NDArray[Any]], version: int) -> None:
        self.got.add(use_case)
        await super().set_head(use_case, arrays, version)


def test_without_learning_only_health_gets_heads(setup: Setup) -> None:
    """With it, creatives do as well."""
    for loop, expected in (
        (ShippedHeads, {"health_monitoring"}),
        (AS_SHIPPED.feedback, {"health_monitoring", "creative_scoring"}),
    ):
        _Listening.got = set()
        play(setup, Parts(attention=_Listening, feedback=loop))
        assert _Listening.got == expected


def test_guardrails_that_are_off_let_any_step_down_and_eleven_times_up(setup: Setup, scenario: Named) -> None:
    """As wide as a file may have them."""
    wide = portfolio.steps([written(listing, scenario, UNLIMITED) for listing in setup.world.listings])
    assert (wide.budget == 10.0).all()
    assert (wide.bid == 10.0).all()
    assert (wide.least == 0.0).all()


def test_a_change_is_paired_and_their_mean_is_over_scenarios() -> None:
    """Half of the value is lost on one scenario, none on the other."""
    same = {HINDSIGHT: np.array([4.0, 8.0]), SHIPPED: np.array([2.0, 4.0])} | dict.fromkeys(
        REPLACED, np.array([2.0, 4.0])
    )
    found = {"a": same, "b": {**same, "tuning": np.array([1.0, 2.0])}}
    told = changes(found, "tuning")
    np.testing.assert_array_equal(told["a"], [0.0, 0.0])
    np.testing.assert_array_equal(told["b"], [-0.5, -0.5])
    np.testing.assert_array_equal(told["mean"], [-0.25, -0.25])
    console = Console(width=200, record=True)
    console.print(ablation_table(found))
    text = console.export_text()
    assert "-25.00 (-25.00 to -25.00)" in text
    assert "no decision; benchmarks.bandit" in text


@pytest.mark.slow
def test_all_runs_of_a_seed_stay_below_hindsight() -> None:
    """Each replacement plays; none finds more than there is."""
    unit, found = totals(Unit("tracking_outage", 510, 2))
    assert unit.seed == 510
    assert found.keys() == {HINDSIGHT, SHIPPED, *REPLACED}
    assert all(0.0 < each < found[HINDSIGHT] for name, each in found.items() if name != HINDSIGHT)
