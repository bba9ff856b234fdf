"""The portfolio's health signals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mechanisms.topology_gated import SIGNALS, TopologyGatedAttention

CONFIG = TopologyGatedAttention.Config()
SHARES = [f"{name}_share" for name in SIGNALS]


def _portfolio(batch: int = 1, rows: int = 40, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """States that jitter around their reference, and standard residuals; widths 5 and 3."""
    rng = torch.Generator().manual_seed(seed)
    key = torch.randn(batch, rows, 5, generator=rng, dtype=torch.float64)
    query = key + 0.1 * torch.randn(batch, rows, 5, generator=rng, dtype=torch.float64)
    return query, key, torch.randn(batch, rows, 3, generator=rng, dtype=torch.float64)


def _signals(*inputs: Tensor) -> dict[str, float]:
    extras = CONFIG.build()(*inputs).extras
    return {name: extras[name].item() for name in SIGNALS}


@pytest.mark.parametrize("landmarks", [1024, 16], ids=["all rows", "landmarks"])
def test_order_of_rows_does_not_matter(landmarks: int) -> None:
    """Signals are invariant to permuting campaigns; shares and output move with them."""
    layer = replace(CONFIG, landmarks=landmarks).build()
    inputs = _portfolio()
    p = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    expected, got = layer(*inputs), layer(*(x[:, p] for x in inputs))
    torch.testing.assert_close(got.output, expected.output[:, p])
    for name in SIGNALS:
        torch.testing.assert_close(got.extras[name], expected.extras[name])
    for name in SHARES:
        torch.testing.assert_close(got.extras[name], expected.extras[name][:, p])


def test_output_is_attention_over_the_residuals() -> None:
    """With few rows every row is a landmark and the output is plain SDPA."""
    query, key, value = _portfolio(batch=2)
    expected = F.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(CONFIG.build()(query, key, value).output, expected, rtol=1e-12, atol=1e-12)


def test_gradients_match_finite_differences() -> None:
    """Gradcheck of output and signals in float64."""
    layer = replace(CONFIG, neighbours=2).build()

    def measured(*inputs: Tensor) -> tuple[Tensor, ...]:
        answer = layer(*inputs)
        return (answer.output, *(answer.extras[name] for name in SIGNALS))

    assert torch.autograd.gradcheck(measured, tuple(x.requires_grad_() for x in _portfolio(rows=5)))


def test_a_batch_equals_its_rows_and_a_masked_row_is_a_removed_row() -> None:
    """Portfolios do not see each other, nor what is masked."""
    layer = CONFIG.build()
    inputs = _portfolio(batch=2)
    mask = torch.rand(2, 40, generator=torch.Generator().manual_seed(1)) < 0.7
    whole = layer(*inputs, mask)
    for b in range(2):
        alone = layer(*(x[b : b + 1, mask[b]] for x in inputs))
        torch.testing.assert_close(whole.output[b, mask[b]], alone.output[0])
        for name in SIGNALS:
            torch.testing.assert_close(whole.extras[name][b], alone.extras[name][0])
        for name in SHARES:
            torch.testing.assert_close(whole.extras[name][b, mask[b]], alone.extras[name][0])
            assert (whole.extras[name][b, ~mask[b]] == 0).all()


def test_an_empty_portfolio_has_no_health_and_closes_the_gate() -> None:
    """No rows: finite output and shares, signals that are no number, coherence 0."""
    layer = CONFIG.build()
    query, key, value = _portfolio()
    answer = layer(query, key, value, torch.zeros(1, 40, dtype=torch.bool))
    assert (answer.output == 0).all()
    assert all((answer.extras[name] == 0).all() for name in SHARES)
    scores = torch.stack([answer.extras[name] for name in SIGNALS], dim=-1)
    assert scores.isnan().all()
    assert layer.coherence(scores).item() == 0


@pytest.mark.parametrize("rows", [1, 2])
def test_tiny_portfolios_are_finite(rows: int) -> None:
    """One campaign has no neighbours, and that is no alarm."""
    assert all(torch.tensor(list(_signals(*_portfolio(rows=rows)).values())).isfinite())


def test_equal_campaigns_are_finite() -> None:
    """Campaigns without data share one state; their distance 0 has a floor."""
    zero = torch.zeros(1, 9, 5)
    assert {name: x for name, x in _signals(zero, zero, torch.ones(1, 9, 3)).items() if name != "surprise"} == {
        "structure": 0.0,
        "change": 0.0,
    }


def test_structure_sees_crowding_and_scattering() -> None:
    """Halving or doubling all distances moves structure by log 2, and change hardly."""
    _, key, value = _portfolio()
    centred = key - key.mean(1, keepdim=True)
    for factor in (0.5, 2.0):
        signals = _signals(centred * factor, centred, value)
        assert signals["structure"] == pytest.approx(0.693, abs=0.01)
        assert signals["change"] == pytest.approx(0.0, abs=1e-9)


def test_change_is_the_distance_of_the_means() -> None:
    """A common move counts in full, and leaves structure alone."""
    _, key, value = _portfolio()
    signals = _signals(key + torch.tensor([3.0, 4.0, 0, 0, 0]), key, value)
    assert signals["change"] == pytest.approx(5.0)
    assert signals["structure"] == pytest.approx(0.0, abs=1e-9)


def test_surprise_sees_a_common_miss_that_no_campaign_shows() -> None:
    """Half a standard error each, all on the same side, is a great surprise."""
    query, key, value = _portfolio(rows=400)
    calm = _signals(query, key, value)["surprise"]
    assert _signals(query, key, value - 0.5)["surprise"] > calm + 3


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_share_names_the_campaign_that_caused_it(signal: str) -> None:
    """One campaign that jumps away and misses its forecast has the largest share."""
    query, key, value = _portfolio()
    query[0, 7] += 50
    value[0, 7] = 30
    share = CONFIG.build()(query, key, value).extras[f"{signal}_share"][0]
    assert share.argmax() == 7
    assert share.abs().sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "change", [{"neighbours": 2}, {"floor": 0.5}, {"landmarks": 8}, {"dof": 4}], ids=lambda c: next(iter(c))
)
def test_every_option_matters(change: dict[str, Any]) -> None:
    """Changing a field changes a signal or the gate."""
    assert _fingerprint(CONFIG) != _fingerprint(replace(CONFIG, **change))


def _fingerprint(config: TopologyGatedAttention.Config) -> tuple[float, ...]:
    layer = config.build()
    gate = layer.coherence(torch.tensor([4.0, 0.0, 0.0])).item()
    return (*(layer(*_portfolio()).extras[name].item() for name in SIGNALS), gate)


def test_ten_thousand_campaigns_stay_cheap() -> None:
    """Past the landmarks cost grows with N, not N squared, and the signals stay about the same."""
    inputs = tuple(x.float() for x in _portfolio(rows=10_000))
    signals = _signals(*inputs)
    assert all(torch.tensor(list(signals.values())).isfinite())
    assert signals["structure"] < 0.1


def test_a_healthy_portfolio_rarely_closes_the_gate() -> None:
    """Standardised by 1,500 past windows, healthy windows fall below 0.8 about once in 480."""
    windows = 3000
    extras = CONFIG.build()(*_portfolio(batch=windows, rows=24, seed=5)).extras
    signals = torch.stack([extras[name] for name in SIGNALS], dim=-1)
    past, new = signals.chunk(2)
    below = (CONFIG.build().coherence((new - past.mean(0)) / past.std(0)) < 0.8).double().mean()
    assert below <= 2 / 480


def test_a_broken_portfolio_closes_the_gate() -> None:
    """Against the same past, a window where all campaigns miss their forecast freezes."""
    extras = CONFIG.build()(*_portfolio(batch=300, rows=24, seed=6)).extras
    past = torch.stack([extras[name] for name in SIGNALS], dim=-1)
    query, key, value = _portfolio(rows=24, seed=7)
    sick = CONFIG.build()(query + 1.0, key, value - 2.0).extras
    scores = (torch.stack([sick[name] for name in SIGNALS], dim=-1) - past.mean(0)) / past.std(0)
    assert CONFIG.build().coherence(scores).item() < 0.3


def test_rows_must_pair() -> None:
    """The reference holds the same campaigns, in the same order and width."""
    query, key, value = _portfolio()
    with pytest.raises(ValueError, match=r"query \(1, 39, 5\) and key \(1, 40, 5\) differ in rows"):
        CONFIG.build()(query[:, 1:], key, value)
    with pytest.raises(ValueError, match=r"key has shape \(1, 40, 4\), expected \(1, 40, 5\)"):
        CONFIG.build()(query, key[..., 1:], value)
