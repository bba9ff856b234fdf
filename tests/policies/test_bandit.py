"""The bandit over creatives that share elements."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import bandit
from policies.bandit import Belief, CreativeBandit, Prior, believe, best
from policies.creative import FLOOR, rotation
from policies.embedding import embed_many
from policies.models import weights
from policies.models.creative import CreativeScorer

SEEDS = st.integers(0, 2**32 - 1)
REAL = Path(__file__).parents[2].parent / "shared" / "data"


def _ones(prior: Prior) -> np.ndarray:
    return np.ones(prior.mean.shape, dtype=np.bool_)


def test_the_belief_is_that_of_the_model_by_brute_force() -> None:
    """Draws from the prior, weighted by the Poisson likelihood, agree up to Laplace's error and their own."""
    prior = Prior(np.array([[0.2, -0.1, 0.0]]), np.array([[[0.3], [0.3], [-0.2]]]), (0.0, 1.0))
    shown, clicks = np.array([[9000.0, 8000.0, 2000.0]]), np.array([[180.0, 112.0, 36.0]])
    found = believe(prior, _ones(prior), shown, clicks)
    rng, draws = np.random.default_rng(0), 600_000
    scale, own, chance = bandit._hypotheses(prior.scales)
    which = rng.choice(len(chance), size=(draws, 1), p=chance)
    level = np.log(329 / 19_100) + bandit.LEVEL * rng.standard_normal((draws, 1))
    shared = scale[which] * (prior.mean[0] + rng.standard_normal((draws, 1)) * prior.root[0, :, 0])
    rate = level + shared + own[which] * rng.standard_normal((draws, 3))
    fit = (clicks * rate - shown * np.exp(rate)).sum(axis=1)
    weight = np.exp(fit - fit.max())
    weight /= weight.sum()
    mean = weight @ rate
    np.testing.assert_allclose(found.expected[0], mean, atol=0.02)
    np.testing.assert_allclose(found.deviation[0], np.sqrt(weight @ (rate - mean) ** 2), rtol=0.08)
    np.testing.assert_allclose(found.weight[0], [weight[which[:, 0] == m].sum() for m in range(len(chance))], atol=0.03)


def test_much_data_says_what_it_says_whatever_was_expected() -> None:
    """Rates are clicks over impressions."""
    prior = Prior(np.array([[1.0, -1.0]]), np.ones((1, 2, 1)), (0.0, 1.0))
    clicks = np.array([[20_000.0, 30_000.0]])
    found = believe(prior, _ones(prior), np.full((1, 2), 1e6), clicks)
    np.testing.assert_allclose(found.expected, np.log(clicks / 1e6), atol=0.005)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_shares_are_a_distribution_over_what_exists(seed: int) -> None:
    """Also before any data, and with creatives that were never shown."""
    rng = np.random.default_rng(seed)
    exists = rng.random((3, 5)) < 0.7
    exists[:, 0] = True
    learner = CreativeBandit(Prior.of_elements(rng.integers(0, 2, (3, 5, 4))), exists=exists, rng=rng)
    for shown in (np.zeros((3, 5)), rng.uniform(0, 1e5, (3, 5)) * (rng.random((3, 5)) < 0.5)):
        learner.update(shown=shown, clicks=rng.poisson(0.01 * shown))
        shares = learner.shares()
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        assert (shares[~exists] == 0).all()


def test_campaigns_do_not_touch_each_other() -> None:
    """What one row knows is what it knows alone."""
    rng = np.random.default_rng(0)
    prior = Prior.of_elements(rng.integers(0, 2, (4, 5, 3)).astype(float))
    shown = rng.uniform(0, 1e4, (4, 5))
    clicks = rng.poisson(0.02 * shown).astype(float)
    together = believe(prior, _ones(prior), shown, clicks)
    one = Prior(prior.mean[2:3], prior.root[2:3], prior.scales)
    alone = believe(one, _ones(one), shown[2:3], clicks[2:3])
    np.testing.assert_allclose(alone.expected[0], together.expected[2])
    np.testing.assert_allclose(alone.weight[0], together.weight[2], atol=1e-12)


def test_results_in_parts_are_results_at_once() -> None:
    """Counts only add up."""
    parts, whole = (CreativeBandit(Prior.alike(2), rng=np.random.default_rng(0)) for _ in range(2))
    parts.update(shown=[100, 300], clicks=[1, 2])
    parts.update(shown=[50, 0], clicks=[2, 0])
    whole.update(shown=[150, 300], clicks=[3, 2])
    assert parts.shares().tolist() == whole.shares().tolist()


def test_a_creative_that_was_never_shown_is_judged_by_its_elements() -> None:
    """Where the others of its hook do well, it is expected to."""
    hooks = np.eye(2)[[0, 0, 0, 1, 1, 1]]
    prior = Prior.of_elements(hooks)
    shown = np.array([[5e4, 5e4, 0.0, 5e4, 5e4, 0.0]])
    found = believe(prior, _ones(prior), shown, shown * [0.02, 0.021, 0, 0.01, 0.0098, 0]).expected[0]
    assert found[2] == pytest.approx(np.log(0.0205), abs=0.15)
    assert found[5] == pytest.approx(np.log(0.0099), abs=0.15)


def test_elements_that_tell_nothing_lose_their_say() -> None:
    """The hypothesis that nothing is shared wins where creatives of one hook differ and those of two do not."""
    prior = Prior.of_elements(np.eye(6)[np.repeat(np.arange(6), 2)])
    shown = np.full((1, 12), 1e5)
    found = believe(prior, _ones(prior), shown, shown * np.tile([0.01, 0.02], 6))
    nothing = bandit._hypotheses(prior.scales)[0] == 0
    assert found.weight[0, nothing].sum() > 0.7


def test_without_shared_elements_it_is_the_rotation_in_closed_form() -> None:
    """Thompson sampling by draws and by quadrature agree."""
    level, variance = np.log([[0.010, 0.011, 0.009]]), np.array([[0.01, 0.02, 0.04]])
    belief = Belief(level[:, None], (variance[..., None] * np.eye(3))[:, None], np.ones((1, 1)))
    exists, rng = np.ones((1, 3), dtype=np.bool_), np.random.default_rng(0)
    drawn = np.mean([best(belief, exists, exploration=1.0, rng=rng) for _ in range(200)], axis=0)
    closed = (rotation(np.exp(level), variance, exists, exploration=np.ones(1)) - FLOOR) / (1 - 3 * FLOOR)
    np.testing.assert_allclose(drawn, closed, atol=0.01)


def test_less_exploration_is_greedier() -> None:
    """The best so far gets more."""
    shares = []
    for exploration in (0.3, 1.0):
        learner = CreativeBandit(Prior.alike(3), exploration=exploration, rng=np.random.default_rng(0))
        learner.update(shown=[9000, 9000, 9000], clicks=[100, 80, 70])
        shares.append(learner.shares()[0, 0])
    assert shares[0] > shares[1] + 0.1


def test_attentions_doubt_is_the_priors() -> None:
    """The prior of scores has the mean and the variance that the shipped model itself gives."""
    model = CreativeScorer()
    weights.load(model, "creative_scoring")
    words = np.stack([embed_many(w) for w in (["price", "savings", "loss"], ["humor", "ease", "gain"])])
    inputs = {"query": embed_many(["one week free", "quiet home"])[:, None], "key": words, "value": words}
    answer = model(**{name: torch.from_numpy(x) for name, x in inputs.items()})
    head = weights.head("creative_scoring", ("weights", "bias", "root"))
    assert head is not None
    prior = Prior.of_scores(answer.output[:, 0, -1], answer.extras["features"], head["root"])
    np.testing.assert_allclose(prior.mean[0], answer.output[:, 0, -1])
    np.testing.assert_allclose((prior.root[0] ** 2).sum(axis=1), answer.extras["doubt"][:, 0], rtol=1e-4)


@pytest.mark.parametrize(
    ("shown", "clicks", "message"),
    [
        ([1, 2, 3], [0, 0], r"shown has shape \(3,\), expected \(1, 2\), or \(2,\) for one campaign"),
        ([1, 2], [0, -1], r"clicks holds -1.0, expected numbers that are finite and not negative"),
        ([1, np.nan], [0, 0], r"shown holds nan, expected"),
    ],
)
def test_what_cannot_be_is_refused(shown: list[float], clicks: list[float], message: str) -> None:
    """Shapes and signs, by name."""
    with pytest.raises(ValueError, match=message):
        CreativeBandit(Prior.alike(2), rng=np.random.default_rng(0)).update(shown=shown, clicks=clicks)


@pytest.mark.skipif(not REAL.exists(), reason="the logged bandit lies beside the repository, not in it")
def test_it_runs_on_logged_impressions_of_34_creatives() -> None:
    """Smoke: 46 clicks in 10,000 impressions tell hardly anything, so nobody may be ruled out."""
    with (REAL / "bandit_men_items.csv").open() as file:
        items = list(csv.DictReader(file))
    kinds = [sorted({item[f"item_feature_{j}"] for item in items}) for j in (1, 2, 3)]
    elements = np.array(
        [[float(item[f"item_feature_{j}"] == kind) for j, names in zip((1, 2, 3), kinds, strict=True) for kind in names]
         for item in items]
    )  # fmt: skip
    with (REAL / "bandit_men_random.csv").open() as file:
        log = [(int(row["item_id"]), int(row["click"])) for row in csv.DictReader(file)]
    which, clicked = np.array(log).T
    learner = CreativeBandit(Prior.of_elements(elements), rng=np.random.default_rng(0))
    learner.update(shown=np.bincount(which, minlength=34), clicks=np.bincount(which, clicked, minlength=34))
    shares = learner.shares()
    assert shares.sum() == pytest.approx(1.0)
    assert shares.max() < 0.5
