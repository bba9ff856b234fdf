"""A campaign as its owner describes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from swarm.spec.checks import problems
from swarm.spec.errors import SpecError, SpecErrors
from swarm.spec.fields import Currency, Section, TimeZone, refuse
from swarm.spec.money import to_micros
from swarm.spec.reading import read
from swarm.spec.sections import (
    Audience,
    Autonomy,
    Bidding,
    Budget,
    Caps,
    ConversionGoal,
    Creative,
    Guardrails,
    Metadata,
    Notification,
    Objective,
    Platform,
    Schedule,
)

Goal = Literal["clicks", "conversions", "value"]
"""What a campaign's results are counted in."""

_GOALS: dict[str, Goal] = {
    "MAXIMIZE_CLICKS": "clicks",
    "MAXIMIZE_CONVERSIONS": "conversions",
    "TARGET_CPA": "conversions",
    "MAXIMIZE_CONVERSION_VALUE": "value",
    "TARGET_ROAS": "value",
}


class Campaign(Section):
    """One campaign, on one or more platforms, with its money in one currency."""

    model_config = ConfigDict(hide_input_in_errors=True)  # it may be a secret by mistake

    api_version: Literal["swarm.ads/v1"] = Field(alias="apiVersion")
    kind: Literal["Campaign"]
    metadata: Metadata
    currency: Currency
    time_zone: TimeZone
    objective: Objective
    schedule: Schedule
    platforms: Annotated[tuple[Platform, ...], Field(min_length=1)] = (
        "google_ads",
        "meta",
        "tiktok",
        "linkedin",
    )
    budget: Budget
    caps: Caps
    bidding: Bidding
    conversion_goals: tuple[ConversionGoal, ...] = ()
    audiences: tuple[Audience, ...] = ()
    creatives: Annotated[tuple[Creative, ...], Field(min_length=1, max_length=16)]
    guardrails: Guardrails = Guardrails()
    autonomy: Autonomy = Autonomy()
    notifications: Annotated[tuple[Notification, ...], Field(max_length=16)] = ()

    @model_validator(mode="after")
    def _across_fields(self) -> Self:
        refuse(problems(self))
        return self

    @property
    def name(self) -> str:
        """What the campaign is called, unique among those that run together."""
        return self.metadata.name

    @property
    def start(self) -> date:
        """The first day, in the campaign's time zone."""
        return self.schedule.start

    @property
    def end(self) -> date | None:
        """The last day, or None for an open end."""
        return self.schedule.end

    def active_on(self, day: date) -> bool:
        """Whether ``day`` is one of the campaign's days."""
        return self.start <= day and (self.end is None or day <= self.end)

    @property
    def budget_micros(self) -> int:
        """The budget's amount, for a day or for the whole schedule."""
        return self._micros(self.budget.amount)

    @property
    def budget_bounds_micros(self) -> tuple[int, int]:
        """The smallest and largest amount that the budget may be moved to."""
        return self._micros(self.budget.min_amount), self._micros(self.budget.max_amount)

    @property
    def daily_budget_micros(self) -> int:
        """The budget for one day; a LIFETIME budget is spread evenly."""
        days = self.schedule.days if self.budget.period == "LIFETIME" else None
        return self.budget_micros // (days or 1)

    @property
    def caps_micros(self) -> dict[str, int]:
        """The caps that are set, by name."""
        caps = ((name, text) for name, text in self.caps if name != "portfolio")
        return {name: self._micros(text) for name, text in caps if text is not None}

    @property
    def approval_amount_micros(self) -> int | None:
        """Budget of a channel from which a raise needs a person's word."""
        amount = self.guardrails.approval_above.amount
        return None if amount is None else self._micros(amount)

    @property
    def bid_bounds_micros(self) -> tuple[int, int]:
        """The lowest and highest bid for one click."""
        return self._micros(self.bidding.bid_min), self._micros(self.bidding.bid_max)

    @property
    def target_cpa_micros(self) -> int | None:
        """What a conversion should cost, if the strategy has such a target."""
        target = self.bidding.target_cpa
        return None if target is None else self._micros(target)

    @property
    def target_roas(self) -> float | None:
        """The value that a unit of spend should return, if the strategy has such a target."""
        target = self.bidding.target_roas
        return None if target is None else float(target)

    @property
    def goal(self) -> Goal:
        """What the bidding strategy is after."""
        return _GOALS[self.bidding.strategy]

    @property
    def value_per_conversion_micros(self) -> int:
        """The worth of a conversion of the primary goal; 0 where none is given."""
        value = self.conversion_goals[0].value if self.conversion_goals else None
        return 0 if value is None else self._micros(value)

    def digest(self) -> str:
        """SHA-256 of the campaign's canonical JSON: the same for the same content."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def _micros(self, text: str) -> int:
        return to_micros(text, self.currency)


def load_campaigns(paths: Sequence[Path]) -> list[Campaign]:
    """The campaigns in the files and folders at ``paths``: all of them, or none.

    Raises:
        SpecErrors: anything is wrong in any file, or two campaigns share a name.
    """
    errors: list[SpecError] = []
    campaigns: dict[str, Campaign] = {}
    places: dict[str, str] = {}
    for file in dict.fromkeys(_files(paths, errors)):
        try:
            campaign, document = read(Campaign, file)
        except SpecErrors as wrong:
            errors += wrong.errors
            continue
        name, line = campaign.name, document.line(("metadata", "name"))
        place = f"{file}:{line}"
        if name in campaigns:
            text = f"already the name of the campaign at {places[name]}"
            errors.append(SpecError(text, file=str(file), line=line, field="metadata.name", value=name))
        campaigns[name], places[name] = campaign, place
    if errors:
        raise SpecErrors(errors)
    return list(campaigns.values())


def _files(paths: Sequence[Path], errors: list[SpecError]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml"))
        if not found:
            errors.append(SpecError("no .yaml or .yml file in this folder", file=str(path)))
        yield from found
