"""The gate: attention that follows coherence, the portfolio's health signals, and how often they cry wolf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional as F

from mechanisms.health_signals import SIGNALS
from mechanisms.topology_gated import TopologyGatedAttention, naive
from tests.mechanisms.contract import Contract, Inputs

CONFIG = TopologyGatedAttention.Config()
SHARES = [f"{name}_share" for name in SIGNALS]


def _portfolio(batch: int = 1, rows: int = 40, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """States that jitter around their reference, and standard residuals; widths 5 and 3."""
    rng = torch.Generator().manual_seed(seed)
    key = torch.randn(batch, rows, 5, generator=rng, dtype=torch.float64)
    query = key + 0.1 * torch.randn(batch, rows, 5, generator=rng, dtype=torch.float64)
    return query, key, torch.randn(batch, rows, 3, generator=rng, dtype=torch.float64)


def _measure(*inputs: Tensor, mask: Tensor | None = None, **changes: Any) -> dict[str, Tensor]:
    return replace(CONFIG, **changes).build().measure(inputs[0], inputs[1], inputs[2], mask)


def _signals(*inputs: Tensor) -> dict[str, float]:
    found = _measure(*inputs)
    return {name: found[name].item() for name in SIGNALS}


def _stacked(found: dict[str, Tensor]) -> Tensor:
    return torch.stack([found[name] for name in SIGNALS], dim=-1)


class TestTopologyGated(Contract):
    """The laws of every mechanism; most fields of the Config belong to ``measure`` and ``coherence``."""

    config: ClassVar[TopologyGatedAttention.Config] = CONFIG
    flips: ClassVar[Mapping[str, object]] = {
        "stable": 0.9,
        "freeze": 0.2,
        "neighbours": 2,
        "floor": 0.5,
        "landmarks": 8,
        "dof": 4,
    }

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        """Two queries over seven rows, and a gate that is partly open."""
        shapes = {"query": (batch, 2, 5), "key": (batch, 7, 5), "value": (batch, 7, 4)}
        drawn = {name: torch.randn(*shape, generator=rng, dtype=torch.float64) for name, shape in shapes.items()}
        mask = torch.rand(batch, 7, generator=rng) < 0.7
        mask[:, 0] = True
        return {**drawn, "mask": mask, "coherence": torch.linspace(0.4, 0.7, batch, dtype=torch.float64)}

    def naive(self, layer: Any, inputs: Inputs) -> Tensor:
        """One row at a time, times the gate."""
        gate = (inputs["coherence"] - 0.3) / 0.5
        return naive(inputs["query"], inputs["key"], inputs["value"], inputs["mask"], gate)

    def test_every_parameter_has_a_gradient(self) -> None:
        """There is none: states are compared as they are."""
        assert not list(self.layer().parameters())

    def test_a_fully_masked_row_is_finite_and_so_are_its_gradients(self) -> None:
        """It answers zero; gradients are those of the inputs."""
        inputs = self.given()
        inputs["mask"][1] = False
        wrt = [inputs[name].requires_grad_() for name in ("query", "key", "value", "coherence")]
        output = self.layer()(**inputs).output
        assert (output[1] == 0).all()
        assert all(grad.isfinite().all() for grad in torch.autograd.grad(output.square().sum(), wrt))

    def fingerprint(self, config: Any) -> object:
        """The answer, the signals and the gate on a score between calm and alarm."""
        layer = config.build()
        score = layer.coherence(torch.tensor([4.0, 0.0, 0.0])).item()
        found = _stacked(layer.measure(*_portfolio())).flatten().tolist()
        return layer(**self.given()).output.flatten().tolist(), found, score


def test_output_is_attention_times_the_gate() -> None:
    """Plain SDPA where coherence is good or not given, nothing in freeze or where it is missing."""
    query, key, value = _portfolio(batch=5)
    expected = F.scaled_dot_product_attention(query, key, value)
    layer = CONFIG.build()
    torch.testing.assert_close(layer(query, key, value).output, expected)
    answer = layer(query, key, value, coherence=torch.tensor([1.0, 0.8, 0.55, 0.3, torch.nan]), need_weights=True)
    gate = torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(answer.extras["gate"], gate, rtol=0, atol=1e-6)
    torch.testing.assert_close(answer.output, answer.extras["gate"][:, None, None] * expected)
    torch.testing.assert_close(answer.weights @ value, expected)


def test_gradients_match_finite_differences() -> None:
    """Gradcheck of output and signals in float64."""
    layer = replace(CONFIG, neighbours=2).build()

    def measured(*inputs: Tensor) -> tuple[Tensor, ...]:
        found = layer.measure(*inputs)
        return (layer(*inputs).output, *(found[name] for name in SIGNALS))

    assert torch.autograd.gradcheck(measured, tuple(x.requires_grad_() for x in _portfolio(rows=5)))


def test_structure_is_the_mean_log_distance_ratio_of_the_nearest() -> None:
    """As scikit-learn finds neighbours."""
    query, key, value = _portfolio()

    def nearness(states: Tensor) -> Any:
        far, _ = NearestNeighbors(n_neighbors=8).fit(states[0].numpy()).kneighbors()
        return np.log(far + CONFIG.floor).mean()

    assert _signals(query, key, value)["structure"] == pytest.approx(nearness(query) - nearness(key), rel=1e-6)


@pytest.mark.parametrize("rows", [4, 40], ids=["fewer rows than width", "more rows than width"])
def test_change_is_the_move_of_the_mean_and_the_main_direction(rows: int) -> None:
    """As NumPy's singular values have it."""
    query, key, value = _portfolio(rows=rows)
    moves = (query - key)[0].numpy()
    main = np.linalg.svd(moves, compute_uv=False)[0] ** 2 / rows
    expected = np.sqrt(rows * (moves.mean(0) ** 2).sum() / 5 + main)
    assert _signals(query, key, value)["change"] == pytest.approx(expected)


@pytest.mark.parametrize("rows", [1, 2])
def test_tiny_portfolios_are_finite(rows: int) -> None:
    """One campaign has no neighbours, and that is no alarm."""
    assert all(torch.tensor(list(_signals(*_portfolio(rows=rows)).values())).isfinite())


def test_surprise_sees_a_common_miss_that_no_campaign_shows() -> None:
    """Half a standard error each, all on the same side, is a great surprise."""
    query, key, value = _portfolio(rows=400)
    calm = _signals(query, key, value)["surprise"]
    assert _signals(query, key, value - 0.5)["surprise"] > calm + 3


@pytest.mark.parametrize("landmarks", [1024, 16], ids=["all rows", "landmarks"])
def test_order_of_rows_does_not_matter(landmarks: int) -> None:
    """Signals are invariant to permuting rows; shares move with them."""
    inputs = _portfolio()
    p = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    expected = _measure(*inputs, landmarks=landmarks)
    got = _measure(*(x[:, p] for x in inputs), landmarks=landmarks)
    for name in SIGNALS:
        torch.testing.assert_close(got[name], expected[name])
        torch.testing.assert_close(got[f"{name}_share"], expected[f"{name}_share"][:, p])


@pytest.mark.parametrize("landmarks", [1024, 16], ids=["all rows", "landmarks"])
def test_windows_do_not_see_each_other_and_a_masked_row_is_a_removed_row(landmarks: int) -> None:
    """Nor does it matter what a masked row holds."""
    inputs = _portfolio(batch=2)
    mask = torch.rand(2, 40, generator=torch.Generator().manual_seed(1)) < 0.7
    whole = _measure(*(torch.where(mask[..., None], x, torch.nan) for x in inputs), mask=mask, landmarks=landmarks)
    for b in range(2):
        alone = _measure(*(x[b : b + 1, mask[b]] for x in inputs), landmarks=landmarks)
        for name in SIGNALS:
            torch.testing.assert_close(whole[name][b], alone[name][0])
            torch.testing.assert_close(whole[f"{name}_share"][b, mask[b]], alone[f"{name}_share"][0])
            assert (whole[f"{name}_share"][b, ~mask[b]] == 0).all()


@pytest.mark.parametrize("spoil", ["nobody", "nan"])
def test_a_window_without_health_closes_the_gate(spoil: str) -> None:
    """No rows, or a state that is no number: signals that are no number, coherence 0."""
    query, key, value = _portfolio()
    mask = torch.full((1, 40), spoil != "nobody")
    if spoil == "nan":
        query[0, 3, 1] = torch.nan
    found = _measure(query, key, value, mask=mask)
    assert found["change"].isnan().all()
    assert found["structure"].isnan().all()
    assert CONFIG.build().coherence(_stacked(found)).item() == 0
    if spoil == "nobody":
        assert all((found[name] == 0).all() for name in SHARES)


def test_equal_rows_are_finite() -> None:
    """Rows without data share one state; their distance 0 has a floor."""
    zero = torch.zeros(1, 9, 5)
    signals = _signals(zero, zero, torch.ones(1, 9, 3))
    assert signals["structure"] == 0
    assert all(np.isfinite(list(signals.values())))


def test_structure_sees_crowding_and_scattering() -> None:
    """Halving all distances moves it by -log 2, doubling by log 2; either closes the gate."""
    _, key, value = _portfolio()
    for factor, sign in ((0.5, -1), (2.0, 1)):
        assert _signals(key * factor, key, value)["structure"] == pytest.approx(sign * 0.693, abs=0.01)
        assert CONFIG.build().coherence(torch.tensor([sign * 9.0, 0.0, 0.0])).item() < 0.3


def test_change_sees_two_groups_that_part() -> None:
    """Half of the rows go one way, half the other: their mean stays, and yet it is a change."""
    query, key, value = _portfolio()
    apart = torch.where(torch.arange(40)[:, None] % 2 == 0, 1.0, -1.0) * torch.tensor([1.0, 0, 0, 0, 0])
    assert _signals(query + apart, key, value)["change"] > 5 * _signals(query, key, value)["change"]


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_share_names_the_row_that_caused_it(signal: str) -> None:
    """One row that jumps away and misses its forecast has the largest share."""
    query, key, value = _portfolio()
    query[0, 7] += 50
    value[0, 7] = 30
    share = _measure(query, key, value)[f"{signal}_share"][0]
    assert share.argmax() == 7
    assert share.abs().sum().item() == pytest.approx(1.0)


def test_rows_that_caused_it_rank_first() -> None:
    """A tenth of the rows that break have the largest shares of change and surprise, all of them."""
    query, key, value = _portfolio(rows=50, seed=2)
    query[0, :5] += torch.tensor([2.0, -1.0, 0, 1.0, 0])
    value[0, :5] -= 4.0
    found = _measure(query, key, value)
    for name in ("change", "surprise"):
        assert set(found[f"{name}_share"][0].topk(5).indices.tolist()) == set(range(5))


def test_ten_thousand_rows_stay_cheap() -> None:
    """Past the landmarks cost grows with N, not N squared, and the signals stay about the same."""
    signals = _signals(*(x.float() for x in _portfolio(rows=10_000)))
    assert all(np.isfinite(list(signals.values())))
    assert abs(signals["structure"]) < 0.1


Break = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""What a planted break makes of states [runs, N, 12] and residuals [runs, N, 4]."""


def _scatter(states: Tensor, missed: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
    return 1.6 * states, missed


def _crowd(states: Tensor, missed: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
    return 0.6 * states, missed


def _split(states: Tensor, missed: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    way = torch.randn(12, generator=rng)
    side = torch.where(torch.arange(states.shape[1]) % 2 == 0, 3.0, -3.0)
    return states + side[:, None] * way / way.norm(), missed


def _outliers(states: Tensor, missed: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
    tenth = torch.arange(states.shape[1]) % 10 == 0
    return torch.where(tenth[:, None], 3.5 * states, states), missed


def _miss(states: Tensor, missed: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
    return states, missed - 1.0


BREAKS: dict[str, Break] = {
    "scatter": _scatter,
    "crowd": _crowd,
    "split": _split,
    "outliers": _outliers,
    "miss": _miss,
}


def _coherences(
    rows: int,
    runs: int,
    past: int,
    watched: int,
    *,
    plant: Break | None = None,
    drift: float = 0.0,
    landmarks: int = 256,
    seed: int = 0,
) -> Tensor:
    """[watched, runs] coherence of streams of standard states against their moving average, hour by hour.

    Each run is standardised by its own ``past`` healthy windows; what is planted begins after them.
    """
    layer, rng = replace(CONFIG, landmarks=landmarks).build(), torch.Generator().manual_seed(rows + seed)
    reference, signals = 0.42 * torch.randn(runs, rows, 12, generator=rng), []
    with torch.inference_mode():
        for window in range(past + watched):
            states, missed = (torch.randn(runs, rows, width, generator=rng) for width in (12, 4))
            if window >= past:
                states = states + drift * (window - past + 1) * torch.eye(12)[0]
                states, missed = (states, missed) if plant is None else plant(states, missed, rng)
            signals.append(_stacked(layer.measure(states, reference, missed, None)))
            reference = 0.7 * reference + 0.3 * states
        stream = torch.stack(signals)
        usual = stream[:past]
        return layer.coherence((stream[past:] - usual.mean(0)) / usual.std(0))


def _least_run_length(coherences: Tensor, level: float) -> float:
    """One-sided 95 % bound below on the mean number of windows between alarms."""
    alarms = int((coherences < level).sum())
    return 2 * coherences.numel() / float(chi2.ppf(0.95, 2 * alarms + 2))


def test_a_healthy_portfolio_rarely_closes_the_gate() -> None:
    """The quick form of the slow test: below 0.8 at most once in 480 windows."""
    assert _least_run_length(_coherences(20, runs=50, past=240, watched=100), 0.8) >= 480


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "past", "watched"), [(5, 160, 250), (100, 100, 150)], ids=["5 rows", "100 rows"])
def test_average_run_length_is_at_least_nominal(rows: int, past: int, watched: int) -> None:
    """Healthy hours fall below 0.8 once in 20 days at most, 0.5 once in 60, 0.3 once in 300; 95 % sure of each."""
    found = _coherences(rows, runs=200, past=past, watched=watched)
    for level, nominal in {0.8: 480, 0.5: 1440, 0.3: 7200}.items():
        assert _least_run_length(found, level) >= nominal, level


@pytest.mark.slow
def test_average_run_length_of_ten_thousand_rows_is_at_least_nominal() -> None:
    """Below 0.8 once in 20 days at most, 95 % sure.

    For time there are 40 runs, neighbours are sought among 16 landmarks, and rarer alarms are left to smaller windows.
    """
    few = [_coherences(10_000, runs=10, past=60, watched=100, landmarks=16, seed=seed) for seed in range(4)]
    assert _least_run_length(torch.cat(few, dim=1), 0.8) >= 480


@pytest.mark.parametrize("rows", [24, 100])
@pytest.mark.parametrize("plant", BREAKS)
def test_a_planted_break_is_seen_within_two_windows(plant: str, rows: int) -> None:
    """In at least nine of ten runs coherence leaves STABLE."""
    found = _coherences(rows, runs=20, past=240 if rows == 24 else 100, watched=2, plant=BREAKS[plant])
    assert (found.amin(0) < 0.8).double().mean() >= 0.9


def test_a_drift_is_not_called_stable() -> None:
    """All states go one way, three quarters of their spread each window: after five windows nobody is stable again."""
    found = _coherences(24, runs=20, past=240, watched=20, drift=0.75)
    assert (found[5:] < 0.8).double().mean() >= 0.99


def test_shapes_and_thresholds_are_checked() -> None:
    """The reference holds the same rows; coherence is one number for each window; thresholds are in order."""
    query, key, value = _portfolio()
    with pytest.raises(ValueError, match=r"current \(1, 39, 5\) and reference \(1, 40, 5\) differ in shape"):
        _measure(query[:, 1:], key, value)
    with pytest.raises(ValueError, match=r"key has shape \(1, 40, 4\), expected \(1, 40, 5\)"):
        CONFIG.build()(query, key[..., 1:], value)
    with pytest.raises(ValueError, match=r"coherence has shape \(2,\), expected \(1,\)"):
        CONFIG.build()(query, key, value, coherence=torch.ones(2))
    with pytest.raises(ValueError, match=r"freeze 0\.9 and stable 0\.8"):
        replace(CONFIG, freeze=0.9).build()
