"""A run's page from a journal that the real door wrote."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from policies.estimation import OWN_VARIANCE
from swarm import portfolio
from swarm.actors.scenario import Scenario
from swarm.observe.explain import ModeChange, Move
from swarm.observe.report.creatives import Learnt, creatives_of
from swarm.observe.report.decisions import MOST, most_important
from swarm.observe.report.gather import SHOWN, gather
from swarm.observe.report.page import page
from swarm.observe.report.reasons import flat
from swarm.observe.report.results import NO_TRUTH
from swarm.observe.report.words import money, share
from swarm.platforms.channels import FOUR
from swarm.spec.campaign import Campaign, load_campaigns
from swarm.spec.config import SwarmConfig
from swarm.store.journal import INTENT_COLUMNS, Journal
from tests.observe.runs import BERLIN, CAMPAIGNS, DAYS, EXAMPLES, hours, play, story, submit

HOSTILE = "<script>alert('1')</script>\x07&\"]]>"
FIRST = date(2026, 3, 2)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Two campaigns and three days, begun as an earlier version would have: without facts and truth."""
    return play(tmp_path)


def started(journal: Journal, days: int = DAYS) -> None:
    """Keep what a run is started with, as `launch` does."""
    config = SwarmConfig()
    scenario = Scenario(config.model_copy(update={"run": config.run.model_copy(update={"seed": 5})}),
                        journal.path.parent, FOUR, FIRST, days)  # fmt: skip
    journal.remember("scenario", json.dumps(scenario.facts()))


def judged(journal: Journal) -> dict[str, Any]:
    """Keep what a run was worth: the swarm 80, equal split 40 of 100 a day, twice that for the second campaign."""
    rows = [
        {
            "name": campaign.name,
            "by_day": {
                "value": [80.0 * times] * DAYS,
                "hindsight_value": [100.0 * times] * DAYS,
                "baselines": {"equal_split": [40.0 * times] * DAYS},
            },
        }
        for times, campaign in enumerate(CAMPAIGNS, start=1)
    ]
    result = {"by_campaign": rows}
    journal.remember("result", json.dumps(result))
    return result


def parsed(text: str) -> ElementTree.Element:
    """The page as a tree; any tag that is not closed, and any letter that is not escaped, ends here."""
    return ElementTree.fromstring(text)


def words(text: str) -> str:
    """What the page says, pictures included."""
    return " ".join("".join(parsed(text).itertext()).split())


def renamed(campaign: Campaign, name: str, **changes: Any) -> Campaign:
    """The same campaign under another name."""
    meta = campaign.metadata.model_copy(update={"name": name})
    return campaign.model_copy(update={"metadata": meta, **changes})


# ---- the page as a document


def test_the_page_needs_nothing_but_itself(journal: Journal) -> None:
    """Well-formed, no script, no address, nothing to load; links lead to places on the page alone."""
    text = page(gather(journal))
    tree = parsed(text)
    tags = {each.tag for each in tree.iter()}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not re.search(r"https?:|//[a-z]|url\(|@import|javascript:", text)
    named = {each.get("id") for each in tree.iter()}
    assert {each.get("href") for each in tree.iter("a")} <= {f"#{name}" for name in named}
    assert not [each for each in tree.iter() for name in each.attrib if name in ("src", "srcset") or name[:2] == "on"]


def test_every_picture_says_what_it_shows(journal: Journal) -> None:
    """An image for those who see, a title for those who hear; tables that scroll can be reached by key."""
    tree = parsed(page(gather(journal)))
    images = [each for each in tree.iter("svg") if each.get("aria-hidden") is None]
    assert len(images) > 6
    assert all(each.get("role") == "img" and each[0].tag == "title" and each[0].text for each in images)
    boxes = [each for each in tree.iter("div") if each.get("class") == "scroll"]
    assert all(each.get("tabindex") == "0" and each.get("aria-label") for each in boxes)


def test_every_part_is_there(journal: Journal) -> None:
    """Seven parts, each with one heading of its own."""
    parts = {each.get("id"): each for each in parsed(page(gather(journal))).iter("section")}
    assert ["value", "pacing", "platforms", "modes", "creatives", "tuning", "decisions"] == list(parts)
    assert all(len(list(each.iter("h2"))) == 1 for each in parts.values())


def test_words_from_outside_are_escaped(tmp_path: Path) -> None:
    """Headlines, reasons, guards, channels, modes' causes and evidence may hold any letters; none becomes markup."""
    journal = Journal(tmp_path / "journal.sqlite")
    creative = BERLIN.creatives[0].model_copy(update={"headline": HOSTILE})
    submit(journal, [renamed(BERLIN, BERLIN.name, creatives=(creative,))])
    hours(journal, 2)
    journal.tick(2, "2026-03-02T01:00:00+00:00", "CAUTIOUS", 0.5, {"culprits": [HOSTILE]})
    evidence: dict[str, Any] = {HOSTILE: HOSTILE}
    journal.hyper(1, 0, {HOSTILE: 0.5}, evidence)
    told = dict.fromkeys(INTENT_COLUMNS, 0) | {"reason": HOSTILE, "mode": "STABLE", "state": "refused"}
    journal.intend([tuple((told | {"refused_by": HOSTILE}).values())])
    channel = {"name": HOSTILE, "platform": "meta", "auction": "x", "over_delivery": [2, 1], "report_lag_h": 1}
    journal.remember("channels", json.dumps([channel]))
    journal.outcomes([(0, 0, 0, 5.0, 1.0, 1.0)])
    journal.model("state/brain", 1, 1, _brain(1, 1))
    journal.model("state/meta", 1, 1, {"sums": np.ones((4, 1, 1, 1))})
    journal.model("state/features", 1, 1, {"creative": np.ones((1, 1, 64))})
    text = page(gather(journal))
    shown = "<script>alert('1')</script>&\"]]>"
    assert "<script" not in text
    assert words(text).count(shown) >= 8


# ---- the numbers


def test_sums_are_the_journals(journal: Journal) -> None:
    """Spend, clicks and conversions by channel add up to what the journal adds up, whatever the time zone."""
    journal.outcomes((tick, 1, 2, 3.5, 2.0, 0.25) for tick in range(5, 24 * DAYS))
    found = gather(journal)
    by_name = {each.spec.name: each.reported.sum(axis=0) for each in found.campaigns}
    for row, channel, *sums in journal.totals():
        assert sums == pytest.approx(by_name[CAMPAIGNS[row].name][channel].tolist())
    assert len(journal.totals()) == 2
    spent = {each.currency: float(each.spend.sum()) for each in found.currencies}
    assert spent == pytest.approx({"EUR": journal.totals()[0][2], "USD": journal.totals()[1][2]})


def test_the_page_shows_the_journals_sums(journal: Journal) -> None:
    """The same numbers, with their currency, in words; and nowhere a sum over currencies."""
    journal.outcomes([(30, 1, 2, 1234.5, 2.0, 4.0)])
    text = words(page(gather(journal)))
    for row, _, spent, *_ in journal.totals():
        assert money(spent, CAMPAIGNS[row].currency).replace("\xa0", " ") in text
    assert f"{sum(total[2] for total in journal.totals()):,.0f}" not in text


def test_days_are_the_campaigns_own(journal: Journal) -> None:
    """Hour 0 is Berlin's midnight: 24 hours of 10, then 24 of 20, then what is reported of the third day."""
    found = gather(journal)
    berlin = next(each for each in found.campaigns if each.spec.name == BERLIN.name)
    assert [240.0, 480.0, 440.0] == berlin.spend[:3].tolist()
    assert (FIRST, BERLIN.daily_budget_micros / 1e6) == (found.days[0], berlin.plan[0])


def test_what_comes_after_the_last_day_counts_with_it(journal: Journal) -> None:
    """Days end with the run; a late report is not lost, and no day is added for it."""
    started(journal, days=2)
    found = gather(journal)
    berlin = next(each for each in found.campaigns if each.spec.name == BERLIN.name)
    assert [240.0, 920.0] == berlin.spend.tolist()
    assert 2 == len(found.days)


def test_a_logs_own_money_is_the_plan(journal: Journal) -> None:
    """Where a log says what each day may cost, days are held against that."""
    started(journal)
    kept = json.loads(journal.recall("scenario") or "")
    journal.remember("scenario", json.dumps({**kept, "daily": [[1_000_000, 2_000_000, 3_000_000]] * 2}))
    assert [1.0, 2.0, 3.0] == gather(journal).campaigns[0].plan.tolist()


def test_overspend_is_told_by_currency(journal: Journal) -> None:
    """A day that passed its cap is said in the heading and at the top, exactly."""
    cap = BERLIN.caps_micros["daily_exposure"] / 1e6
    assert "no cap was passed on any day" in words(page(gather(journal)))
    journal.outcomes([(0, 0, 0, cap, 1.0, 1.0)])
    found = gather(journal)
    assert [("EUR", 230_000_000), ("USD", 0)] == sorted((c.currency, c.overspend_micros) for c in found.currencies)
    assert f"caps were passed by {money(230.0, 'EUR')}".replace("\xa0", " ") in words(page(found))


def test_value_against_the_baselines(journal: Journal) -> None:
    """Ratios are sums over campaigns, each counted by its worth; a day of the total is the day of the parts."""
    started(journal)
    judged(journal)
    found = gather(journal)
    assert found.truth is not None
    worth = portfolio.worth(CAMPAIGNS)
    assert [80.0 * (worth[0] + 2 * worth[1])] * DAYS == pytest.approx(found.truth.value.tolist())
    assert 0.8 == pytest.approx(found.truth.ratio)
    text = words(page(found))
    assert (
        f"The swarm got {share(0.8, 1)} of what hindsight could have got; equal split 40 %".replace("\xa0", " ") in text
    )
    assert "Over equal split+100 %" in text
    assert NO_TRUTH not in text


def test_where_all_are_after_clicks_clicks_are_counted(tmp_path: Path) -> None:
    """Nobody has to think in conversions who did not ask for any."""
    journal = Journal(tmp_path / "journal.sqlite")
    submit(journal, load_campaigns([EXAMPLES / "fernway-guide-traffic.yaml"]))
    hours(journal, 24)
    by_day = {"value": [80.0], "hindsight_value": [100.0], "baselines": {"equal_split": [40.0]}}
    journal.remember("result", json.dumps({"by_campaign": [{"name": "fernway-guide-traffic", "by_day": by_day}]}))
    text = words(page(gather(journal)))
    assert "Of the hindsight optimum80.0 %80 of 100 clicks" in text
    assert "counted in conversions" not in text


def test_a_run_without_truth_says_so(journal: Journal) -> None:
    """Then there is nothing about hindsight but that, and results are what was reported."""
    found = gather(journal)
    text = words(page(found))
    assert found.truth is None
    assert NO_TRUTH in text
    assert "Of the hindsight optimum" not in text
    value = float(found.campaigns[0].reported[:, :, 2].sum()) * BERLIN.value_per_conversion_micros / 1e6
    assert f"{money(value, 'EUR')} of value, ROAS".replace("\xa0", " ") in text


# ---- runs that are not over, and runs of another size


@pytest.mark.parametrize(
    ("until", "told"),
    [(72, "over after 72 market hours"), (100, "hour 72 of 100"), (0, "stopped after 72 market hours")],
)
def test_how_far_the_run_is(journal: Journal, until: int, told: str) -> None:
    """Over, under way, or stopped by a person."""
    journal.remember("clock", json.dumps({"until": until, "period_s": 0.0}))
    assert told in words(page(gather(journal)))


def test_the_day_that_runs_is_not_held_against_its_plan(journal: Journal) -> None:
    """The share that was spent is of whole days, as long as the run goes on."""
    started(journal)
    spent = {until: words(page(_until(journal, until))) for until in (24 * DAYS, 24 * DAYS + 1)}
    assert "32 % of the EUR" in spent[24 * DAYS]
    assert "30 % of the EUR" in spent[24 * DAYS + 1]


def _until(journal: Journal, until: int) -> Any:
    journal.remember("clock", json.dumps({"until": until}))
    return gather(journal)


def test_a_run_without_campaigns(tmp_path: Path) -> None:
    """A clear message, with the journal's place."""
    with pytest.raises(ValueError, match=r"journal\.sqlite: no campaign has been submitted"):
        gather(Journal(tmp_path / "journal.sqlite"))


def test_a_run_before_its_first_hour(tmp_path: Path) -> None:
    """There is nothing to show yet."""
    journal = Journal(tmp_path / "journal.sqlite")
    submit(journal)
    with pytest.raises(ValueError, match="no market hour of this run is over yet"):
        gather(journal)


def test_one_hour_is_enough(tmp_path: Path) -> None:
    """No report, no creative, no version, no decision: every part is there and says so."""
    journal = Journal(tmp_path / "journal.sqlite")
    submit(journal)
    hours(journal, 1)
    text = words(page(gather(journal)))
    for told in ("No money was spent yet", "The mode never changed", "Creatives are judged after the first hour"):
        assert told in text


def test_a_page_of_a_thousand_campaigns_is_small(tmp_path: Path) -> None:
    """14 days, and a lot of writes: those with the most money are shown, the others are in the sums, and it says so."""
    journal = Journal(tmp_path / "journal.sqlite")
    many = [renamed(CAMPAIGNS[i % 2], f"c{i:04d}") for i in range(1000)]
    submit(journal, many)
    hours(journal, 24 * 14)
    journal.outcomes((tick, row, row % 4, 1.0 + row / 1e4, 1.0, 0.1) for tick in range(24 * 14) for row in range(1000))
    told = dict.fromkeys(INTENT_COLUMNS, 0) | {
        "reason": "allocate",
        "mode": "STABLE",
        "refused_by": "",
        "state": "applied",
    }
    writes = [
        told | {"tick": tick, "campaign": row, "old": tick, "new": tick + 1}
        for tick in range(336)
        for row in range(960, 1000)
    ]
    journal.intend([tuple(write.values()) for write in writes])
    found = gather(journal)
    text = page(found)
    parsed(text)
    assert (SHOWN, 1000 - SHOWN) == (len(found.campaigns), found.others)
    assert "shows the 20 campaigns with the most money one by one. The other 980" in text
    assert sum(float(each.spend.sum()) for each in found.currencies) == pytest.approx(336 * (1000 + 49.95))
    assert len(text.encode()) < 5_000_000


def test_the_most_money_is_a_matter_of_rates(tmp_path: Path) -> None:
    """A day of 120,000 yen is less than one of a thousand dollars: what is shown first is judged at rough rates."""
    journal = Journal(tmp_path / "journal.sqlite")
    dollars, yen = CAMPAIGNS[1], load_campaigns([EXAMPLES / "komorebi-lamp-sales.yaml"])[0]
    submit(journal, [yen, dollars])
    hours(journal, 1)
    journal.outcomes([(0, 0, 0, 1e5, 1.0, 1.0), (0, 1, 0, 1e3, 1.0, 1.0)])
    assert [dollars.name] == [each.spec.name for each in gather(journal, shown=1).campaigns]


# ---- reasons


def test_modes_are_told_with_their_causes(journal: Journal) -> None:
    """When, from what to what, at what coherence, and which campaigns."""
    (change,) = gather(journal).changes
    why = (f"signals moved most by {BERLIN.name}",)
    assert ("STABLE", "FREEZE", 0.1, why) == (change.old, change.new, change.coherence, change.why)
    section = next(each for each in parsed(page(gather(journal))).iter("section") if each.get("id") == "modes")
    text = " ".join("".join(section.itertext()).split())
    assert "1 change of mode: FREEZE 42 h, STABLE 30 h" in text
    assert f"3 Mar 05:00STABLE → FREEZE0.10signals moved most by {BERLIN.name}" in text


def test_a_mode_that_a_person_held_is_told_as_theirs(journal: Journal) -> None:
    """Not as the doing of the campaigns that moved the health signals most."""
    (change,) = gather(journal).changes
    journal.event(change.tick, "hold", change.new, "a person")
    assert [("a person",)] == [each.why for each in gather(journal).changes]


def test_every_version_is_shown_with_evidence_of_any_shape(journal: Journal) -> None:
    """What changed, and what spoke for it; names inside names are told with dots."""
    journal.hyper(1, 0, {"pacing_gain": 0.7, "memory_days": 7.0}, {})
    evidence: dict[str, Any] = {"left": 0.1163, "trial": {"arm": "b", "gain": [0.1, 0.2]}, "by": [{"day": 3}]}
    journal.hyper(2, 48, {"pacing_gain": 0.77, "memory_days": 7.0}, evidence)
    text = words(page(gather(journal)))
    assert "2 versions; what moved: pacing gain" in text
    assert "pacing gain 0.7 → 0.77left 0.1163; trial.arm b; trial.gain 0.1, 0.2; by.0.day 3" in text


def test_candidates_are_told_with_what_came_of_them(journal: Journal) -> None:
    """What was tried from when to when, its effect and its fate; or that nothing was."""
    assert "No other values were tried: a canary needs 24 campaigns" in words(page(gather(journal)))
    journal.candidates([(1, 24, "step", {"memory_days": 14.0}), (2, 48, "asked", {"pacing_gain": 1.0})])
    journal.verdict(1, 48, "rolled back", {"effect": -0.034, "sd": 0.01})
    text = words(page(gather(journal)))
    assert "memory days 142 Mar 23:003 Mar 23:00rolled back-3.4 % ± 1.0" in text
    assert "pacing gain 1 (a person's)3 Mar 23:00nowrunning" in text


def test_long_evidence_is_cut() -> None:
    """A version may rest on much; a page tells the beginning of it."""
    assert all(len(value) <= 200 for _, value in flat({"why": ["long"] * 1000, "text": "word " * 1000}))


def test_decisions_are_few_and_in_order(journal: Journal) -> None:
    """Of each kind at most so many; refusals and pauses are told, hourly bids are not."""
    events = story(journal)
    told = most_important(events)
    moves = [event for event in told if isinstance(event, Move)]
    assert [event.tick for event in told] == sorted(event.tick for event in told)
    assert {"refused", "unverified", "void", "open", "applied"} == {move.state for move in moves}
    assert not [move for move in moves if move.field in ("bid", "weight") and move.state == "applied"]
    assert any(move.reason == "down" for move in moves)
    assert sum(isinstance(event, ModeChange) for event in told) == 1
    many = most_important(events * 50)
    assert len(many) <= sum(MOST.values())


def test_one_refusal_does_not_hide_another(journal: Journal) -> None:
    """A guard that refuses every hour is told with others, not instead of them."""
    refusal = next(event for event in story(journal) if isinstance(event, Move) and event.refused_by)
    others = [replace(refusal, refused_by=f"guard {i}") for i in range(MOST["failure"] - 1)]
    told = most_important([*others, *[refusal] * 100])
    assert {event.refused_by for event in told if isinstance(event, Move)} == {
        refusal.refused_by, *(other.refused_by for other in others)
    }  # fmt: skip


def test_larger_shifts_of_money_come_first(journal: Journal) -> None:
    """Of more moves of budgets than are told, the largest are."""
    move = next(event for event in story(journal) if isinstance(event, Move) and event.field == "budget")
    moves = [replace(move, old=10**6, new=10**6 * (2 + i)) for i in range(3 * MOST["budget"])]
    assert moves[-MOST["budget"] :] == list(most_important(moves))


# ---- creatives


def _brain(rows: int, creatives: int) -> dict[str, Any]:
    """What a checkpoint holds of creatives: the first is expected to do twice as well as the others."""
    factor = np.ones((rows, creatives))
    factor[:, 0] = 2.0
    return {
        "creative": factor,
        "creative_doubt": np.full((rows, creatives), 0.04),
        "creative_own": np.array(OWN_VARIANCE),
        "rotation": np.full((rows, 1, creatives), 1 / creatives),
        "held": np.array(True),
    }


def _learnt(sums: Any) -> Learnt:
    return Learnt(held=False, brain=_brain(1, len(BERLIN.creatives)), sums=sums)


def test_creatives_are_held_against_their_campaign() -> None:
    """Both what was expected and what came are multiples of the campaign's own rate: weighted, their mean is 1."""
    count = len(BERLIN.creatives)
    sums = np.ones((4, 1, 2, count))
    sums[1, 0] = 100.0
    sums[0, 0, :, 0] = 5.0
    told = creatives_of(BERLIN, 0, _learnt(sums))
    assert 1.0 == pytest.approx(np.mean([each.expected for each in told if each.expected is not None]))
    assert 1.0 == pytest.approx(np.mean([each.got for each in told if each.got is not None]))
    assert 2.0 == pytest.approx((told[0].expected or 0.0) / (told[1].expected or 1.0))
    assert 5.0 == pytest.approx((told[0].got or 0.0) / (told[1].got or 1.0))
    assert [10.0, 2.0] == [each.conversions for each in told[:2]]


def test_a_channels_own_rate_is_not_the_creatives() -> None:
    """A creative that was shown where conversions are frequent is not better for it."""
    count = len(BERLIN.creatives)
    sums = np.ones((4, 1, 2, count))
    sums[1, 0] = [[900.0] + [100.0] * (count - 1), [100.0] + [900.0] * (count - 1)]
    sums[0, 0] = sums[1, 0] * np.array([[0.1], [0.01]])
    assert [1.0] * count == pytest.approx([each.got for each in creatives_of(BERLIN, 0, _learnt(sums))])


def test_too_little_says_nothing() -> None:
    """Before a conversion could have been expected, none that came or did not come is a result."""
    told = creatives_of(BERLIN, 0, _learnt(np.full((4, 1, 1, len(BERLIN.creatives)), 0.1)))
    assert [None] * len(BERLIN.creatives) == [each.got for each in told]


def test_where_clicks_are_the_goal_creatives_are_not_judged_by_conversions() -> None:
    """Their clicks and their rotation are told, and nothing else is made up."""
    bidding = BERLIN.bidding.model_copy(update={"strategy": "MAXIMIZE_CLICKS", "target_roas": None})
    clicks = BERLIN.model_copy(update={"bidding": bidding})
    told = creatives_of(clicks, 0, _learnt(np.full((4, 1, 1, len(BERLIN.creatives)), 50.0)))
    assert {(None, None)} == {(each.expected, each.got) for each in told}
    assert 1.0 == pytest.approx(sum(each.rotation for each in told))


def test_a_campaign_that_has_just_joined_has_no_creatives_yet(journal: Journal) -> None:
    """The checkpoint is of the hour before it came."""
    journal.model("state/brain", 1, 1, _brain(1, 4))
    journal.model("state/meta", 1, 1, {"sums": np.ones((4, 1, 1, 4))})
    learnt = Learnt.of(journal)
    assert (4, 0) == (len(creatives_of(BERLIN, 0, learnt)), len(creatives_of(CAMPAIGNS[1], 1, learnt)))
    assert "held by a person" in words(page(gather(journal)))
