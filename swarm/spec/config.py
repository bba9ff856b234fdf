"""The settings of the runtime itself, each with its bounds and its reason."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from policies.tuning import BOUNDS
from swarm.spec.fields import Currency, IsoDate, Money, Problem, Ratio, Section, Slug, refuse
from swarm.spec.reading import read
from swarm.spec.secrets import SecretRef, ServerUrl


def _tuned(hyper: str, default: float, description: str) -> Any:
    """A setting that is the first value of a hyperparameter, and has its bounds."""
    low, high = BOUNDS[hyper]
    return Field(default=default, ge=low, le=high, description=description)


class Run(Section):
    """How long a run is and what makes it repeatable."""

    tick_seconds: float = Field(default=1.0, ge=0.01, le=3600, description="Wall time between two rounds of decisions")
    start: IsoDate = Field(
        default=date(2026, 3, 2), ge=date(2000, 1, 1), le=date(2100, 1, 1), description="First day of the run"
    )
    days: int = Field(default=14, ge=1, le=366, description="Days that the run lasts")
    seed: int = Field(
        default=7, ge=0, le=2**32 - 1, description="Seed of everything random; the same seed, the same run"
    )


class Market(Section):
    """The simulated market."""

    shocks_per_week: float = Field(
        default=0.5,
        ge=0,
        le=7,
        description="Mean number of shocks of each kind that hit a platform in a week",
    )


class Pacing(Section):
    """How spend is steered along the day."""

    gain: float = _tuned(
        "pacing_gain", 0.7, "Share of the deviation from plan corrected in an hour; past 1 it overshoots"
    )
    max_step: float = _tuned("pacing_max_step", 0.5, "Largest change of the price of money in an hour, on a log scale")


class Allocation(Section):
    """How money moves between campaigns and platforms."""

    window_days: float = _tuned("memory_days", 14.0, "Days of results that an estimate looks back on")
    max_move: float = _tuned("allocation_move", 0.8, "Share of the way to the best split that one day goes")
    exploration: float = _tuned("exploration", 0.05, "Share of the money kept for platforms with few results so far")


class Routing(Section):
    """How experts are chosen for a decision."""

    temperature: float = _tuned(
        "routing_temperature", 1.0, "Softness of the choice; near 0 the best expert takes it all"
    )
    prior_weight: float = Field(default=0.5, ge=0, le=1, description="Weight of what was known before the first result")


class CreativeRotation(Section):
    """How creatives share the impressions."""

    exploration: float = _tuned(
        "creative_exploration", 0.5, "Width of the draw for a creative; near 0 shows the best so far"
    )


class Health(Section):
    """When the swarm slows down and when it stops."""

    stable: float = Field(
        default=0.8, ge=0, le=1, description="Coherence from which everything is allowed; below it steps are halved"
    )
    cautious: float = Field(default=0.5, ge=0, le=1, description="Coherence below which nothing may be raised")
    freeze: float = Field(default=0.3, ge=0, le=1, description="Coherence below which nothing is written but pauses")
    hysteresis: float = Field(
        default=0.05, ge=0, le=0.5, description="How far past a threshold coherence has to come back to count"
    )
    dwell_ticks: int = Field(
        default=3, ge=1, le=1000, description="Ticks that a state lasts before a better one is entered"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.freeze < self.cautious < self.stable:
            text = f"must lie between freeze, {self.freeze}, and stable, {self.stable}"
            refuse([Problem(("cautious",), text, str(self.cautious))])
        return self


class Attention(Section):
    """The service that computes attention for the agents."""

    threads: int = Field(default=1, ge=1, le=64, description="Threads that compute")
    max_batch: int = Field(default=64, ge=1, le=4096, description="Most requests computed together")
    batch_wait_ms: float = Field(default=2.0, ge=0, le=1000, description="Longest wait for a batch to fill")
    max_queue: int = Field(
        default=256, ge=1, le=65536, description="Waiting requests from which new ones are turned away"
    )


class Runtime(Section):
    """How failures are noticed and what follows."""

    heartbeat_s: float = Field(default=1.0, ge=0.05, le=60, description="Time between two signs of life of an actor")
    call_deadline_s: float = Field(default=30.0, ge=0.1, le=600, description="Longest wait for an answer from an actor")
    restart_limit: int = Field(
        default=5, ge=0, le=100, description="Restarts of an actor inside the window before it is given up"
    )
    restart_window_s: float = Field(default=60.0, ge=1, le=3600, description="The window that restarts are counted in")


class Notifications(Section):
    """Who is told what matters, beside the logs."""

    webhook: SecretRef | None = Field(
        default=None,
        max_length=1024,
        description="URL that notices are posted to, as a reference, env:NAME or file:/path",
    )
    file: str = Field(
        default="notices.jsonl",
        min_length=1,
        max_length=255,
        description="File in the run folder that notices are kept in, one JSON object a line",
    )
    timeout_s: float = Field(default=5.0, ge=0.1, le=60, description="Longest wait for a webhook's answer")
    cap_refusals: int = Field(
        default=20,
        ge=1,
        le=1_000_000,
        description="Refusals by caps within 24 market hours, for each campaign in the mean, from which they are told",
    )
    unknown_s: float = Field(
        default=900.0, ge=1, le=86400, description="Age from which a write whose outcome is unknown is told"
    )


class Guard(Section):
    """What one run may do by itself, so that broken tracking cannot switch everything off."""

    max_paused: float = Field(default=0.5, ge=0.01, le=1, description="Of what delivers: share that one hour may pause")
    max_fall: float = Field(
        default=0.5, ge=0.01, le=1, description="Of all budgets: share that one day may lower them by"
    )


class SharedCaps(Section):
    """Caps over all campaigns that name them, in a currency of their own."""

    currency: Currency
    daily_exposure: Money = Field(description="Most that a day may cost with over-delivery, all campaigns together")
    monthly: Money | None = Field(default=None, description="Most that a calendar month may cost, all together")
    rates: dict[Currency, Annotated[Ratio, Field(gt=0)]] = Field(
        default_factory=dict, description="What one unit of another currency is worth in the cap's own"
    )
    rates_date: IsoDate | None = Field(default=None, description="The day whose rates these are")
    rates_margin: Annotated[Ratio, Field(ge=0, le=1)] = Field(
        default=Decimal("0.05"), description="Share by which other currencies may rise before a cap is passed"
    )

    @model_validator(mode="after")
    def _dated(self) -> Self:
        if self.rates and self.rates_date is None:
            refuse([Problem(("rates_date",), "rates need the day that they are of", None)])
        return self

    def rate(self, currency: str) -> float:
        """Micros of the cap's currency that count for one micro of ``currency``.

        Raises:
            KeyError: no rate was stated.
        """
        return 1.0 if currency == self.currency else float(self.rates[currency] * (1 + self.rates_margin))


class Store(Section):
    """Where runs are kept."""

    folder: str = Field(
        default="runs",
        min_length=1,
        max_length=1024,
        description="Folder of the runs, from where the command is started",
    )
    url: ServerUrl | None = Field(
        default=None,
        max_length=1024,
        description="PostgreSQL server that keeps the journals: postgresql://user@host/database; by default files do",
    )


class SwarmConfig(Section):
    """All settings; what a file leaves out keeps its default."""

    model_config = ConfigDict(hide_input_in_errors=True)  # it may be a secret by mistake

    name: Slug = Field(default="swarm", description="Name of this swarm among others")
    run: Run = Run()
    market: Market = Market()
    pacing: Pacing = Pacing()
    allocation: Allocation = Allocation()
    routing: Routing = Routing()
    creative: CreativeRotation = CreativeRotation()
    health: Health = Health()
    attention: Attention = Attention()
    runtime: Runtime = Runtime()
    notifications: Notifications = Notifications()
    store: Store = Store()
    guard: Guard = Guard()
    portfolios: dict[Slug, SharedCaps] = Field(
        default_factory=dict, max_length=1000, description="Caps that campaigns share, by name"
    )


def load_config(path: Path | None = None) -> SwarmConfig:
    """The settings in the file at ``path``, or the defaults.

    Raises:
        SpecErrors: the file is not plain YAML, or a setting is unknown or out of bounds.
    """
    return SwarmConfig() if path is None else read(SwarmConfig, path)[0]
