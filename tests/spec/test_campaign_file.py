"""What a wrong campaign file is answered with."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from swarm.spec.campaign import load_campaigns
from swarm.spec.errors import SpecErrors, nearest
from swarm.spec.example import EXAMPLE
from swarm.spec.sections import Platform

Complaints = Callable[..., list[str]]
Edited = Callable[..., Path]

OBJECTIVES = "'OUTCOME_SALES', 'OUTCOME_LEADS' or 'OUTCOME_TRAFFIC'"
*FIRST, LAST = map(repr, get_args(Platform))
PLATFORMS = f"{', '.join(FIRST)} or {LAST}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "currency: USD",
            "currency: USX",
            "c.yaml:11: currency: unknown currency (got 'USX'; did you mean 'USD'?)",
        ),
        (
            "America/New_York",
            "america/new_york",
            "c.yaml:12: time_zone: unknown time zone (got 'america/new_york'; did you mean 'America/New_York'?)",
        ),
        (
            "objective: OUTCOME_SALES",
            "objective: OUTCOME_SALE",
            f"c.yaml:15: objective: must be {OBJECTIVES} (got 'OUTCOME_SALE'; did you mean 'OUTCOME_SALES'?)",
        ),
        (
            "objective: OUTCOME_SALES",
            "objective: OUTCOME_AWARENESS",
            "c.yaml:15: objective: OUTCOME_AWARENESS is not available yet (got 'OUTCOME_AWARENESS')",
        ),
        (
            "mode: observe",
            "mode: proposes",
            "c.yaml:79: autonomy.mode: must be 'observe', 'propose', 'approve' or 'auto' (got 'proposes'; did you mean "
            "'propose'?)",
        ),
        (
            "name: spring-trail-shoes",
            "name: Spring Shoes",
            (
                "c.yaml:7: metadata.name: must be lower-case letters, digits, - and _, with no - or _ in front "
                "(got 'Spring Shoes')"
            ),
        ),
        (
            "[google_ads, meta,",
            "[google_ads, google_ads,",
            "c.yaml:21: platforms[1]: listed twice (got 'google_ads')",
        ),
        (
            "[google_ads,",
            "[google,",
            (f"c.yaml:21: platforms[0]: must be {PLATFORMS} (got 'google'; did you mean 'google_ads'?)"),
        ),
        (
            "end: 2026-03-31",
            "end: 2026-03-01",
            "c.yaml:19: schedule.end: is before the start, 2026-03-02 (got '2026-03-01')",
        ),
        (
            "start: 2026-03-02",
            "start: 1772409600",
            "c.yaml:18: schedule.start: must be a date such as 2026-03-31 (got '1772409600')",
        ),
        (
            'amount: "200.00"',
            'amount: "200.005"',
            "c.yaml:25: budget.amount: too precise: USD has 2 decimals (got '200.005')",
        ),
        (
            'amount: "200.00"',
            "amount: 1e3",
            "c.yaml:25: budget.amount: must be a plain decimal as text, such as '12.50' (got '1e3')",
        ),
        ('amount: "200.00"', "amount: 0.00", "c.yaml:25: budget.amount: must be more than 0 (got '0.00')"),
        (
            'amount: "200.00"',
            "amount: 20",
            "c.yaml:25: budget.amount: must be from min_amount, 50.00, to max_amount, 400.00 (got '20')",
        ),
        (
            'daily_exposure: "520.00"',
            "daily_exposure: 399.99",
            (
                "c.yaml:25: budget.amount: google_ads may spend 2 times a day of the budget, which passes "
                "caps.daily_exposure, 399.99 (got '200.00')"
            ),
        ),
        (
            'daily_nominal: "400.00"',
            "daily_nominal: 199.99",
            "c.yaml:32: caps.daily_nominal: is less than a day of the budget, 200.00 DAILY (got '199.99')",
        ),
        (
            'target_cpa: "25.00"',
            "target_cpa:",
            "c.yaml:40: bidding.target_cpa: the strategy TARGET_CPA needs one",
        ),
        (
            "strategy: TARGET_CPA",
            "strategy: MAXIMIZE_CLICKS",
            "c.yaml:40: bidding.target_cpa: the strategy MAXIMIZE_CLICKS ignores it (got '25.00')",
        ),
        (
            'bid_min: "0.20"',
            "bid_min: 6",
            "c.yaml:41: bidding.bid_min: must be less than bid_max, 6.00 (got '6')",
        ),
        ("id: light", "id: spring-price", "c.yaml:60: creatives[1].id: used twice (got 'spring-price')"),
        (
            'min_change: "0.10"',
            'min_change: "0.60"',
            "c.yaml:67: guardrails.min_change: leaves no room below the largest change, 0.50 (got '0.60')",
        ),
        (
            'min_change: "0.10"',
            'min_change: "1.01"',
            "c.yaml:67: guardrails.min_change: must be less than or equal to 1 (got '1.01')",
        ),
        (
            "labels: {region: us}",
            "lables: {region: us}",
            "c.yaml:9: metadata.lables: unknown field (did you mean 'labels'?)",
        ),
        ("owner: growth-team", "owner:", "c.yaml:8: metadata.owner: must be text"),
        ("labels: {region: us}", "labels: none", "c.yaml:9: metadata.labels: must be a mapping (got 'none')"),
        ("[google_ads, meta, tiktok, linkedin]", "meta", "c.yaml:21: platforms: must be a list (got 'meta')"),
    ],
)
def test_one_mistake(complaints: Complaints, old: str, new: str, said: str) -> None:
    """Each mistake is told with file, line, field, value and, for a name, the nearest right one."""
    assert [said] == complaints((old, new))


def test_roas_needs_its_target(complaints: Complaints) -> None:
    """TARGET_ROAS without target_roas is placed where the field belongs."""
    said = complaints(("strategy: TARGET_CPA\n  target_cpa", "strategy: TARGET_ROAS\n  target_cpa"))
    assert "c.yaml:36: bidding.target_roas: the strategy TARGET_ROAS needs one" in said


def test_lifetime_needs_an_end(complaints: Complaints) -> None:
    """A LIFETIME budget cannot be spread over an open schedule."""
    said = complaints(("period: DAILY", "period: LIFETIME"), ("end: 2026-03-31", "end:"))
    assert ["c.yaml:19: schedule.end: a LIFETIME budget needs an end"] == said


def test_lifetime_exposure_is_per_day(edited: Edited, complaints: Complaints) -> None:
    """A LIFETIME budget is held against the daily cap by its share of a day."""
    lifetime = [("period: DAILY", "period: LIFETIME"), ('"200.00"', '"7800.00"'), ('"400.00"', '"9000.00"')]
    assert 260_000_000 == load_campaigns([edited(*lifetime)])[0].daily_budget_micros
    (said,) = complaints(*lifetime, ('daily_exposure: "520.00"', "daily_exposure: 519.99"))
    assert said.startswith("c.yaml:25: budget.amount: google_ads may spend 2 times a day")


def test_exposure_by_the_platforms_used(edited: Edited) -> None:
    """Only the platforms of the campaign count: TikTok alone may spend 1.25 times the budget."""
    edits = [
        ("[google_ads, meta, tiktok, linkedin]", "[tiktok]"),
        ('daily_exposure: "520.00"', "daily_exposure: 250"),
    ]
    assert ("tiktok",) == load_campaigns([edited(*edits)])[0].platforms


def test_precision_follows_the_currency(complaints: Complaints) -> None:
    """In yen every amount with decimals is named, in the order of the file."""
    lines = [said.split(":")[1] for said in complaints(("currency: USD", "currency: JPY"))]
    assert [str(n) for n in (25, 26, 27, 31, 32, 33, 34, 40, 41, 42, 47)] == lines


def test_renamed_field(complaints: Complaints) -> None:
    """A misspelt name is told twice: as missing and as unknown with the nearest right one."""
    assert [
        "c.yaml:59: creatives[0].genome.hook: required, but missing",
        "c.yaml:59: creatives[0].genome.hoook: unknown field (got 'proof'; did you mean 'hook'?)",
    ] == complaints(("hook: proof", "hoook: proof"))


def test_embedding_has_256_numbers(edited: Edited, complaints: Complaints) -> None:
    """An embedding is optional; if given, it has exactly 256 finite numbers."""
    full = ", ".join(["0.25"] * 256)
    loaded = load_campaigns([edited(("id: light", f"id: light\n    embedding: [{full}]"))])[0]
    assert (0.25,) * 256 == loaded.creatives[0].embedding
    (short,) = complaints(("id: light", "id: light\n    embedding: [0.25, 1]"))
    assert "c.yaml:57: creatives[0].embedding: must have at least 256 items, not 2" == short
    (wrong,) = complaints(("id: light", f"id: light\n    embedding: [nan, {full[6:]}]"))
    assert "creatives[0].embedding[0]: must be a finite number (got 'nan')" in wrong


def test_sixteen_creatives_at_most(complaints: Complaints) -> None:
    """A campaign has no more creatives than a rotation can learn about."""
    more = "".join(
        f"\n  - {{id: c{i}, headline: h, primary_text: t, genome: {{hook: a, promise: b, frame: c}}}}"
        for i in range(15)
    )
    said = complaints(("creatives:                        # 1 to 16", f"creatives:{more}"))
    assert ["c.yaml:55: creatives: must have at most 16 items, not 17"] == said


def test_long_values_are_cut(complaints: Complaints) -> None:
    """A value of any length leaves the answer on one readable line."""
    (said,) = complaints(("id: light", f"id: {'x' * 5000}"))
    assert said.startswith("c.yaml:56: creatives[0].id: must have at most 63 characters (got 'xxx")
    assert len(said) < 200


def test_every_file_is_told(edited: Edited) -> None:
    """The mistakes of all files come at once, and nothing is loaded."""
    bad = edited(("currency: USD", "currency: US"), ("America/New_York", "Mars"), name="b.yaml")
    worse = edited(("kind: Campaign", "kind: Campaign\nkind: Campaign"), name="a.yml")
    edited(name="c.yaml")
    with pytest.raises(SpecErrors) as caught:
        load_campaigns([bad.parent])
    told = [(Path(error.file).name, error.line, error.field) for error in caught.value.errors]
    assert [("a.yml", 5, "kind"), ("b.yaml", 11, "currency"), ("b.yaml", 12, "time_zone")] == told
    assert worse.parent == bad.parent


def test_names_are_unique_across_files(edited: Edited) -> None:
    """Two campaigns of one name are told with both places."""
    first, second = edited(name="a.yaml"), edited(name="b.yaml")
    with pytest.raises(SpecErrors) as caught:
        load_campaigns([first, second])
    said = f"metadata.name: already the name of the campaign at {first}:7 (got 'spring-trail-shoes')"
    assert f"{second}:7: {said}" == str(caught.value)


def test_a_file_given_twice_is_one(edited: Edited) -> None:
    """A file named on its own and inside its folder is loaded once."""
    path = edited()
    assert 1 == len(load_campaigns([path, path.parent]))


def test_empty_folder(tmp_path: Path) -> None:
    """A folder without campaign files is a mistake, not an empty answer."""
    with pytest.raises(SpecErrors, match=r"no \.yaml or \.yml file in this folder"):
        load_campaigns([tmp_path])


def test_errors_travel(edited: Edited) -> None:
    """Errors survive pickling, so that a worker can hand them on."""
    with pytest.raises(SpecErrors) as caught:
        load_campaigns([edited(("currency: USD", "currency: USX"))])
    assert str(caught.value) == str(pickle.loads(pickle.dumps(caught.value)))


def test_unprintable_names_are_escaped(tmp_path: Path) -> None:
    """A name that could upset a terminal is shown escaped."""
    path = tmp_path / "c.yaml"
    path.write_text(EXAMPLE + '"a\\e[2J\\nb": 1\n', encoding="utf-8")
    with pytest.raises(SpecErrors, match=r"'a\\x1b\[2J\\nb': unknown field"):
        load_campaigns([path])


def test_nearest_ignores_case_and_admits_ignorance() -> None:
    """The nearest name is found in any case; a far one is not guessed."""
    assert ("USD", None) == (nearest("usd", ["EUR", "USD"]), nearest("bitcoin", ["EUR", "USD"]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('{amount: "300.005"}', "amount: too precise: USD has 2 decimals (got '300.005')"),
        ("{amount: 1e3}", "amount: must be a plain decimal as text, such as '12.50' (got '1e3')"),
        ("{increase: 0}", "increase: must be greater than 0 (got '0')"),
        ("{increases: 0.3}", "increases: unknown field (got '0.3'; did you mean 'increase'?)"),
    ],
)
def test_thresholds_of_approval(given: str, said: str, complaints: Complaints) -> None:
    """They are amounts and shares like all others."""
    old = '# approval_above: {increase: "0.30", amount: "300.00"}'
    (told,) = complaints((old, f"approval_above: {given}"))
    assert told.endswith(f": guardrails.approval_above.{said}")
