"""The seed's engine: eight uses by name, creative scores and attribution."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from policies import MarketingAttentionEngine
from policies.engine import SETTINGS
from policies.entities import Creative, Genome, Touchpoint
from policies.models.attribution import AttributionModel

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def engine() -> MarketingAttentionEngine:
    return MarketingAttentionEngine()


def arrays(use_case: str, keys: int = 7, queries: int | None = None) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Query, keys and values of the widths that the use case's settings name."""
    rng, wide = np.random.default_rng(3), 384 if use_case == "cross_platform" else 256
    query = rng.normal(size=256 if queries is None else (queries, 256))
    return query, rng.normal(size=(keys, wide)), rng.normal(size=(keys, wide))


@pytest.mark.parametrize("use_case", SETTINGS)
def test_each_use_case_answers_one_query_and_several(engine: MarketingAttentionEngine, use_case: str) -> None:
    """A single query has one answer without a batch axis; several have as many, and the same one among them."""
    query, keys, values = arrays(use_case)
    one = engine.compute(use_case, query, keys, values)
    assert one.output.shape == (256,)
    assert np.isfinite(one.output).all()
    several = engine.compute(use_case, np.stack([query] * 7), keys, values)
    assert several.output.shape == (7, 256)
    if use_case != "expert_routing":  # there, equal queries compete for the same experts
        assert several.output[-1] == pytest.approx(one.output, abs=1e-4)


@pytest.mark.parametrize("use_case", [name for name in SETTINGS if name != "realtime_bidding"])
def test_weights_are_shares_of_the_keys(engine: MarketingAttentionEngine, use_case: str) -> None:
    """Not negative and summing to 1, whatever the mechanism; a stream's alone may be of either sign."""
    weights = engine.compute(use_case, *arrays(use_case)).weights
    assert weights is not None
    assert (weights >= 0).all()
    assert weights.sum(axis=-1) == pytest.approx(np.ones(weights.shape[:-1]), rel=1e-5)


def test_an_old_touch_counts_little_and_a_path_has_an_end(engine: MarketingAttentionEngine) -> None:
    """Equal touches count by their age in real time; a path beyond 100 touches is refused."""
    query, keys, values = arrays("attribution", keys=2)
    keys[1] = keys[0]
    by_rank = engine.compute("attribution", query, keys, values).weights
    day_s = 86_400.0
    dated = {"key_time": day_s * np.array([0.0, 300.0]), "query_time": np.array([day_s * 300])}
    weights = engine.compute("attribution", query, keys, values, **dated).weights
    assert by_rank is not None
    assert weights is not None
    assert weights[..., 0].max() < 0.05
    assert by_rank[..., 0].min() > 0.1
    with pytest.raises(ValueError, match="max_len 100"):
        engine.compute("attribution", *arrays("attribution", keys=101))


def test_unknown_names_wrong_shapes_and_nan_are_refused(engine: MarketingAttentionEngine) -> None:
    """With the near name, both shapes, and the argument."""
    query, keys, values = arrays("creative_scoring")
    with pytest.raises(ValueError, match=r"unknown use case 'creative_score'.* did you mean 'creative_scoring'"):
        engine.compute("creative_score", query, keys, values)
    with pytest.raises(ValueError, match=r"key has shape \(1, 7, 255\), expected \(1, 7, 256\)"):
        engine.compute("creative_scoring", query, keys[:, :255], values)
    keys[2, 3] = np.nan
    with pytest.raises(ValueError, match=r"creative_scoring: key of shape \(7, 256\) holds a NaN"):
        engine.compute("creative_scoring", query, keys, values)


def test_a_creatives_score_is_the_sum_of_its_elements_and_knows_where_it_comes_from(
    engine: MarketingAttentionEngine,
) -> None:
    """Two creatives that differ in the hook alone differ in overall score by about what their hooks do."""
    one, other = (
        engine.score_creative(Creative.of("a", "Half price", Genome.of(hook, "savings", "loss")))
        for hook in ("urgency", "proof")
    )
    assert one.source == other.source == "trained"
    bias = one.overall_score - (one.hook_score + one.promise_score + one.frame_score + one.text_score)
    parts = other.hook_score + other.promise_score + other.frame_score + other.text_score
    assert other.overall_score == pytest.approx(parts + bias, abs=1e-5)
    assert one.hook_score != other.hook_score
    narrow = Creative(id="narrow", embedding=np.ones(8), genome=Genome(*np.ones((3, 8))))
    with pytest.raises(ValueError, match="narrow: embeddings are 8 wide"):
        engine.score_creative(narrow)


PATH = [
    Touchpoint(channel="display", time_s=0.0),
    Touchpoint(channel="search", time_s=200 * HOUR_S),
    Touchpoint(channel="email", time_s=230 * HOUR_S),
    Touchpoint(channel="email", time_s=231 * HOUR_S),
]


def test_credit_is_shared_among_the_touches_before_the_conversion(engine: MarketingAttentionEngine) -> None:
    """Weights are shares, positions are places in time, and the order in which they are given does not matter."""
    found = engine.compute_attribution(PATH)
    assert found.source == "trained"
    assert found.positions.tolist() == [0, 1, 2]
    assert found.weights.sum() == pytest.approx(1.0)
    assert (found.weights >= 0).all()
    assert engine.compute_attribution(PATH[::-1]).shapley_values == pytest.approx(found.shapley_values, abs=1e-6)


def test_shapley_values_sum_to_what_all_touches_add(engine: MarketingAttentionEngine) -> None:
    """The model's chance with all touches, less its chance with none."""
    import torch

    found = engine.compute_attribution(PATH)
    model = engine._model("attribution")
    assert isinstance(model, AttributionModel)
    inputs = {
        "query": torch.zeros(1, 1, 2),
        "key": torch.eye(8)[[2, 0, 6]][None],
        "value": torch.zeros(1, 3, 2),
        "query_time": torch.tensor([[231 * HOUR_S]], dtype=torch.float64),
        "key_time": torch.tensor([[0.0, 200 * HOUR_S, 230 * HOUR_S]], dtype=torch.float64),
    }
    chance = model._chance(0, torch.arange(3), inputs)
    with torch.inference_mode():
        none, every = chance(torch.tensor([[False] * 3, [True] * 3])).tolist()
    assert found.shapley_values.sum() == pytest.approx(every - none, abs=1e-5)


def test_history_of_the_account_is_read(engine: MarketingAttentionEngine) -> None:
    """A channel whose journeys convert more than the usual earns another share than one that was never seen."""
    seen = {"all": (10_000, 300), "search": (2_000, 200)}
    assert engine.compute_attribution(PATH, history=seen).weights != pytest.approx(
        engine.compute_attribution(PATH).weights, abs=1e-3
    )


def test_paths_that_say_nothing_are_refused(engine: MarketingAttentionEngine) -> None:
    """A conversion alone, and a channel nobody knows."""
    with pytest.raises(ValueError, match="at least one touch"):
        engine.compute_attribution(PATH[:1])
    with pytest.raises(ValueError, match=r"unknown channel 'e-mail'.* did you mean 'email'"):
        engine.compute_attribution([Touchpoint(channel="e-mail", time_s=0.0), PATH[3]])


def test_what_does_not_need_torch_does_not_load_it() -> None:
    """Importing the package, or a policy of it, costs no torch; asking for one of the seed's classes does."""
    code = (
        "import sys, policies, policies.allocation; before = 'torch' in sys.modules; "
        "policies.BidOptimizer; print(before, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        __import__("policies").Nothing  # noqa: B018
