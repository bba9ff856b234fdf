"""New creatives from those that they resemble."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from policies import cold_start
from policies.bandit import LEVEL, CreativeBandit, Prior
from policies.cold_start import resembling
from policies.entities import Creative, Genome
from policies.frames import Floats
from policies.theories.matching import CreativeDistributionMatcher
from policies.theories.resemblance import frame_distances


def _apart(points: Floats) -> Floats:
    return np.asarray(np.linalg.norm(points[:, None] - points, axis=2))


def test_one_hypothesis_is_a_gaussian_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """scikit-learn's posterior with the same kernel, over the new creatives' mean."""
    monkeypatch.setattr(cold_start, "REACHES", (0.5,))
    monkeypatch.setattr(cold_start, "SCALES", (0.4,))
    monkeypatch.setattr(cold_start, "OWNS", (0.15,))
    rng = np.random.default_rng(0)
    points, noise = rng.standard_normal((25, 3)), rng.uniform(0.05, 0.3, 20)
    y = np.sin(points[:20, 0]) + noise * rng.standard_normal(20)
    d = _apart(points)
    reach = 0.5 * np.median(d[:20, :20][np.triu_indices(20, 1)])
    kernel = ConstantKernel(0.4**2) * RBF(reach) + ConstantKernel(LEVEL**2)
    oracle = GaussianProcessRegressor(kernel, alpha=noise**2 + 0.15**2, optimizer=None).fit(points[:20], y - y.mean())
    mean, covariance = oracle.predict(points[20:], return_cov=True)
    centred = np.eye(5) - 0.2
    found = resembling(d, y, noise)
    np.testing.assert_allclose(found.mean[0], centred @ mean, atol=1e-8)
    np.testing.assert_allclose(found.root[0] @ found.root[0].T, centred @ covariance @ centred, atol=1e-7)


def test_resemblance_that_tells_nothing_is_not_believed() -> None:
    """Where rates have nothing to do with distances, little is expected; where they have, much is."""
    rng = np.random.default_rng(1)
    points = rng.standard_normal((48, 2))
    foretold = [
        np.abs(resembling(_apart(points), y[:40], np.full(40, 0.05)).mean).max()
        for y in (0.4 * rng.standard_normal(48), 0.4 * points[:, 0])
    ]
    assert foretold[0] < 0.15 < 0.3 < foretold[1]


def test_the_order_of_the_known_does_not_matter() -> None:
    """Nor does the unit of distance."""
    rng = np.random.default_rng(2)
    d, y, noise = _apart(rng.standard_normal((12, 2))), rng.standard_normal(9), rng.uniform(0.1, 0.2, 9)
    order = np.r_[rng.permutation(9), 9, 10, 11]
    found, other = resembling(d, y, noise), resembling(1e3 * d[np.ix_(order, order)], y[order[:9]], noise[order[:9]])
    np.testing.assert_allclose(other.mean, found.mean, atol=1e-9)


def test_the_bandit_begins_with_the_one_that_resembles_the_best() -> None:
    """And results overrule resemblance."""
    points = np.array([0.0, 0.1, 0.2, 3.0, 3.1, 3.2, 0.15, 3.15])[:, None]
    known = np.log([0.03, 0.031, 0.029, 0.01, 0.011, 0.0105])
    bandit = CreativeBandit(resembling(_apart(points), known, np.full(6, 0.05)), rng=np.random.default_rng(0))
    assert bandit.shares()[0, 0] > 0.65
    bandit.update(shown=[50_000, 50_000], clicks=[500, 1500])
    assert bandit.shares()[0, 0] < 0.1


def test_frame_distances_are_the_matchers() -> None:
    """For clouds of several sizes; symmetric, and 0 from a creative to itself."""
    rng = np.random.default_rng(0)
    mean = np.zeros(5)
    creatives = [
        Creative(id=str(n), embedding=mean, genome=Genome(mean, mean, mean), frames=rng.standard_normal((n, 5)))
        for n in (2, 3, 6)
    ]
    found = frame_distances(creatives)
    matched = CreativeDistributionMatcher().match_performance_distribution(creatives[0], creatives)
    np.testing.assert_allclose(found[0], matched.distances, atol=1e-6)
    np.testing.assert_allclose(found, found.T, atol=1e-9)
    np.testing.assert_allclose(np.diagonal(found), 0.0, atol=1e-6)
    wide = Creative(id="w", embedding=mean, genome=creatives[0].genome, frames=np.zeros((2, 7)))
    with pytest.raises(ValueError, match=r"clouds are \[5, 7\] wide, expected creatives of one width"):
        frame_distances([*creatives, wide])


def test_mistakes_are_named() -> None:
    """Shapes, and distances that are none."""
    with pytest.raises(ValueError, match=r"distances \(3, 2\), log_rate \(2,\), deviation \(2,\), expected"):
        resembling(np.zeros((3, 2)), np.zeros(2), np.ones(2))
    with pytest.raises(ValueError, match=r"distances hold -1.0, expected finite"):
        resembling(np.full((3, 3), -1.0), np.zeros(2), np.ones(2))


def test_a_prior_of_a_covariance_has_it() -> None:
    """Its root's square."""
    covariance = np.array([[0.2, 0.1], [0.1, 0.3]])
    prior = Prior.of_covariance([0.1, -0.1], covariance)
    np.testing.assert_allclose(prior.root[0] @ prior.root[0].T, covariance, atol=1e-8)
