"""A named scenario as the whole swarm plays it: the campaigns of its world as people would have written them.

The actors' own classes run in one process (``benchmarks.inprocess``). Outcomes are quantiles of the hour and the
campaign, so that two runs of one seed differ by what they do and not by luck.

Letters: R campaigns, D days.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.inprocess import run
from benchmarks.modes_play import Alike
from benchmarks.runtime import configured
from policies.frames import Floats
from swarm import portfolio
from swarm.actors.attention import AttentionService
from swarm.actors.feedback import FeedbackLoop
from swarm.actors.scenario import Scenario
from swarm.brain import opening_hyper
from swarm.platforms import scenarios
from swarm.platforms.channels import FOUR
from swarm.platforms.fatigue import Fatigue
from swarm.platforms.market import Market
from swarm.platforms.scenarios import SCENARIOS, Setup
from swarm.platforms.world import Listing
from swarm.spec.campaign import Campaign
from swarm.spec.sections import Guardrails

EXPOSURE, NOMINAL = 2.6, 2.0
"""Caps over the day's budget, as the scenarios' own portfolios have them."""
DEFAULT_GUARDRAILS = Guardrails()
_NO_WORDS = (0.0,) * 256


@dataclass(frozen=True, slots=True)
class Parts:
    """What of the swarm another part may stand in for."""

    attention: type[AttentionService] = AttentionService
    feedback: type[FeedbackLoop] = FeedbackLoop
    guardrails: Guardrails = DEFAULT_GUARDRAILS


AS_SHIPPED = Parts()
"""The default configuration with all its parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Scenario):
    """A swarm's scenario whose world is a named one's."""

    setup: Setup

    def market(self, campaigns: Any) -> Market:  # noqa: ARG002 - the world has its campaigns
        """The named world, with paired luck."""
        return Alike(self.setup)


def drawn(name: str, seed: int, *, campaigns: int, days: int) -> Setup:
    """The scenario ``name`` with so many campaigns, all in one portfolio, and so many days."""
    sized = {name: replace(SCENARIOS[name], campaigns=(campaigns, campaigns))}
    with patch.object(scenarios, "SCENARIOS", sized):
        return _without_empty_slots(scenarios.draw(name, [seed], days))


def _without_empty_slots(setup: Setup) -> Setup:
    """Room for as many creatives as the largest campaign has, as files have it."""
    world, most = setup.world, max(len(listing.genomes) for listing in setup.world.listings)
    wear = Fatigue(*(getattr(world.dynamics.fatigue, each.name)[:, :most] for each in fields(Fatigue)))
    trimmed = replace(
        world,
        appeal=world.appeal[:, :most],
        quality=world.quality[:, :most],
        dynamics=replace(world.dynamics, fatigue=wear),
    )
    return replace(setup, world=trimmed, portfolio=replace(setup.portfolio, creatives=trimmed.creatives))


def play(setup: Setup, parts: Parts = AS_SHIPPED) -> Floats:
    """[R, D] credited value of all days under the swarm, in conversions."""
    seed, days = int(setup.seed[0]), setup.budgets.shape[1]
    config, folder = configured(seed, days), Path(tempfile.mkdtemp(prefix="whole-"))
    scenario = Named(
        config, folder, FOUR, setup.calendar.first, days, world=setup.world, daily=setup.budgets, setup=setup
    )
    specs = [written(listing, scenario, parts.guardrails) for listing in setup.world.listings]
    try:
        opening = opening_hyper(config).values
        _, value = run(scenario, specs, opening, before=_nothing, feedback=parts.feedback, attention=parts.attention)
    finally:
        shutil.rmtree(folder)
    return value * portfolio.worth(specs)[:, None]


async def _nothing(*_: Any) -> None:
    """Happens to a run from outside."""


def written(listing: Listing, scenario: Scenario, guardrails: Guardrails = DEFAULT_GUARDRAILS) -> Campaign:
    """The file that ``listing`` would have come from; a creative has no words beyond its elements."""
    money, budget = "{:.2f}".format, listing.daily_budget
    return Campaign.model_validate(
        {
            "apiVersion": "swarm.ads/v1",
            "kind": "Campaign",
            "metadata": {"name": listing.name, "owner": "benchmarks"},
            "currency": "USD",
            "time_zone": listing.zone,
            "objective": listing.objective,
            "schedule": {"start": scenario.first},
            "platforms": [c.platform for c, on in zip(scenario.channels, listing.allowed, strict=True) if on],
            "budget": {
                "period": "DAILY",
                "amount": money(budget),
                "min_amount": "0.01",
                "max_amount": money(EXPOSURE * budget),
            },
            "caps": {"daily_exposure": money(EXPOSURE * budget), "daily_nominal": money(NOMINAL * budget + 0.01)},
            "bidding": {
                "bid_min": money(listing.bid_bounds[0]),
                "bid_max": money(listing.bid_bounds[1]),
                **_aim(listing),
            },
            "conversion_goals": [{"id": "goal", "event": "GOAL", "value": money(listing.value_per_conversion)}],
            "audiences": [{"id": kind, "kind": kind, "description": kind} for kind in listing.audiences],
            "creatives": [
                {
                    "id": f"creative-{k}",
                    "headline": "-",
                    "primary_text": "-",
                    "genome": {"hook": hook, "promise": promise, "frame": frame},
                    "embedding": _NO_WORDS,
                }
                for k, (hook, promise, frame) in enumerate(listing.genomes)
            ],
            "guardrails": guardrails.model_dump(),
            "autonomy": {"mode": "auto"},
        }
    )


def _aim(listing: Listing) -> dict[str, str]:
    """Strategy and target."""
    target, value = listing.target_cost, listing.goal == "value"
    if target is None:
        return {"strategy": "MAXIMIZE_CONVERSION_VALUE" if value else "MAXIMIZE_CONVERSIONS"}
    if value:
        return {"strategy": "TARGET_ROAS", "target_roas": f"{1.0 / target:.6f}"}
    return {"strategy": "TARGET_CPA", "target_cpa": f"{target:.2f}"}
