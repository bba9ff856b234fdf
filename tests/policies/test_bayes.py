"""Bayesian linear regression against its closed form."""

from __future__ import annotations

import numpy as np
import pytest

from policies.bayes import Array, BayesianLinear


def _data(rows: int = 60, width: int = 5, seed: int = 0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, width))
    weights = rng.uniform(0.2, 4.0, rows)
    targets = features @ np.arange(1.0, width + 1) + rng.normal(size=rows) / np.sqrt(weights)
    return features, targets, weights


def test_equals_the_closed_form() -> None:
    """Mean and spread are those of generalised least squares with prior rows."""
    x, y, w = _data()
    prior = 2.5
    state = BayesianLinear.start(5, prior=prior).update(x, y, w)
    rows = np.vstack([x * np.sqrt(w)[:, None], np.sqrt(prior) * np.eye(5)])
    expected = np.linalg.lstsq(rows, np.concatenate([y * np.sqrt(w), np.zeros(5)]), rcond=None)[0]
    np.testing.assert_allclose(state.mean, expected, rtol=1e-10)
    new = _data(seed=1)[0]
    mean, std = state.predict(new)
    np.testing.assert_allclose(mean, new @ expected, rtol=1e-10)
    covariance = np.linalg.inv(rows.T @ rows)
    np.testing.assert_allclose(std, np.sqrt(np.einsum("ni,ij,nj->n", new, covariance, new)), rtol=1e-10)


@pytest.mark.parametrize("cut", [0, 1, 30, 60])
def test_two_batches_equal_one(cut: int) -> None:
    """Evidence adds up, however it is split."""
    x, y, w = _data()
    whole = BayesianLinear.start(5).update(x, y, w)
    parts = BayesianLinear.start(5).update(x[cut:], y[cut:], w[cut:]).update(x[:cut], y[:cut], w[:cut])
    np.testing.assert_allclose(parts.mean, whole.mean, atol=1e-10)
    np.testing.assert_allclose(parts.precision, whole.precision, atol=1e-10)
    assert whole.count == parts.count == 60


def test_weights_default_to_one_and_a_weight_is_repetition() -> None:
    """Weight 2 is the row twice."""
    x, y, _ = _data()
    once = BayesianLinear.start(5).update(x, y, np.full(60, 2.0))
    twice = BayesianLinear.start(5).update(x, y).update(x, y)
    np.testing.assert_allclose(once.mean, twice.mean, atol=1e-10)


def test_an_update_leaves_the_old_state() -> None:
    """States are values."""
    x, y, w = _data()
    start = BayesianLinear.start(5)
    start.update(x, y, w)
    assert (start.mean == 0).all()
    np.testing.assert_array_equal(np.eye(5), start.precision)


def test_the_prior_predicts_zero_and_says_how_unsure_it_is() -> None:
    """Before data the spread is |x| / sqrt(prior)."""
    mean, std = BayesianLinear.start(2, prior=4.0).predict([[3.0, 4.0]])
    assert mean.tolist() == [0.0]
    assert std.tolist() == [2.5]


def test_the_covariance_root_gives_the_same_spread() -> None:
    """|x S| is what ``predict`` says."""
    x, y, w = _data()
    state = BayesianLinear.start(5).update(x, y, w)
    np.testing.assert_allclose(np.linalg.norm(x @ state.covariance_root, axis=1), state.predict(x)[1])


def test_spread_is_calibrated() -> None:
    """Over many worlds drawn from the prior, the truth lies within one spread 68 % of the time."""
    rng = np.random.default_rng(7)
    inside = []
    for _ in range(400):
        truth, x = rng.normal(size=3), rng.normal(size=(8, 3))
        state = BayesianLinear.start(3).update(x, x @ truth + rng.normal(size=8))
        new = rng.normal(size=(1, 3))
        mean, std = state.predict(new)
        inside.append(abs(mean - new @ truth)[0] < std[0])
    assert np.mean(inside) == pytest.approx(0.683, abs=0.06)


def test_forgetting_goes_towards_the_prior() -> None:
    """1 keeps everything, 0 nothing, and between them the spread grows."""
    x, y, w = _data()
    state = BayesianLinear.start(5, prior=2.0).update(x, y, w)
    np.testing.assert_allclose(state.forget(1.0).mean, state.mean)
    np.testing.assert_array_equal(2.0 * np.eye(5), state.forget(0.0).precision)
    assert (state.forget(0.0).mean == 0).all()
    assert state.forget(0.5).count == 30
    assert (state.forget(0.5).predict(x)[1] > state.predict(x)[1]).all()


def test_a_state_survives_storage() -> None:
    """Arrays out, arrays in, same predictions."""
    x, y, w = _data()
    state = BayesianLinear.start(5, prior=0.5).update(x, y, w).forget(0.9)
    back = BayesianLinear.from_arrays(state.to_arrays())
    np.testing.assert_array_equal(back.predict(x), state.predict(x))
    np.testing.assert_array_equal(back.forget(0.5).mean, state.forget(0.5).mean)


def test_mistakes_are_named() -> None:
    """Shapes, values and ranges are checked at the door."""
    state = BayesianLinear.start(2)
    with pytest.raises(ValueError, match=r"features have shape \(1, 3\), expected \(n, 2\)"):
        state.update([[1, 2, 3]], [1])
    with pytest.raises(ValueError, match=r"targets have shape \(2,\), expected \(1,\)"):
        state.update([[1, 2]], [1, 2])
    with pytest.raises(ValueError, match="targets hold a NaN"):
        state.update([[1, 2]], [float("nan")])
    with pytest.raises(ValueError, match=r"weights fall to -1\.0"):
        state.update([[1, 2]], [1], [-1])
    with pytest.raises(ValueError, match="factor is 2"):
        state.forget(2)
    with pytest.raises(ValueError, match="prior precision is 0"):
        BayesianLinear.start(2, prior=0)
    with pytest.raises(ValueError, match=r"precision \(2, 2\) does not pair with shift \(3,\)"):
        BayesianLinear.from_arrays(state.to_arrays() | {"shift": np.zeros(3)})
