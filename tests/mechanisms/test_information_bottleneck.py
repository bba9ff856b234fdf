"""The information bottleneck against the Gaussian closed form, torch's KL, its definition and its laws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from torch import Tensor, distributions

from mechanisms.information import (
    binomial_log_likelihood,
    gaussian_log_density,
    gaussian_rate,
    information_lower_bound,
    information_upper_bound,
)
from mechanisms.information_bottleneck import InformationBottleneck, fit, naive, sample
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


def _gaussian_curve(cross: np.ndarray[Any, Any], beta: float) -> tuple[float, float]:
    """Rate and information in nats that minimise ``beta I(X;Z) - I(Z;Y)``, by Chechik et al. 2005.

    ``cross`` are the correlations of pairs (x_i, y_i), the rest being independent.
    """
    gain = 1 / beta
    kept = [1 - r**2 for r in cross if gain > 1 / r**2]  # eigenvalues of Cov(x|y) Cov(x)^-1
    rate = sum(0.5 * np.log((gain - 1) * (1 - e) / e) for e in kept)
    return rate, rate - sum(0.5 * np.log(gain * (1 - e)) for e in kept)


@pytest.mark.parametrize("beta", [0.7, 0.3, 0.1])
def test_a_linear_gaussian_one_trains_to_the_closed_form_curve(beta: float) -> None:
    """Encoder, noise and rate, with a Gaussian decoder in place of the binomial one, reach the optimal trade."""
    cross = np.array([0.95, 0.8, 0.5])
    rng = _rng(4)
    layer = Config(width=4, compressed=3).build().double()
    decoder = torch.nn.Linear(3, 3).double()
    torch.nn.init.eye_(decoder.weight)
    torch.nn.init.zeros_(decoder.bias)
    spread = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam(
        [*layer.mean.parameters(), *layer.spread.parameters(), *decoder.parameters(), spread], 0.01
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 1500)
    r = torch.tensor(cross)
    for step in range(1501):
        x = torch.randn(512 if step < 1500 else 100_000, 4, generator=rng, dtype=torch.float64)
        y = r * x[:, :3] + (1 - r**2).sqrt() * torch.randn(len(x), 3, generator=rng, dtype=torch.float64)
        mean, log_variance = layer.encode(x)
        rate = gaussian_rate(mean, log_variance).mean()
        gap = (y - decoder(sample(mean, log_variance, rng))).square() * torch.exp(-spread)
        information = 0.5 * (y.square() - gap - spread).sum(-1).mean()  # H(Y) less its cross-entropy
        optimiser.zero_grad()
        torch.autograd.backward(beta * rate - information)
        optimiser.step()
        schedule.step()
    best_rate, best_information = _gaussian_curve(cross, beta)
    objective, best = beta * rate - information, beta * best_rate - best_information
    assert objective.item() == pytest.approx(best, abs=0.02)
    assert rate.item() == pytest.approx(best_rate, abs=0.12)
    assert information.item() == pytest.approx(best_information, abs=0.06)


def _campaigns(rows: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings of which 12 quiet directions convert, and 100 loud ones do not."""
    rng = np.random.default_rng(99)
    rotation = np.linalg.qr(rng.normal(size=(256, 256)))[0]
    scale = np.concatenate([np.full(12, 0.5), np.full(100, 1.5), np.full(144, 0.3)])
    weights = rng.normal(size=12) / np.sqrt(12)
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, 256))
    impressions = rng.integers(200, 2000, size=rows)
    conversions = rng.binomial(impressions, 1 / (1 + np.exp(3.5 - 1.2 * hidden[:, :12] @ weights)))
    x = (hidden * scale) @ rotation.T
    return tuple(torch.tensor(each, dtype=torch.float32) for each in (x, conversions, impressions))  # type: ignore[return-value]


def _log_loss(log_odds: Tensor, conversions: Tensor, impressions: Tensor) -> float:
    """Nats an impression."""
    return float(-binomial_log_likelihood(log_odds, conversions, impressions).sum() / impressions.sum())


def _by_pca(width: int, train: tuple[Tensor, Tensor, Tensor], test: tuple[Tensor, Tensor, Tensor]) -> float:
    pca = PCA(width, random_state=0).fit(train[0].numpy())
    x, (_, k, n) = pca.transform(train[0].numpy()), train
    outcome, weight = np.repeat([1, 0], len(x)), torch.cat([k, n - k]).numpy()
    model = LogisticRegression(max_iter=300).fit(np.vstack([x, x]), outcome, sample_weight=weight)
    return _log_loss(torch.tensor(model.decision_function(pca.transform(test[0].numpy()))), *test[1:])


@pytest.mark.slow
@pytest.mark.parametrize("width", [64, 16, 4])
def test_at_equal_width_it_beats_pca_on_held_out_conversions(width: int) -> None:
    """Where the directions that convert are not the loud ones, it closes 80 % of what PCA leaves open, or more."""
    train, test = _campaigns(6000, 1), _campaigns(2000, 2)
    layer = Config(compressed=width).build()
    fit(layer, *train, 2000, _rng(5))
    with torch.no_grad():
        ours = _log_loss(layer.decode(layer.compress(test[0])), *test[1:])
    theirs, ceiling = _by_pca(width, train, test), _by_pca(256, train, test)
    assert ceiling < theirs
    assert theirs - ours > 0.8 * (theirs - ceiling)


def test_fitting_learns_what_converts_and_what_it_reports_obeys_the_data_processing_inequality() -> None:
    """Shorter: log-loss falls well below the base rate's, and I(Z;Y) <= I(X;Z) <= rate in the bounds."""
    train, test = _campaigns(2000, 1), _campaigns(800, 2)
    layer = Config(compressed=8).build()
    fit(layer, *train, 800, _rng(5))
    base = torch.logit(train[1].sum() / train[2].sum())
    with torch.no_grad():
        ours = _log_loss(layer.decode(layer.compress(test[0])), *test[1:])
    found = {name: bound.item() for name, bound in layer.bounds(*test, _rng(6)).items()}
    assert ours < 0.9 * _log_loss(base, *test[1:])
    assert 0.5 < found["outcome_lower"] < found["input_lower"] < found["input_upper"] < found["input_rate"]


def test_a_dearer_nat_buys_fewer() -> None:
    """Rate falls as beta rises."""
    train, rates = _campaigns(1000, 1), []
    for beta in (0.1, 1.0, 10.0):
        layer = replace(Config(compressed=4), beta=beta).build()
        fit(layer, *train, 250, _rng(5))
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
