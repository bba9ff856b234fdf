"""Intent, the conversion model and the holdout: oracles, laws, and worlds in which the truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm, poisson

from policies.attribution import ConversionModel, Path, Paths, calibrate, last_touch, lift_test
from policies.attribution.intent import Intent
from policies.frames import Floats

NAMES = ("email", "search", "video")


def counts_of(loading: list[float], people: int, seed: int) -> tuple[Floats, Floats]:
    """Counts of touches of people with a hidden intent, and that intent."""
    rng = np.random.default_rng(seed)
    intent = rng.standard_normal(people)
    return rng.poisson(np.exp(-0.5 + np.outer(intent, loading))).astype(np.float64), intent


def world(people: int, seed: int, *, withheld: float = 0.0, lift: tuple[float, ...] = (0.0, 0.5, 2.0)) -> Paths:
    """Paths of people whose intent brings email and search, where video and search act and email does not."""
    counts, intent = counts_of([0.8, 0.8, 0.0], people, seed)
    rng = np.random.default_rng([seed, 1])
    path, channel = np.nonzero(counts)
    path, channel = (np.repeat(x, counts[path, channel].astype(int)) for x in (path, channel))
    order = np.lexsort((-(age := rng.uniform(0, 20 * 86_400.0, len(path))), path))
    kept = rng.random(counts.shape) < withheld
    blank = np.zeros(people)
    paths = Paths(NAMES, path[order], channel[order], age[order], blank + 1, blank, blank, kept)
    fresh = np.log1p(paths.per_path(np.exp2(-paths.age_s / 216_000.0) * paths.shown))
    hazard = 0.03 * np.exp(intent) * (1.0 + fresh @ np.array(lift))
    won = (rng.random(people) < -np.expm1(-hazard)).astype(np.float64)
    return replace(paths, conversions=won, value=won)


# ---- intent


def test_intent_is_the_most_likely_factor() -> None:
    """Against SciPy's minimum of the likelihood, integrated point by point."""
    counts, _ = counts_of([0.7, 0.4, 0.0], 400, 1)
    points, mass = np.polynomial.hermite_e.hermegauss(15)

    def loss(theta: Floats) -> float:
        level = theta[:3, None] + theta[3:, None] * points
        each = poisson.logpmf(counts[:, :, None], np.exp(level)).sum(axis=1)
        return -float(np.log(np.exp(each) @ (mass / mass.sum())).sum())

    found = Intent.fit(counts, np.ones(len(counts)))
    best = minimize(loss, np.array([-0.5, -0.5, -0.5, 0.5, 0.5, 0.1]))
    assert loss(np.concatenate([found.rate, found.loading])) == pytest.approx(best.fun, abs=0.02)
    np.testing.assert_allclose(found.loading, best.x[3:], atol=0.05)


def test_what_counts_tell_of_a_person_is_the_posterior_mean() -> None:
    """Against quadrature of Bayes' rule."""
    intent = Intent(np.array([-0.5, 0.2]), np.array([0.8, 0.3]))
    for counts in ([0.0, 0.0], [3.0, 1.0], [0.0, 4.0]):

        def density(x: float, counts: list[float] = counts) -> float:
            return float(norm.pdf(x) * poisson.pmf(counts, np.exp(intent.rate + intent.loading * x)).prod())

        expected = quad(lambda x, f=density: x * f(x), -8, 8)[0] / quad(density, -8, 8)[0]
        assert intent.read(np.array([counts]))[0] == pytest.approx(expected, abs=1e-3)


def test_counts_that_do_not_rise_together_tell_of_no_intent() -> None:
    """Independent channels: what is read hardly varies."""
    counts = np.random.default_rng(0).poisson(0.8, (20_000, 4)).astype(np.float64)
    assert Intent.fit(counts, np.ones(20_000)).read(counts).std() < 0.25
    correlated, hidden = counts_of([0.8, 0.8, 0.8, 0.0], 20_000, 0)
    assert np.corrcoef(Intent.fit(correlated, np.ones(20_000)).read(correlated), hidden)[0, 1] > 0.7


# ---- the conversion model


@pytest.fixture(scope="module")
def tested() -> Paths:
    return world(20_000, 0, withheld=0.1)


@pytest.fixture(scope="module")
def model(tested: Paths) -> ConversionModel:
    return ConversionModel.fit(tested)


def test_the_model_expects_as_many_conversions_as_there_were(model: ConversionModel, tested: Paths) -> None:
    """In all, and of people who met each channel; within 5 %."""
    chance, met = model.chance(tested), tested.per_path(tested.shown.astype(np.float64)) > 0
    assert ((0 < chance) & (chance < 1)).all()
    for rows in (np.ones(len(chance), dtype=bool), *met.T):
        assert chance[rows].sum() == pytest.approx(tested.conversions[rows].sum(), rel=0.05)


def test_removal_finds_what_each_channel_causes(model: ConversionModel, tested: Paths) -> None:
    """The useless channel that follows intent gets little, though many sales end with it."""
    removed = model.removal(tested)
    assert removed["video"] > removed["search"] > removed["email"] >= 0
    assert removed["email"] < 0.2 * last_touch(tested)["email"]


def test_shapley_values_add_up_and_lie_between_joining_first_and_last(model: ConversionModel, tested: Paths) -> None:
    """All channels against none; of a channel alone, credit is its removal."""
    credit = model.shapley(tested)
    plain = replace(tested, withheld=np.zeros_like(tested.withheld))
    nothing = replace(tested, withheld=np.ones_like(tested.withheld))
    scale = tested.value.sum() / tested.conversions.sum()
    expected = (model.chance(plain) - model.chance(nothing)).sum() * scale
    assert sum(credit.values()) == pytest.approx(expected)
    one = Paths.of([Path(touches=[("search", 0.0)], conversions=1, people=5)])
    fitted = ConversionModel.fit(one)
    assert fitted.shapley(one) == pytest.approx(fitted.removal(one))


def test_a_touch_that_fades_or_is_withheld_does_less(model: ConversionModel) -> None:
    """But what would have been met tells of the person all the same."""

    def chance(age_s: float, *, withheld: bool = False) -> float:
        path = Path(touches=[("video", 0.0)], end_s=age_s, withheld=["video"] if withheld else ())
        return float(model.chance(Paths.of([path], NAMES))[0])

    assert chance(60.0) > chance(3e5) > chance(3e6) > chance(60.0, withheld=True)
    assert chance(60.0, withheld=True) == chance(3e6, withheld=True)


def test_people_in_one_row_or_in_many_give_one_model() -> None:
    """Rows are weights."""
    paths = world(600, 2)
    twice = Paths(
        NAMES,
        np.concatenate([paths.path, paths.path + 600]),
        np.tile(paths.channel, 2),
        np.tile(paths.age_s, 2),
        np.tile(paths.people, 2),
        np.tile(paths.conversions, 2),
        np.tile(paths.value, 2),
        np.tile(paths.withheld, (2, 1)),
    )
    heavy = replace(paths, people=2 * paths.people, conversions=2 * paths.conversions, value=2 * paths.value)
    fits = [ConversionModel.fit(each).removal(heavy) for each in (twice, heavy)]
    assert fits[0] == pytest.approx(fits[1], rel=0.02, abs=0.05)


def test_the_unit_of_value_does_not_matter() -> None:
    """Credit, the test and its calibration scale with it."""
    paths = world(3000, 3, withheld=0.1)
    cents = replace(paths, value=100.0 * paths.value)
    model = ConversionModel.fit(paths)
    for give in (model.removal, model.shapley, lambda p: calibrate(model.removal(p), p)):
        small, large = give(paths), give(cents)
        assert large == pytest.approx({name: 100.0 * x for name, x in small.items()})


def test_what_cannot_be_fitted_or_read_is_named() -> None:
    """Nobody converted; other channels."""
    with pytest.raises(ValueError, match="0 conversions of 3 people, expected some and not all"):
        ConversionModel.fit(Paths.of([Path(touches=[("video", 0.0)], people=3)]))
    model = ConversionModel.fit(Paths.of([Path(touches=[("video", 0.0)], people=3, conversions=1)]))
    with pytest.raises(ValueError, match="as fitted"):
        model.removal(Paths.of([Path(touches=[("email", 0.0)], conversions=1)]))


# ---- the holdout


def test_the_lift_test_covers_the_truth() -> None:
    """Of 300 draws, 95 % of intervals hold the effect; a binomial's three deviations of slack."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        kept = rng.binomial(200, 0.05)
        met = rng.binomial(3800, 0.08)
        lift = lift_test(
            Paths.of(
                [
                    Path(touches=[("video", 0.0)], people=3800, conversions=met),
                    Path(touches=[("video", 0.0)], people=200, conversions=kept, withheld=["video"]),
                ]
            )
        )["video"]
        hits += abs(lift.effect - 4000 * 0.03) < 1.96 * lift.error
    assert 0.91 < hits / 300 < 0.99


def test_without_a_holdout_nothing_is_known_and_nothing_changes() -> None:
    """The error is infinite; credit stays as it is."""
    paths = world(2000, 4)
    assert all(np.isinf(lift.error) for lift in lift_test(paths).values())
    credit = {"email": 5.0, "search": 3.0, "video": 1.0}
    assert calibrate(credit, paths) == credit


def _blocks(effects: dict[str, float], people: int) -> Paths:
    """Each channel met by people of its own, half of them held out, with rates exactly as they should be."""
    rows = []
    for name, effect in effects.items():
        rows.append(Path(touches=[(name, 0.0)], people=people, conversions=(0.1 + effect) * people))
        rows.append(Path(touches=[(name, 0.0)], people=people, conversions=0.1 * people, withheld=[name]))
    return Paths.of(rows, list(effects))


EFFECTS = {"email": 0.01, "search": 0.02, "video": 0.05}


@pytest.mark.parametrize(
    "credit", [{"email": 9.0, "search": 1.0, "video": 1.0}, {n: 7 * e for n, e in EFFECTS.items()}]
)
def test_a_large_holdout_decides(credit: dict[str, float]) -> None:
    """Whatever the credit said before: wrong shares are replaced, right ones keep their proportions."""
    people = 10_000_000
    found = calibrate(credit, _blocks(EFFECTS, people))
    assert found == pytest.approx({name: 2 * people * each for name, each in EFFECTS.items()}, rel=0.01)


def test_a_small_holdout_that_agrees_changes_no_share() -> None:
    """What lies within the test's noise is no reason to doubt the credit, only to scale it."""
    credit = {"email": 1.2, "search": 1.9, "video": 4.9}
    found = calibrate(credit, _blocks(EFFECTS, 2000))
    scale = sum(found.values()) / sum(credit.values())
    assert found == pytest.approx({name: scale * each for name, each in credit.items()})
