"""The information bottleneck against the Gaussian closed form, torch's KL, its definition and its laws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, distributions

from benchmarks import bottleneck
from mechanisms.information import (
    binomial_log_likelihood,
    gaussian_log_density,
    gaussian_rate,
    information_lower_bound,
    information_upper_bound,
)
from mechanisms.information_bottleneck import InformationBottleneck, fit, naive, sample
from tests.mechanisms import gaussian_channel
from tests.mechanisms.contract import Contract, Inputs

Config = InformationBottleneck.Config


def _rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestContract(Contract):
    """Rows instead of keys: the mask says which are there, and there are as many outputs."""

    config = Config(width=5, compressed=3, hidden=4)
    flips: ClassVar[Mapping[str, object]] = {
        "width": 6,
        "compressed": 2,
        "hidden": 7,
        "beta": 0.1,
        "variance_floor": 0.1,
        "seed": 1,
    }
    keyed = ("query", "mask")

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        """Rows, some of which are not there."""
        mask = torch.rand(batch, 7, generator=rng) < 0.6
        mask[:, 0] = True
        return {"query": torch.randn(batch, 7, 5, generator=rng, dtype=torch.float64), "mask": mask}

    def naive(self, layer: Any, inputs: Inputs) -> Tensor:
        """The essence; rate and log-odds have a test of their own."""
        return naive(layer, **inputs)[0]

    def test_every_parameter_has_a_gradient(self) -> None:
        """By the loss: noise and decoder do not enter the essence itself."""
        layer, x = self.layer(), self.given()["query"][0]
        torch.autograd.backward(layer.loss(x, torch.ones(7).double(), torch.full((7,), 9.0).double(), _rng(1)))
        for name, parameter in layer.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name

    def test_padding_changes_nothing(self) -> None:
        """A row that is masked may hold anything; its essence and rate are zero, and no other row changes."""
        layer, inputs = self.layer(), self.given()
        expected = layer(**inputs, need_weights=True)
        other = torch.where(inputs["mask"][..., None], inputs["query"], torch.nan)
        found = layer(other, inputs["mask"], need_weights=True)
        torch.testing.assert_close(found.output, expected.output)
        assert (found.output[~inputs["mask"]] == 0).all()
        assert (found.extras["rate"][~inputs["mask"]] == 0).all()

    def fingerprint(self, config: Any) -> object:
        """Beta and the floor show in the loss."""
        layer, x = config.build().double(), torch.ones(7, config.width).double()
        loss = layer.loss(x, torch.ones(7).double(), torch.full((7,), 9.0).double(), _rng(1))
        return [tuple(parameter.shape) for parameter in layer.parameters()], loss.item()


def test_rate_and_log_odds_are_the_definitions_in_values_and_gradients() -> None:
    """What is answered on request."""
    layer, inputs = TestContract().layer(), TestContract().given()
    extras = layer(**inputs, need_weights=True).extras
    assert layer(**inputs).extras == {}
    for name, expected in zip(("rate", "log_odds"), naive(layer, **inputs)[1:], strict=True):
        torch.testing.assert_close(extras[name], expected, rtol=1e-9, atol=1e-10)
        ours, theirs = (
            torch.autograd.grad(
                each.square().sum(), [*layer.parameters()], retain_graph=True, allow_unused=True, materialize_grads=True
            )
            for each in (extras[name], expected)
        )
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


def test_rate_density_and_likelihood_are_torchs() -> None:
    """KL to the standard normal, log-density and binomial, by ``torch.distributions``."""
    mean, log_variance, z = torch.randn(3, 4, 6, generator=_rng(1), dtype=torch.float64)
    normal = distributions.Normal(mean, (log_variance / 2).exp())
    standard = distributions.Normal(torch.zeros(6).double(), torch.ones(6).double())
    torch.testing.assert_close(gaussian_rate(mean, log_variance), distributions.kl_divergence(normal, standard).sum(-1))
    expected = normal.log_prob(z[:, None]).sum(-1) + 3 * np.log(2 * np.pi)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(gaussian_log_density(z, mean, log_variance), expected)
    k, n, odds = torch.tensor([0.0, 3.0, 9.0]), torch.tensor([5.0, 7.0, 9.0]), torch.tensor([-2.0, 0.3, 1.0])
    found = binomial_log_likelihood(odds, k, n)
    orders = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
    torch.testing.assert_close(found + orders, distributions.Binomial(n, logits=odds).log_prob(k))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("noise", [0.3, 1.0], ids=["clear", "noisy"])
def test_bounds_enclose_the_information_of_a_gaussian_channel(noise: float) -> None:
    """With z = x + noise in two dimensions has ``log(1 + 1/noise^2)`` nats; the bounds lie on either side of it."""
    x = torch.randn(3000, 2, generator=_rng(2), dtype=torch.float64)
    log_variance = torch.full_like(x, 2 * np.log(noise))
    density = gaussian_log_density(sample(x, log_variance, _rng(3)), x, log_variance)
    truth = np.log1p(noise**-2)
    assert truth - 0.1 < information_lower_bound(density).item() < truth + 0.05
    assert truth - 0.05 < information_upper_bound(density).item() < truth + 0.15


def test_sample_and_loss_share_one_floor_and_one_generator() -> None:
    """However certain the encoder would be, its noise has the floor's variance; the same generator, the same loss."""
    layer = Config(width=3, compressed=2, variance_floor=0.04).build().double()
    torch.nn.init.constant_(layer.spread.bias, -1e3)
    x = torch.zeros(20_000, 3, dtype=torch.float64)
    mean, log_variance = layer.encode(x)
    assert log_variance.exp().amax().item() == pytest.approx(0.04)
    assert sample(mean, log_variance, _rng(1)).var().item() == pytest.approx(0.04, rel=0.03)
    counts = torch.ones(20_000).double()
    assert layer.loss(x, counts, counts, _rng(1)) == layer.loss(x, counts, counts, _rng(1))
    assert layer.loss(x, counts, counts, _rng(1)) != layer.loss(x, counts, counts, _rng(2))


@pytest.mark.parametrize("beta", [0.7, 0.3, 0.1])
def test_a_linear_gaussian_one_trains_to_the_closed_form_curve(beta: float) -> None:
    """Encoder, noise and rate, with a Gaussian decoder in place of the binomial one, reach the optimal trade."""
    cross = (0.95, 0.8, 0.5)
    rate, information = gaussian_channel.trained(cross, beta, 800)
    best_rate, best_information = gaussian_channel.curve(cross, beta)
    assert beta * rate - information == pytest.approx(beta * best_rate - best_information, abs=0.02)
    assert rate == pytest.approx(best_rate, abs=0.12)
    assert information == pytest.approx(best_information, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("width", [64, 4])
@pytest.mark.parametrize("problem", ["quiet", "any"])
def test_at_equal_width_it_beats_pca_on_held_out_conversions(problem: str, width: int) -> None:
    """Wherever what converts is not what varies most, it loses a tenth of PCA's loss over the truth, or less."""
    ours, theirs = bottleneck.compare(problem, width, 6000, range(100, 103)).T
    assert (ours < 0.1 * theirs).all()


@pytest.mark.slow
def test_where_the_loudest_directions_convert_pca_of_enough_width_does_as_well() -> None:
    """Then compression costs nothing, and training a little: less than a tenth of a thousandth of a nat."""
    ours, theirs = bottleneck.compare("loud", 64, 6000, range(100, 103)).T
    assert abs(ours - theirs).max() < 1e-4


def test_a_base_rate_is_known_from_the_start() -> None:
    """One step of ``fit`` on rows that tell nothing: the odds are the counts'."""
    layer, rows = Config(width=3, compressed=2, hidden=2).build(), torch.zeros(50, 3)
    fit(layer, rows, torch.full((50,), 2.0), torch.full((50,), 100.0), 1, _rng(1))
    assert layer.decode(layer.compress(rows)).sigmoid().mean().item() == pytest.approx(0.02, rel=0.05)


def _counts(drawn: bottleneck.Campaigns) -> tuple[Tensor, Tensor, Tensor]:
    return drawn.x, drawn.conversions, drawn.impressions


def _log_loss(log_odds: Tensor, conversions: Tensor, impressions: Tensor) -> float:
    """Nats an impression."""
    return float(-binomial_log_likelihood(log_odds, conversions, impressions).sum() / impressions.sum())


def test_fitting_learns_what_converts_and_what_it_reports_obeys_the_data_processing_inequality() -> None:
    """Shorter: log-loss falls well below the base rate's, and I(Z;Y) <= I(X;Z) <= rate in the bounds."""
    drawn = bottleneck.campaigns("quiet", 2800, 11)
    train, test = (_counts(drawn.part(rows)) for rows in (slice(2000), slice(2000, None)))
    layer = Config(compressed=8).build()
    fit(layer, *train, 400, _rng(5))
    base = torch.logit(train[1].sum() / train[2].sum())
    with torch.no_grad():
        ours = _log_loss(layer.decode(layer.compress(test[0])), *test[1:])
    found = {name: bound.item() for name, bound in layer.bounds(*test, _rng(6)).items()}
    assert ours < 0.9 * _log_loss(base, *test[1:])
    assert 0.5 < found["outcome_lower"] < found["input_lower"] < found["input_upper"] < found["input_rate"]


def test_a_dearer_nat_buys_fewer() -> None:
    """Rate falls as beta rises."""
    train, rates = _counts(bottleneck.campaigns("quiet", 1000, 12)), []
    for beta in (0.1, 1.0, 10.0):
        layer = replace(Config(compressed=4), beta=beta).build()
        fit(layer, *train, 150, _rng(5))
        rates.append(layer.bounds(*train, _rng(6))["input_rate"].item())
    assert rates[0] > rates[1] > rates[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"beta": -1.0}, "beta not negative"), ({"variance_floor": 0.0}, "must be positive")],
    ids=["beta", "floor"],
)
def test_settings_are_checked(change: dict[str, Any], message: str) -> None:
    """What cannot be meant is refused."""
    with pytest.raises(ValueError, match=message):
        Config(**change).build()


def test_shapes_are_checked() -> None:
    """Widths, ranks and masks."""
    layer = Config(width=5).build()
    with pytest.raises(ValueError, match=r"x has shape \(2, 3, 4\), expected \(2, 3, 5\)"):
        layer(torch.zeros(2, 3, 4))
    with pytest.raises(ValueError, match=r"query has shape \(3, 5\), expected \[B, N, W\]"):
        layer(torch.zeros(3, 5))
    with pytest.raises(ValueError, match=r"mask \(2, 4\) does not pair with key \(2, 3, 5\)"):
        layer(torch.zeros(2, 3, 5), torch.ones(2, 4, dtype=torch.bool))
