"""Which creatives are shown, and what the models are taught."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.creative import FLOOR, rotation
from policies.frames import Evidence, Portfolio, pad
from policies.learning import creative_head, creative_prior, prior_shares
from policies.models.creative import CreativeScorer
from policies.models.shapes import check_arrays

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
def test_shares_sum_to_one_and_leave_each_creative_a_floor(seed: int) -> None:
    """Only creatives that exist are shown."""
    rng = np.random.default_rng(seed)
    exists = rng.random((6, 4)) < 0.7
    exists[:, 0] = True
    score, behind = rng.uniform(0, 1, (6, 4)) * exists, rng.uniform(0, 99, (6, 4))
    shares = rotation(score, 1.0 / (behind + 20.0), exists, exploration=np.ones(6))
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert (shares[exists] >= FLOOR - 1e-12).all()
    assert (shares[~exists] == 0).all()


@given(SEEDS, st.floats(0.2, 3.0))
@settings(max_examples=20)
def test_shares_are_those_of_thompson_sampling(seed: int, exploration: float) -> None:
    """The closed form equals the mean over many draws."""
    rng = np.random.default_rng(seed)
    exists, draws = np.ones((1, 4), dtype=np.bool_), 40_000
    score, behind = rng.uniform(0.5, 1.5, (1, 4)), rng.uniform(0, 50, (1, 4))
    variance = 1.0 / (behind + 20.0)
    won = (np.log(score) + exploration * np.sqrt(variance) * rng.standard_normal((draws, 4))).argmax(axis=1)
    expected = FLOOR + (1 - 4 * FLOOR) * np.bincount(won, minlength=4) / draws
    found = rotation(score, variance, exists, exploration=np.full(1, exploration))[0]
    np.testing.assert_allclose(found, expected, atol=0.012)


def test_the_best_creative_wins_with_data_and_all_are_tried_without() -> None:
    """Much data concentrates the rotation; none spreads it."""
    score, exists = np.array([[1.0, 1.3, 0.9]]), np.ones((1, 3), dtype=np.bool_)
    shares = [rotation(score, np.full((1, 3), variance), exists, exploration=np.ones(1))[0] for variance in (1.0, 1e-4)]
    assert shares[1].argmax() == 1
    assert shares[1][1] > 0.9
    assert shares[0].min() > 0.1


def _evidence(conversions: np.ndarray, clicks: np.ndarray) -> Evidence:
    rows, channels, _ = conversions.shape
    empty = {f.name: np.zeros((rows, channels)) for f in fields(Evidence)}
    integers = {"tick": np.zeros(channels, np.int64), "day": np.zeros((rows, channels), np.int32)}
    known = {"conversions": conversions, "matured_clicks": clicks}
    return Evidence(**{**empty, **integers, **known})  # type: ignore[arg-type]


def _portfolio(rows: int, creatives: int) -> Portfolio:
    ones = np.ones(rows)
    return Portfolio(
        allowed=np.ones((rows, 2), dtype=np.bool_),
        creatives=np.ones((rows, creatives), dtype=np.bool_),
        bid_low=ones,
        bid_high=ones,
        target_cost=ones,
        unit_value=ones,
        exposure_cap=ones,
        nominal_cap=ones,
        over_delivery=np.ones(2),
        first_price=np.zeros(2, dtype=np.bool_),
        significant_edit=np.ones(2),
        lag_h=np.ones((2, 2)),
    )


def test_the_creative_head_ranks_planted_effects() -> None:
    """Features that carry an effect on the rate get weights in the order of the effects."""
    rng, rows, creatives = np.random.default_rng(0), 150, 4
    features = rng.standard_normal((rows, creatives, 64))
    planted = np.zeros(64)
    planted[[3, 20, 40]] = 0.4, 0.2, -0.3
    clicks = np.full((rows, 2, creatives), 2000.0)
    cells = np.full(clicks.shape, 0.05)
    seen = rng.poisson(clicks * cells * np.exp(features @ planted)[:, None, :]).astype(np.float64)
    head = creative_head(features, _evidence(seen, clicks), _portfolio(rows, creatives), cells)
    check_arrays(head, CreativeScorer.HEAD, of="head")
    order = np.argsort(head["weights"])
    assert order[0] == 40
    assert order[-2:].tolist() == [20, 3]
    assert head["weights"] == pytest.approx(planted, abs=0.05)


def test_the_creative_head_begins_with_the_one_that_is_shipped() -> None:
    """Without evidence it is that one, doubt included; much evidence overrules it."""
    rng, none = np.random.default_rng(0), np.zeros((3, 2, 4))
    features = rng.standard_normal((3, 4, 64))
    opening = {"weights": rng.standard_normal(64), "bias": np.array([0.2]), "root": np.diag(rng.uniform(0.1, 0.3, 65))}
    head = creative_head(features, _evidence(none, none), _portfolio(3, 4), none + 0.05, opening)
    np.testing.assert_allclose(head["weights"], opening["weights"])
    np.testing.assert_allclose(head["bias"], opening["bias"])
    np.testing.assert_allclose(head["root"] @ head["root"].T, opening["root"] ** 2, atol=1e-12)
    clicks = np.full((150, 2, 4), 2000.0)
    wide, seen = rng.standard_normal((150, 4, 64)), rng.poisson(clicks * 0.05).astype(np.float64)
    taught = creative_head(wide, _evidence(seen, clicks), _portfolio(150, 4), clicks * 0 + 0.05, opening)
    assert np.abs(taught["weights"]).max() < 0.1 < np.abs(opening["weights"]).max()


def test_the_creative_head_of_no_evidence_says_nothing() -> None:
    """All creatives alike, whatever they hold."""
    none = np.zeros((3, 2, 4))
    features = np.random.default_rng(0).standard_normal((3, 4, 64))
    head = creative_head(features, _evidence(none, none), _portfolio(3, 4), none + 0.05)
    assert (head["weights"] == 0).all()
    assert (head["bias"] == 0).all()


def test_temperature_softens_and_sharpens_a_routers_gates_as_in_its_softmax() -> None:
    """Gates at temperature 1, raised to 1 over another, are the softmax at that one."""
    logits, allowed = np.random.default_rng(0).standard_normal((5, 4)), np.ones((5, 4), dtype=np.bool_)

    def softmax(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True))

    temperature = np.array([0.1, 0.5, 1.0, 3.0, 5.0])
    found = prior_shares(softmax(logits), allowed, weight=1.0, temperature=temperature)
    np.testing.assert_allclose(found, softmax(logits / temperature[:, None]))


@given(SEEDS, st.floats(0.0, 1.0))
def test_prior_shares_sum_to_one_and_shut_nobody_out(seed: int, weight: float) -> None:
    """Gates mixed with equal shares; without gates, equal shares."""
    rng = np.random.default_rng(seed)
    allowed = rng.random((8, 4)) < 0.7
    allowed[:, 0] = True
    gates = rng.uniform(0, 1, (8, 4)) * allowed * (np.arange(8) > 0)[:, None]
    gates /= np.maximum(gates.sum(axis=1, keepdims=True), 1e-300)
    shares = prior_shares(gates, allowed, weight=weight, temperature=rng.uniform(0.1, 5.0, 8))
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert (shares[~allowed] == 0).all()
    assert (shares[allowed] >= (1 - weight) / 4 - 1e-12).all()
    np.testing.assert_allclose(shares[0], allowed[0] / allowed[0].sum())


def test_creative_priors_are_one_on_average() -> None:
    """Geometric mean 1 per campaign over the creatives that exist; no more than a factor e either way."""
    overall = np.array([[0.3, -0.1, 7.0], [5.0, -5.0, 0.0]])
    exists = np.array([[True, True, False], [True, True, True]])
    prior = creative_prior(overall, np.full((2, 3), 0.04), exists)
    factors = prior.factor
    assert np.log(factors[0]).sum() == pytest.approx(0.0)
    assert factors[0, 2] == 1.0
    assert factors[1].tolist() == pytest.approx([np.e, 1 / np.e, 1.0])
    assert prior.doubt.tolist() == [[0.04, 0.04, 0.0], [0.04, 0.04, 0.04]]


def test_padding_puts_an_array_in_the_corner() -> None:
    """Of the same kind; one that fits is returned as it is."""
    small = np.arange(4).reshape(2, 2)
    assert pad(small, (2, 2)) is small
    assert pad(small, (3, 3), fill=9).tolist() == [[0, 1, 9], [2, 3, 9], [9, 9, 9]]
