"""The sections of a campaign file."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from swarm.spec.fields import IsoDate, Money, Ratio, Section, Slug, later
from swarm.spec.secrets import SecretRef

Platform = Literal["google_ads", "meta", "tiktok", "linkedin"]
"""Where a campaign can run."""

Objective = Annotated[
    Literal["OUTCOME_SALES", "OUTCOME_LEADS", "OUTCOME_TRAFFIC"],
    later("OUTCOME_AWARENESS", "OUTCOME_ENGAGEMENT", "OUTCOME_APP_PROMOTION"),
]
"""What a campaign is for."""

Mode = Literal["observe", "propose", "approve", "auto"]
"""Whether the runtime watches, files plans for a person to apply, files raises to approve, or acts by itself."""

Strategy = Literal["MAXIMIZE_CONVERSIONS", "MAXIMIZE_CONVERSION_VALUE", "TARGET_CPA", "TARGET_ROAS", "MAXIMIZE_CLICKS"]
"""What the bids of a campaign are after."""

Text = Annotated[str, Field(min_length=1, max_length=2000)]
"""Text for people."""


class Metadata(Section):
    """Who a campaign belongs to."""

    name: Slug
    owner: Text
    labels: dict[str, str] = Field(default_factory=dict)


class Schedule(Section):
    """The days a campaign runs, the last one included."""

    start: IsoDate
    end: IsoDate | None = None

    @property
    def days(self) -> int | None:
        """How many days that is; None without an end."""
        return (self.end - self.start).days + 1 if self.end else None


class Budget(Section):
    """What may be spent in a day or over the whole schedule, and how far the runtime may move it."""

    period: Literal["DAILY", "LIFETIME"]
    amount: Money
    min_amount: Money
    max_amount: Money


class Caps(Section):
    """Limits that no write of the runtime may put at risk."""

    daily_exposure: Money = Field(description="Most that a day may cost with over-delivery")
    daily_nominal: Money | None = Field(default=None, description="Most that the budgets in force may add up to")
    monthly: Money | None = Field(default=None, description="Most that a calendar month may cost")
    lifetime: Money | None = Field(default=None, description="Most that the whole campaign may cost")
    portfolio: Slug | None = Field(default=None, description="Name of the caps that it shares, in the configuration")


class Bidding(Section):
    """What bids are after, and the bounds of the bid for one click."""

    strategy: Strategy
    target_cpa: Money | None = None
    target_roas: Annotated[Ratio, Field(gt=0, le=1000)] | None = None
    bid_min: Money
    bid_max: Money


class ConversionGoal(Section):
    """An event that counts as a conversion; the first one listed is the primary goal."""

    id: Slug
    event: Text
    value: Money | None = Field(default=None, description="Worth of one conversion")
    window_days: int = Field(default=7, ge=1, le=90, description="Days after a click that a conversion counts")


class Audience(Section):
    """People that a campaign speaks to."""

    id: Slug
    kind: Literal["interest", "lookalike", "remarketing", "demographic"]
    description: Text


class Genome(Section):
    """What a creative is made of, so that what works can be told from what does not."""

    hook: Slug
    promise: Slug
    frame: Slug


class Creative(Section):
    """One advertisement."""

    id: Slug
    headline: Text
    primary_text: Text
    genome: Genome
    embedding: Annotated[tuple[float, ...], Field(min_length=256, max_length=256)] | None = None


class ApprovalAbove(Section):
    """Raises of a budget that need a person's word even where the runtime acts by itself; none unless set."""

    increase: Annotated[Ratio, Field(gt=0, le=10)] | None = None
    amount: Money | None = None


class Guardrails(Section):
    """How much the runtime may change, as shares of the value before."""

    min_change: Annotated[Ratio, Field(ge=0, le=1)] = Decimal("0.10")
    max_change_per_step: Annotated[Ratio, Field(gt=0, le=10)] = Decimal("0.50")
    max_change_per_day: Annotated[Ratio, Field(gt=0, le=10)] = Decimal("1.00")
    max_bid_change_per_step: Annotated[Ratio, Field(gt=0, le=10)] = Decimal("1.00")
    cooldown_hours: int = Field(default=24, ge=0, le=720, description="Hours between two raises of a budget")
    protect_learning: bool = Field(default=True, description="Raise nothing so far that a platform would learn anew")
    max_data_age_hours: int = Field(default=6, ge=0, le=720, description="Oldest report that a raise may rest on")
    approval_above: ApprovalAbove = ApprovalAbove()
    max_actions_per_run: Annotated[int, Field(ge=1)] | None = None


class Autonomy(Section):
    """How far the runtime is trusted."""

    mode: Mode = "observe"


class Notification(Section):
    """Somebody who is told what concerns a campaign."""

    type: Literal["webhook"]
    url_ref: SecretRef = Field(description="The URL that notices are posted to, as a reference")
