"""The allocator as people use it. Complaints about others' allocators are each a test."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.allocation import BudgetAllocator

SEEDS = st.integers(0, 2**32 - 1)
BRIEF = settings(max_examples=30)
NAMES = ("search", "social", "video", "email", "radio")
Returns = Callable[[str, float], float]


def _allocator(
    total: float = 5_000.0,
    names: tuple[str, ...] = NAMES,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
) -> BudgetAllocator:
    return BudgetAllocator(names, total=total, minimum=minimum, maximum=maximum, rng=np.random.default_rng(0))


def _run(allocator: BudgetAllocator, mean: Returns, days: int, seed: int = 0) -> dict[str, float]:
    """The split after days of Poisson outcomes."""
    rng = np.random.default_rng(seed)
    for _ in range(days):
        split = allocator.allocate()
        allocator.update(split, {name: float(rng.poisson(mean(name, money))) for name, money in split.items()})
    return allocator.allocate()


def _random(seed: int, unit: float = 1.0) -> tuple[BudgetAllocator, float]:
    """An allocator with bounds, taught by ten days of random money and outcomes."""
    rng = np.random.default_rng(seed)
    names, total = NAMES[: rng.integers(1, 6)], float(np.exp(rng.uniform(2.0, 7.5)))
    low = rng.uniform(0.0, 0.5 / len(names), len(names)) * (rng.random(len(names)) < 0.5)
    high = np.maximum(low, rng.uniform(1.2 / len(names), 1.5, len(names)))
    allocator = _allocator(
        unit * total,
        names,
        minimum={name: unit * total * share for name, share in zip(names, low, strict=True)},
        maximum={name: unit * total * share for name, share in zip(names, high, strict=True)},
    )
    for _ in range(10):
        spend = {name: unit * total * rng.exponential() / len(names) for name in names}
        allocator.update(spend, {name: float(rng.poisson(9.0)) for name in names})
    return allocator, unit * total


@BRIEF
@given(SEEDS, st.floats(1e-3, 1e6))
def test_the_split_sums_to_the_total_to_the_micro_within_its_bounds(seed: int, unit: float) -> None:
    """Whatever was learnt, the bounds, and the size of money."""
    allocator, total = _random(seed, unit)
    split = allocator.allocate()
    assert sum(round(1e6 * money) for money in split.values()) == round(1e6 * total)
    assert all(money >= 0 for money in split.values())
    today = allocator.allocate(total=1.1 * total)
    assert sum(round(1e6 * money) for money in today.values()) == round(1e6 * (1.1 * total))


@BRIEF
@given(st.floats(1e-6, 9e9), st.integers(1, 12))
def test_sums_are_exact_for_any_total(total: float, channels: int) -> None:
    """From one micro to nine billion, before anything is known."""
    allocator = _allocator(total, tuple(f"channel {number}" for number in range(channels)))
    assert sum(round(1e6 * money) for money in allocator.allocate().values()) == round(1e6 * total)


@BRIEF
@given(SEEDS, st.floats(1e-3, 1e6))
def test_shares_do_not_depend_on_the_unit_of_money(seed: int, unit: float) -> None:
    """The same days told in another currency give the same shares, to the micro's share of the total."""
    (one, total), (other, scaled) = _random(seed), _random(seed, unit)
    micro, split, rescaled = 1e-6 / min(total, scaled), one.allocate(), other.allocate()
    for name in split:
        assert rescaled[name] / scaled == pytest.approx(split[name] / total, abs=20 * micro + 1e-9)


@BRIEF
@given(SEEDS)
def test_marginal_returns_are_equal_off_the_bounds(seed: int) -> None:
    """Within 1 %; lower where a minimum binds, higher where a maximum does."""
    allocator, _ = _random(seed)
    allocator.allocate()
    proof = allocator.certificate()
    bound = {*proof.at_minimum, *proof.at_maximum}
    free = [margin for name, margin in proof.marginal.items() if name not in bound]
    assert free == pytest.approx([proof.price] * len(free), rel=0.01)
    if free:
        assert all(
            proof.marginal[name] <= 1.01 * proof.price for name in proof.at_minimum if name not in proof.at_maximum
        )
        assert all(
            proof.marginal[name] >= 0.99 * proof.price for name in proof.at_maximum if name not in proof.at_minimum
        )


@BRIEF
@given(SEEDS)
def test_a_split_is_never_below_the_equal_or_the_current_one(seed: int) -> None:
    """On its own model, both brought within the bounds."""
    allocator, total = _random(seed)
    current = dict(zip(NAMES, np.random.default_rng(seed + 1).exponential(total, 5).tolist(), strict=True))
    allocator.allocate(current={name: current[name] for name in allocator.allocate()})
    proof = allocator.certificate()
    assert proof.gain_over_equal >= -1e-9 * proof.value
    assert proof.gain_over_current >= -1e-9 * proof.value


def test_the_same_days_and_seed_give_the_same_split() -> None:
    """Nothing else decides."""
    one, other = (_run(_allocator(), lambda name, money: len(name) * money**0.5 / 20.0, 20) for _ in range(2))
    assert one == other


def test_channels_that_return_differently_are_not_handed_back_equal_shares() -> None:
    """The complaint of PyMC-Marketing 1624 and 1681, LightweightMMM 42, Robyn 349: the split is what it was."""
    weight = dict(zip(NAMES, (8.0, 4.0, 2.0, 1.0, 0.5), strict=True))
    split = _run(_allocator(), lambda name, money: weight[name] * (money / 1_000.0) ** 0.5, 60)
    best = {name: w**2 / sum(v**2 for v in weight.values()) for name, w in weight.items()}
    assert split["search"] / 5_000.0 == pytest.approx(best["search"], abs=0.12)
    assert split["search"] > 2 * split["social"] > 2 * split["email"]


def test_the_strong_channel_that_is_not_saturated_is_favoured() -> None:
    """The complaint of PyMC-Marketing 1034."""

    def mean(name: str, money: float) -> float:
        return 20.0 * (money / 1_000.0) ** 0.9 if name == "radio" else -15.0 * math.expm1(-money / 100.0)

    split = _run(_allocator(), mean, 60)
    assert split["radio"] > 0.45 * 5_000.0


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e6])
def test_large_units_of_money_do_not_stall_it(unit: float) -> None:
    """The complaint of PyMC-Marketing 945: the same learning in any currency."""
    weight = {"search": 30.0, "social": 10.0}
    split = _run(
        _allocator(1_000.0 * unit, ("search", "social")),
        lambda name, money: weight[name] * (money / (500.0 * unit)) ** 0.5,
        40,
    )
    assert split["search"] / (1_000.0 * unit) == pytest.approx(0.9, abs=0.08)


def test_the_order_of_channels_does_not_matter() -> None:
    """The complaint of Robyn 344, channels matched in the wrong order: names decide, in every argument."""
    spend, outcome = {"social": 600.0, "search": 400.0}, {"social": 3.0, "search": 60.0}
    answers = []
    for names in (("search", "social"), ("social", "search")):
        allocator = _allocator(1_000.0, names, minimum={"social": 50.0})
        for _ in range(15):
            allocator.update(spend, outcome)
        answers.append(allocator.allocate())
    assert answers[0]["search"] == pytest.approx(answers[1]["search"], abs=1e-4)
    assert answers[0]["search"] > 800.0


def test_all_of_the_budget_is_split_whatever_it_returns() -> None:
    """The complaints of Robyn 1216 and 1247: money left unspent. No channel returns anything here."""
    split = _run(_allocator(), lambda _, __: 0.0, 30)
    assert sum(round(1e6 * money) for money in split.values()) == 5_000_000_000


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        (
            {"minimum": {"search": 4_000.0, "video": 2_000.0}},
            "total is 5000, below the sum of the minima; the nearest is 6000",
        ),
        ({"maximum": dict.fromkeys(NAMES, 800.0)}, "total is 5000, above the sum of the maxima; the nearest is 4000"),
        (
            {"minimum": {"search": 300.0}, "maximum": {"search": 200.0}},
            "minimum of 'search' is 300, above its maximum; the nearest is 200",
        ),
        ({"minimum": {"serch": 1.0}}, "unknown channel 'serch', .* did you mean 'search'"),
        ({"minimum": {"search": -1.0}}, "minimum of 'search' is -1, expected 0 to 9007199254; the nearest is 0"),
    ],
)
def test_bounds_that_cannot_hold_are_refused_with_the_nearest_that_can(
    bounds: dict[str, Mapping[str, float]], said: str
) -> None:
    """The complaints of LightweightMMM 233, Robyn 677 and 794: crashes, or totals that cannot be spent."""
    with pytest.raises(ValueError, match=said):
        _allocator(minimum=bounds.get("minimum"), maximum=bounds.get("maximum"))


def test_mistakes_are_refused_by_name() -> None:
    """Nothing is learnt of them."""
    allocator = _allocator(minimum={"search": 100.0})
    with pytest.raises(ValueError, match="allocate comes first"):
        allocator.certificate()
    with pytest.raises(ValueError, match="total is 99, below the sum of the minima; the nearest is 100"):
        allocator.allocate(total=99.0)
    with pytest.raises(ValueError, match="total is nan"):
        allocator.allocate(total=math.nan)
    with pytest.raises(ValueError, match="outcome of 'radio' is -2"):
        allocator.update({}, {"radio": -2.0})
    with pytest.raises(ValueError, match="unknown channel 'vidio'"):
        allocator.update({"vidio": 1.0}, {})
    with pytest.raises(ValueError, match="expected one name or more, each once"):
        _allocator(names=("search", "search"))
    with pytest.raises(ValueError, match="total is 0, below"):
        _allocator(0.0)


def test_a_late_outcome_is_for_the_days_that_waited_and_a_lost_one_for_none() -> None:
    """Social reports every third day the sum of three, or loses two of three: half of the money either way."""
    for quiet, counted in ((None, 30.0), (math.nan, 10.0)):
        allocator = _allocator(100.0, ("search", "social"))
        for day in range(60):
            news = counted if day % 3 == 2 else quiet
            allocator.update({"search": 50.0, "social": 50.0}, {"search": 10.0, "social": news})
        assert allocator.allocate()["social"] == pytest.approx(50.0, abs=5.0)


def test_days_may_be_skipped_and_channels_rest() -> None:
    """A channel that spends nothing and reports nothing is not thought bad for it."""
    allocator = _allocator(100.0, ("search", "social"))
    for day in range(60):
        resting = day % 2 == 1
        spend = {"search": 50.0} if resting else {"search": 50.0, "social": 50.0}
        allocator.update(spend, {"search": 10.0} if resting else {"search": 10.0, "social": 10.0})
    assert allocator.allocate()["social"] > 40.0


def test_the_split_follows_a_change() -> None:
    """Two channels change places; 15 days later so have the shares."""
    allocator, best = _allocator(1_000.0, ("search", "social")), ["search"]

    def mean(name: str, money: float) -> float:
        return float((30.0 if name == best[0] else 10.0) * (money / 500.0) ** 0.5)

    assert _run(allocator, mean, 60)["search"] > 750.0
    best[0] = "social"
    assert _run(allocator, mean, 15, seed=1)["social"] > 600.0


def test_the_last_spend_stands_in_for_the_current_split() -> None:
    """Unless a current split is given."""
    allocator = _allocator(100.0, ("search", "social"))
    for _ in range(20):
        allocator.update({"search": 95.0, "social": 5.0}, {"search": 10.0, "social": 10.0})
    split = allocator.allocate()
    assert allocator.certificate().gain_over_current > 0.1
    allocator.allocate(current=split)
    assert allocator.certificate().gain_over_current < 0.1
