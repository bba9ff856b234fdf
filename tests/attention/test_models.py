"""The three models: neutral without a head, exact with one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mechanisms.topology_gated import SIGNALS
from policies.embedding import embed_many
from policies.models.creative import ELEMENTS, CreativeScorer
from policies.models.health import HealthGate
from policies.models.router import ExpertRouter
from policies.models.shapes import check_arrays

TEXTS = ["stop scrolling", "sleep in a week", "social proof", "try it tonight for free"]


def _creatives(batch: int = 3) -> Tensor:
    texts = [f"{text} {i}" for i in range(batch) for text in TEXTS]
    return torch.from_numpy(embed_many(texts)).view(batch, 4, 256)


def _campaigns(batch: int = 5, experts: int = 4) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    query, key = torch.randn(batch, 1, 256, generator=rng), torch.randn(1, experts, 256, generator=rng)
    return query / query.norm(dim=-1, keepdim=True), (key / key.norm(dim=-1, keepdim=True)).expand(batch, -1, -1)


def _router_head(experts: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    weights, bias = rng.normal(size=(experts, 32)), rng.normal(size=experts)
    return {"weights": weights, "bias": bias, "temperature": np.array([1.0])}


def test_creative_scorer_without_a_head_is_neutral() -> None:
    """All scores zero: every creative has multiplier one."""
    model = CreativeScorer()
    assert model.version == 0
    answer = model(None, _creatives(), None)
    assert answer.output.shape == (3, 1, 5)
    assert (answer.output == 0).all()
    assert answer.extras["features"].shape == (3, 64)


def test_each_element_query_reads_mostly_its_own_element() -> None:
    """So that a score belongs to its element."""
    weights = CreativeScorer()(None, _creatives(), None).weights[:, 0]
    assert weights.diagonal(dim1=1, dim2=2).min() > 0.8


@pytest.mark.parametrize("element", range(4), ids=ELEMENTS)
def test_another_text_moves_mostly_its_own_features(element: int) -> None:
    """Features keep what the element says and leak little to the others."""
    model, creatives = CreativeScorer(), _creatives(1)
    before = model(None, creatives, None).extras["features"].view(4, 16)
    creatives[0, element] = torch.from_numpy(embed_many(["an entirely different claim"]))[0]
    moved = (model(None, creatives, None).extras["features"].view(4, 16) - before).norm(dim=-1)
    others = torch.cat([moved[:element], moved[element + 1 :]])
    assert moved[element] > 0.7
    assert others.max() < 0.2 * moved[element]


def test_creative_scores_are_a_linear_model_of_the_features() -> None:
    """Overall = features . weights + bias, and the elements add up to it."""
    model, rng = CreativeScorer(), np.random.default_rng(0)
    weights = rng.normal(size=64)
    model.set_head({"weights": weights, "bias": np.array([0.25])}, 7)
    answer = model(None, _creatives(), None)
    expected = answer.extras["features"].double().numpy() @ weights + 0.25
    np.testing.assert_allclose(answer.output[:, 0, 4], expected, atol=1e-5)
    np.testing.assert_allclose(answer.output[:, 0, :4].sum(-1) + 0.25, expected, atol=1e-5)
    assert model.version == 7


def test_a_missing_element_scores_zero_and_is_not_read() -> None:
    """What a masked element holds does not matter."""
    model, mask = CreativeScorer(), torch.tensor([[True, False, True, True], [False] * 4])
    model.set_head({"weights": np.ones(64), "bias": np.zeros(1)}, 1)
    creatives = _creatives(2)
    answer = model(None, creatives, None, mask)
    assert answer.output[0, 0, 1] == 0
    assert (answer.output[1] == 0).all()
    creatives[0, 1] = 9.0
    assert torch.equal(answer.output[0], model(None, creatives, None, mask).output[0])


def test_router_without_a_head_shares_equally_among_the_first_two_allowed() -> None:
    """Deterministic by the order of experts."""
    query, key = _campaigns(2)
    mask = torch.tensor([[True] * 4, [False, True, False, True]])
    answer = ExpertRouter()(query, key, None, mask)
    assert answer.output[:, 0].tolist() == [[0.5, 0.5, 0, 0], [0, 0.5, 0, 0.5]]
    assert answer.weights[:, 0].tolist() == [[0.25] * 4, [0, 0.5, 0, 0.5]]


def test_router_gates_are_the_softmax_of_the_best_two() -> None:
    """One regression per expert on its features; gates renormalise the top two."""
    model, head = ExpertRouter(), _router_head()
    model.set_head(head, 3)
    query, key = _campaigns()
    answer = model(query, key, None)
    features = answer.extras["features"].double().numpy()
    logits = np.einsum("bef,ef->be", features, head["weights"]) + head["bias"]
    odds = np.exp(logits)
    np.testing.assert_allclose(answer.weights[:, 0], odds / odds.sum(-1, keepdims=True), atol=1e-5)
    top = np.where(odds >= np.sort(odds, axis=-1)[:, -2:-1], odds, 0)
    np.testing.assert_allclose(answer.output[:, 0], top / top.sum(-1, keepdims=True), atol=1e-5)


def test_router_temperature_flattens_and_masked_experts_get_nothing() -> None:
    """A hot router hedges; a forbidden expert has no share; none allowed, no shares."""
    query, key = _campaigns(2)
    mask = torch.tensor([[True, False, True, True], [False] * 4])
    peaks = []
    for temperature in (0.1, 10.0):
        model = ExpertRouter()
        model.set_head(_router_head() | {"temperature": np.array([temperature])}, 1)
        answer = model(query, key, None, mask)
        assert 0 == answer.output[0, 0, 1] == answer.weights[0, 0, 1]
        assert (answer.output[1] == 0).all()
        peaks.append(answer.output[0].max().item())
    assert peaks[0] > peaks[1]


def test_router_refuses_another_number_of_experts() -> None:
    """The head knows how many experts there are."""
    model = ExpertRouter()
    model.set_head(_router_head(3), 1)
    with pytest.raises(ValueError, match="key has 4 experts, expected the head's 3"):
        model(*_campaigns(), None)


def _portfolio() -> tuple[Tensor, Tensor, Tensor]:
    """Twenty campaigns of which the fifth has moved."""
    rng = torch.Generator().manual_seed(0)
    key, value = torch.randn(1, 20, 3, generator=rng), torch.zeros(1, 20, 2)
    query = key.clone()
    query[0, 4, 0] += 20
    return query, key, value


def test_health_gate_blames_the_campaign_and_without_a_head_says_nothing_of_health() -> None:
    """The share of the one that moved is largest; what is usual is not known yet, so coherence is NaN."""
    answer = HealthGate()(*_portfolio())
    assert answer.output.shape == (1, 20, 1)
    assert answer.output[0, :, 0].argmax() == 4
    assert answer.extras["change"].item() == pytest.approx(1.0)
    assert answer.extras["coherence"].shape == (1,)
    assert answer.extras["coherence"].isnan().all()


def test_health_gate_measures_against_the_usual_of_its_head() -> None:
    """Coherence is near 1 where today is as usual and falls as the usual is further away."""
    model, seen = HealthGate(), HealthGate()(*_portfolio()).extras
    today = np.array([seen[name].item() for name in SIGNALS])
    levels = []
    for away in (0.0, 3.0, 10.0):
        model.set_head({"mean": today - away * 0.1, "spread": np.full(3, 0.1)}, 1)
        answer = model(*_portfolio()).extras
        levels.append(answer["coherence"].item())
        assert answer["change"].item() == pytest.approx(seen["change"].item())
    assert levels[0] > 0.95
    assert levels[0] > levels[1] > levels[2] >= 0.0
    assert levels[2] < 0.3


@pytest.mark.parametrize(
    ("arrays", "version", "message"),
    [
        ({"weights": np.zeros(63), "bias": np.zeros(1)}, 1, r"weights has shape \(63,\), expected \(64,\)"),
        ({"weights": np.zeros(64)}, 1, r"got arrays \['weights'\], expected \['bias', 'weights'\]"),
        ({"weights": np.full(64, np.nan), "bias": np.zeros(1)}, 1, "weights holds a NaN"),
        ({"weights": np.zeros(64), "bias": np.zeros(1)}, 0, "version is 0, expected 1 or more"),
    ],
    ids=["shape", "names", "nan", "version"],
)
def test_a_wrong_head_is_refused_and_the_old_one_stays(
    arrays: dict[str, np.ndarray], version: int, message: str
) -> None:
    """Nothing changes unless everything fits."""
    model = CreativeScorer()
    with pytest.raises(ValueError, match=f"head of CreativeScorer: .*{message}"):
        model.set_head(arrays, version)
    assert model.version == 0
    assert model.head is None


def test_letters_must_agree() -> None:
    """A letter is one size wherever it appears."""
    arrays = {"weights": np.zeros((4, 32)), "bias": np.zeros(3)}
    with pytest.raises(ValueError, match=r"x: bias has shape \(3,\), expected \(4,\)"):
        check_arrays(arrays, {"weights": ("E", 32), "bias": ("E",)}, of="x")


@pytest.mark.parametrize("model", [CreativeScorer, ExpertRouter])
def test_the_body_is_the_same_in_every_instance(model: type[CreativeScorer] | type[ExpertRouter]) -> None:
    """Features recorded yesterday still mean the same today."""
    query, key = (None, _creatives()) if model is CreativeScorer else _campaigns()
    first, second = (model()(query, key, None).extras["features"] for _ in range(2))
    assert torch.equal(first, second)
