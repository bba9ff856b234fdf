"""What a campaign tells the runtime."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from swarm.spec.campaign import Campaign, load_campaigns

Edited = Callable[..., Path]
EXAMPLES = Path(__file__).parents[2] / "configs" / "campaigns"


@pytest.fixture
def campaign(edited: Edited) -> Campaign:
    """The example campaign."""
    return load_campaigns([edited()])[0]


def test_money(campaign: Campaign) -> None:
    """Amounts come as micros of the campaign's currency."""
    assert ("spring-trail-shoes", "USD") == (campaign.name, campaign.currency)
    assert (200_000_000, 200_000_000) == (campaign.budget_micros, campaign.daily_budget_micros)
    assert (50_000_000, 400_000_000) == campaign.budget_bounds_micros
    assert (200_000, 6_000_000) == campaign.bid_bounds_micros
    assert (25_000_000, None) == (campaign.target_cpa_micros, campaign.target_roas)
    assert 60_000_000 == campaign.value_per_conversion_micros


def test_unset_caps_are_absent(edited: Edited) -> None:
    """Only the caps that were given are there to be tested against."""
    path = edited(('  daily_nominal: "400.00"', "  #"), ('  monthly: "14000.00"', "  #"), ("lifetime:", "lifetime: #"))
    assert {"daily_exposure": 520_000_000} == load_campaigns([path])[0].caps_micros


def test_days(campaign: Campaign) -> None:
    """A campaign is active from its start to its end, both included."""
    days = [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 31), date(2026, 4, 1)]
    assert [False, True, True, False] == [campaign.active_on(day) for day in days]
    assert (date(2026, 3, 2), date(2026, 3, 31)) == (campaign.start, campaign.end)


def test_open_end(edited: Edited) -> None:
    """Without an end a campaign stays active."""
    assert load_campaigns([edited(("end: 2026-03-31", "end:"))])[0].active_on(date(2050, 1, 1))


@pytest.mark.parametrize(
    ("strategy", "goal"),
    [
        ("MAXIMIZE_CLICKS", "clicks"),
        ("MAXIMIZE_CONVERSIONS", "conversions"),
        ("TARGET_CPA\n  target_cpa: 9", "conversions"),
        ("MAXIMIZE_CONVERSION_VALUE", "value"),
        ("TARGET_ROAS\n  target_roas: 3.5", "value"),
    ],
)
def test_goal(edited: Edited, strategy: str, goal: str) -> None:
    """The strategy says what results are counted in."""
    path = edited(("strategy: TARGET_CPA", f"strategy: {strategy}"), ('  target_cpa: "25.00"', "  #"))
    assert goal == load_campaigns([path])[0].goal


def test_target_roas(edited: Edited) -> None:
    """The return asked for comes as a number."""
    path = edited(('strategy: TARGET_CPA\n  target_cpa: "25.00"', "strategy: TARGET_ROAS\n  target_roas: 3.5"))
    assert 3.5 == load_campaigns([path])[0].target_roas


def test_defaults(campaign: Campaign) -> None:
    """What is left out is safe: all platforms, careful guardrails, only watching."""
    raw = campaign.model_dump(mode="json", exclude={"platforms", "audiences", "guardrails", "autonomy"})
    bare = Campaign.model_validate(raw)
    assert ("google_ads", "meta", "tiktok", "linkedin") == bare.platforms
    assert ("observe", Decimal("0.50")) == (bare.autonomy.mode, bare.guardrails.max_change_per_step)


def test_json_round_trip(campaign: Campaign) -> None:
    """The JSON of a campaign is a campaign again, with the same digest."""
    again = Campaign.model_validate_json(campaign.model_dump_json())
    assert (campaign, campaign.digest()) == (again, again.digest())


def test_digest_follows_the_content(edited: Edited, campaign: Campaign) -> None:
    """Comments do not change the digest, content does."""
    commented = load_campaigns([edited(("currency: USD", "# dollars\ncurrency: USD"), name="b.yaml")])[0]
    dearer = load_campaigns([edited(('"200.00"', '"201.00"'), name="b.yaml")])[0]
    assert (True, False) == (commented.digest() == campaign.digest(), dearer.digest() == campaign.digest())


@pytest.mark.parametrize("path", [("budget", "amount"), ("guardrails", "min_change"), ("bidding", "bid_max")])
def test_json_numbers_are_no_money(campaign: Campaign, path: tuple[str, str]) -> None:
    """A JSON number where decimal text belongs is refused, whatever its value."""
    raw: dict[str, Any] = json.loads(campaign.model_dump_json())
    raw[path[0]][path[1]] = 0.5
    with pytest.raises(ValidationError, match="must be a plain decimal as text"):
        Campaign.model_validate_json(json.dumps(raw))


def test_frozen(campaign: Campaign) -> None:
    """A campaign cannot be changed once it is checked."""
    with pytest.raises(ValidationError, match="frozen"):
        campaign.currency = "EUR"


def test_across_fields_without_a_file(campaign: Campaign) -> None:
    """Checks between fields read well outside of files, too."""
    raw = campaign.model_dump(mode="json")
    raw["bidding"]["bid_min"] = "9"
    with pytest.raises(ValidationError, match=r"bidding\.bid_min: must be less than bid_max, 6\.00"):
        Campaign.model_validate(raw)


def test_example_campaigns_are_valid_and_varied() -> None:
    """The campaigns that come with the project load together and cover the ground."""
    campaigns = load_campaigns([EXAMPLES])
    assert 8 == len(campaigns)
    assert {"USD", "EUR", "JPY"} == {c.currency for c in campaigns}
    assert {"clicks", "conversions", "value"} == {c.goal for c in campaigns}
    assert {"DAILY", "LIFETIME"} == {c.budget.period for c in campaigns}
    assert all(c.active_on(date(2026, 3, day)) for c in campaigns for day in range(2, 16))


@pytest.mark.parametrize("mode", ["observe", "propose", "approve", "auto"])
def test_four_modes_of_autonomy(mode: str, edited: Edited) -> None:
    """From watching to acting."""
    assert mode == load_campaigns([edited(("mode: observe", f"mode: {mode}"))])[0].autonomy.mode


def test_approval_is_asked_above_what_was_set(edited: Edited, campaign: Campaign) -> None:
    """Nothing by default; the example's own lines are valid once they are no comment."""
    rails = campaign.guardrails.approval_above
    assert (None, None, None) == (rails.increase, rails.amount, campaign.approval_amount_micros)
    (asking,) = load_campaigns(
        [edited(("# approval_above:", "approval_above:"), ("# notifications:", "notifications:"))]
    )
    assert (Decimal("0.30"), 300_000_000) == (asking.guardrails.approval_above.increase, asking.approval_amount_micros)
    assert ["env:SPRING_SHOES_WEBHOOK"] == [each.url_ref for each in asking.notifications]
