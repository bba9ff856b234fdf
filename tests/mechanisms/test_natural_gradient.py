"""Natural gradient steps against SciPy, their closed forms and their laws.

The laws of ``contract.py`` speak of keys, values and weights; a step has none, so what is left of them stands here.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from torch import Tensor

from benchmarks import bandit
from mechanisms import natural_gradient
from mechanisms.fisher import Categorical, FisherMetric, Flat, LogNormal
from mechanisms.natural_gradient import NaturalGradient, naive

FREE = NaturalGradient.Config(trust_region=math.inf)
SEEDS = st.integers(0, 2**32 - 1)


def _normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _families(seed: int, spread: float = 1.0) -> list[FisherMetric]:
    factor = _normal(seed + 2, 5, 5)
    return [
        Categorical(spread * _normal(seed, 6)),
        LogNormal(spread * _normal(seed + 1, 2)),
        Flat(spread * _normal(seed, 5), factor @ factor.T + 0.1 * torch.eye(5, dtype=torch.float64)),
    ]


@pytest.mark.parametrize("damping", [0.0, 0.03])
@pytest.mark.parametrize("exact", [True, False])
def test_a_step_is_scipys_pseudo_inverse_times_the_gradient(*, exact: bool, damping: float) -> None:
    """For each family, damped or not, with all of F or its diagonal; and so says the plain definition."""
    for policy in _families(1):
        gradient = _normal(2, len(policy.coordinates))
        gradient = gradient - gradient.mean() if isinstance(policy, Categorical) else gradient
        matrix = policy.matrix().numpy()
        matrix = matrix if exact else matrix * np.eye(len(matrix))
        inverse = torch.tensor(linalg.pinv(matrix + damping * np.eye(len(matrix))))
        config = replace(FREE, damping=damping, exact=exact)
        found = config.build()(policy, gradient).coordinates
        torch.testing.assert_close(found, policy.coordinates - 0.1 * inverse @ gradient, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(found, naive(config, policy, gradient).coordinates, rtol=1e-9, atol=1e-10)


@given(SEEDS, st.sampled_from([1e-6, 1e-2, 1.0]), st.floats(-3, 9), st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_no_step_goes_beyond_the_trust_region(seed: int, limit: float, magnitude: float, family: int) -> None:
    """The realised KL is within the limit, however steep the gradient; a step that was cut reaches it, if it can."""
    policy = _families(seed, spread=2.0)[family]
    gradient = 10**magnitude * _normal(seed + 7, len(policy.coordinates))
    gradient = gradient - gradient.mean() if isinstance(policy, Categorical) else gradient
    config = NaturalGradient.Config(trust_region=limit)
    new = config.build()(policy, gradient)
    realised = new.kl(policy).item()
    assert realised <= limit * (1 + 1e-6) + 1e-14
    free = FREE.build()(policy, gradient).kl(policy).item()
    if not free <= limit:
        assert realised >= limit * (1 - 1e-3) - 1e-12
    length = torch.linalg.vector_norm(new.coordinates - policy.coordinates)
    shorter = torch.linalg.vector_norm(naive(config, policy, gradient).coordinates - policy.coordinates)
    assert 0.499 * length - 1e-9 <= shorter <= 1.001 * length + 1e-9


def test_shares_move_by_exponentiated_gradient() -> None:
    """``p exp(-lr g) / Z``, the minimiser of ``lr <g, p'> + KL(p' || p)``."""
    p, g = torch.softmax(_normal(3, 4, 7), -1), _normal(4, 4, 7)
    found = FREE.build().shares(p, g)
    torch.testing.assert_close(found, torch.softmax(p.log() - 0.1 * g, -1), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(found.sum(-1), torch.ones(4, dtype=torch.float64))

    def proximal(q: Tensor) -> Tensor:
        return 0.1 * (g * q).sum(-1) + (q * (q / p).log()).sum(-1)

    for seed in range(20):
        other = torch.softmax(found.log() + 0.05 * _normal(seed, 4, 7), -1)
        assert (proximal(other) > proximal(found)).all()


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_coordinates_do_not_matter(seed: int) -> None:
    """Logits, or any invertible mixture of them, step to the same shares; a plain gradient step does not."""
    p = torch.softmax(_normal(seed, 5), -1)
    mixture, gradient = _normal(seed + 1, 4, 4) + 2 * torch.eye(4, dtype=torch.float64), _normal(seed + 2, 5)
    free = (p / p[-1]).log()[:4]  # the last logit stays 0
    fisher, slope = (torch.diag(p) - torch.outer(p, p))[:4, :4], (p * (gradient - p @ gradient))[:4]
    mixed = Flat(torch.linalg.solve(mixture, free), mixture.T @ fisher @ mixture)
    stepped = mixture @ FREE.build()(mixed, mixture.T @ slope).coordinates
    found = torch.softmax(torch.cat([stepped, torch.zeros(1, dtype=torch.float64)]), 0)
    torch.testing.assert_close(found, FREE.build().shares(p, gradient), rtol=1e-5, atol=1e-7)
    plain = mixture @ (mixed.coordinates - 0.1 * mixture.T @ slope)
    assert (plain - (free - 0.1 * slope)).abs().max() > 1e-4


def test_it_regrets_less_than_the_best_plain_gradient_on_an_ill_conditioned_problem() -> None:
    """A Gaussian's mean, precisions over 10^4, equal loss in each: the best plain rate loses 10 times as much."""
    q = torch.linalg.qr(_normal(10, 8, 8)).Q
    precision = torch.logspace(0, 4, 8, dtype=torch.float64)
    fisher = q @ torch.diag(precision) @ q.T
    start, aim = Flat(q @ precision.rsqrt(), fisher), Flat(torch.zeros(8, dtype=torch.float64), fisher)

    def regret(rate: float, *, natural: bool) -> float:
        optimiser, policy, total = replace(FREE, lr=rate).build(), start, 0.0
        for _ in range(100):
            total += policy.kl(aim).item()
            slope = policy.apply(policy.coordinates)
            policy = optimiser(policy, slope) if natural else policy.moved(-rate * slope)
        return total

    plain = min(regret(rate, natural=False) for rate in torch.logspace(-5, -3.7, 20).tolist())
    assert regret(0.3, natural=True) < 0.1 * plain


def test_knowing_the_gradient_it_finds_a_rare_best_arm_at_once() -> None:
    """Where a thousandth is on the best arm, the plain gradient at its best rate loses ten times as much."""
    lost = [
        bandit.regret(step, bandit.REPORTED, rare=True, exact=True, steps=300).mean()
        for step in (bandit.natural(30.0), bandit.plain(100.0))
    ]
    assert lost[0] < 0.1 * lost[1]


@pytest.mark.slow
@pytest.mark.parametrize("rare", [False, True], ids=["even", "rare"])
def test_on_sampled_gradients_it_needs_its_trust_region(*, rare: bool) -> None:
    """At the best rates, unbounded steps settle on what was drawn first and lose to the plain ones, bounded do not."""
    kinds = (bandit.plain(1.0), bandit.natural(0.03), bandit.bounded(0.3))
    plain, unbounded, bounded = (bandit.regret(step, bandit.REPORTED, rare=rare, exact=False) for step in kinds)
    assert unbounded.mean() > plain.mean() > bounded.mean()


def test_bids_stay_positive_and_their_level_can_be_told() -> None:
    """A gradient that is the same for all bids moves all of them; shares ignore it."""
    bids = LogNormal(torch.tensor([[-9.0, 1.0], [0.0, -6.0], [3.0, 0.5]], dtype=torch.float64))
    down = torch.tensor([1e6, 0.0], dtype=torch.float64).expand(3, 2)
    new = NaturalGradient.Config().build()(bids, down)
    assert (new.median > 0).all()
    assert (new.median < bids.median).all()
    shares = torch.softmax(_normal(1, 6), 0)
    torch.testing.assert_close(NaturalGradient.Config().build().shares(shares, torch.full_like(shares, 9.0)), shares)


def test_a_policy_that_is_nearly_certain_still_steps_by_what_outcomes_are_worth() -> None:
    """Probabilities down to 1e-40, whose gradients are smaller than the rounding of their sum."""
    worth = torch.tensor([0.9, 0.2, 0.5, 0.7], dtype=torch.float64)
    policy = Categorical(torch.tensor([0.0, -40.0, -60.0, -92.0], dtype=torch.float64))
    p = policy.probabilities
    step = FREE.build()(policy, -p * (worth - p @ worth)).coordinates - policy.coordinates
    torch.testing.assert_close(step - step[0], 0.1 * (worth - worth[0]))


def test_a_share_of_zero_stays_and_rare_ones_do_not_blow_up() -> None:
    """Where a probability underflows nothing becomes NaN."""
    shares = torch.tensor([0.0, 1e-300, 0.4, 0.6], dtype=torch.float64)
    found = (
        NaturalGradient.Config(trust_region=1e3).build().shares(shares, torch.tensor([-5.0, -5.0, 1.0, 2.0]).double())
    )
    assert found.isfinite().all()
    assert found[:2].max() < 1e-290


def test_a_batch_equals_its_rows_in_both_precisions() -> None:
    """Each row has a length of its own; single precision follows."""
    p, g = torch.softmax(_normal(5, 3, 6), -1), torch.tensor([[0.1], [10.0], [1000.0]]) * _normal(6, 3, 6)
    optimiser = NaturalGradient.Config().build()
    together = optimiser.shares(p, g)
    for row in range(3):
        torch.testing.assert_close(together[row], optimiser.shares(p[row], g[row]), rtol=1e-9, atol=1e-12)
    single = optimiser.shares(p.float(), g.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), together, rtol=1e-4, atol=1e-6)


def test_it_compiles_without_a_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """One graph, the same step; of the bisections, all of which are in the graph, a few will do."""
    monkeypatch.setattr(natural_gradient, "BISECTIONS", 4)
    policy, gradient = Categorical(_normal(8, 2, 5)), 50 * _normal(9, 2, 5)
    optimiser = NaturalGradient.Config().build()
    torch.compiler.reset()
    compiled: Any = torch.compile(optimiser, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(policy, gradient).coordinates, optimiser(policy, gradient).coordinates)


@pytest.mark.parametrize(
    "change",
    [{"lr": 0.2}, {"damping": 0.1}, {"trust_region": 1e-4}, {"exact": False}],
    ids=lambda change: next(iter(change)),
)
def test_every_option_matters(change: dict[str, Any]) -> None:
    """Changing a field changes the step."""
    policy, gradient = Categorical(_normal(8, 5)), 0.1 * _normal(9, 5)
    config = NaturalGradient.Config()
    first, second = (each.build()(policy, gradient).coordinates for each in (config, replace(config, **change)))
    assert not torch.allclose(first, second)


def test_wrong_input_is_named() -> None:
    """Shapes, settings, NaN and a matrix without an inverse."""
    policy = Categorical(torch.zeros(3))
    with pytest.raises(ValueError, match=r"gradient \(2,\) is not \(3,\)"):
        FREE.build()(policy, torch.zeros(2))
    with pytest.raises(ValueError, match="lr is 0"):
        NaturalGradient.Config(lr=0.0).build()
    with pytest.raises(ValueError, match="damping is -1"):
        NaturalGradient.Config(damping=-1.0).build()
    with pytest.raises(RuntimeError, match="NaN or infinity in the output of natural_gradient"):
        FREE.build()(policy, torch.full((3,), torch.nan))
    with pytest.raises(RuntimeError, match="positive-definite"):
        FREE.build()(Flat(torch.zeros(2), torch.ones(2, 2)), torch.ones(2))
