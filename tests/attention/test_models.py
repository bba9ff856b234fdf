"""The models: simple without weights or a head, exact with one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mechanisms.health_signals import SIGNALS
from policies.embedding import embed_many
from policies.learning import prior_shares
from policies.models.creative import ELEMENTS, CreativeScorer
from policies.models.cross import CrossPlatform
from policies.models.health import HealthGate
from policies.models.router import ADVICE, TEMPERATURE, ExpertRouter
from policies.models.shapes import check_arrays

TEXTS = ["stop scrolling", "sleep in a week", "social proof", "try it tonight for free"]


def _creatives(batch: int = 3) -> Tensor:
    """[B, 4, 256] hook, promise, frame and text."""
    texts = [f"{text} {i}" for i in range(batch) for text in TEXTS]
    return torch.from_numpy(embed_many(texts)).view(batch, 4, 256)


def _score(model: CreativeScorer, elements: Tensor, mask: Tensor | None = None) -> Any:
    return model(elements[:, 3:], elements[:, :3], elements[:, :3], mask)


def _route(model: ExpertRouter, query: Tensor, key: Tensor, mask: Tensor | None = None) -> Any:
    """With unit vectors for values, so that the output is the gates."""
    return model(query, key, torch.eye(key.shape[1]).expand(len(key), -1, -1), mask)


def _scorer_head(weights: np.ndarray, bias: float) -> dict[str, np.ndarray]:
    return {"weights": weights, "bias": np.array([bias]), "root": np.zeros((65, 65))}


def _campaigns(batch: int = 5, experts: int = 4) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    query, key = torch.randn(batch, 1, 256, generator=rng), torch.randn(1, experts, 256, generator=rng)
    return query / query.norm(dim=-1, keepdim=True), (key / key.norm(dim=-1, keepdim=True)).expand(batch, -1, -1)


def test_a_simple_creative_scorer_is_neutral() -> None:
    """All scores zero: every creative has multiplier one."""
    model, creatives = CreativeScorer(), _creatives()
    assert ("simple", 0) == (model.source, model.version)
    answer = model.answer(query=creatives[:, 3:], key=creatives[:, :3], value=creatives[:, :3])
    assert answer.output.shape == (3, 1, 5)
    assert (answer.output == 0).all()
    assert answer.extras["features"].shape == (3, 64)


def test_each_element_query_reads_mostly_its_own_element() -> None:
    """So that a score belongs to its element."""
    weights = _score(CreativeScorer(), _creatives()).weights[:, 0]
    assert weights.diagonal(dim1=1, dim2=2).min() > 0.8


@pytest.mark.parametrize("element", range(4), ids=ELEMENTS)
def test_another_text_moves_mostly_its_own_features(element: int) -> None:
    """Features keep what the element says and leak little to the others."""
    model, creatives = CreativeScorer(), _creatives(1)
    before = _score(model, creatives).extras["features"].view(4, 16)
    creatives[0, element] = torch.from_numpy(embed_many(["an entirely different claim"]))[0]
    moved = (_score(model, creatives).extras["features"].view(4, 16) - before).norm(dim=-1)
    others = torch.cat([moved[:element], moved[element + 1 :]])
    assert moved[element] > 0.7
    assert others.max() < 0.2 * moved[element]


def test_creative_scores_are_a_linear_model_of_the_features() -> None:
    """Overall = features . weights + bias, and the elements add up to it."""
    model, rng = CreativeScorer(), np.random.default_rng(0)
    weights = rng.normal(size=64)
    model.set_head(_scorer_head(weights, 0.25), 7)
    answer = _score(model, _creatives())
    expected = answer.extras["features"].double().numpy() @ weights + 0.25
    np.testing.assert_allclose(answer.output[:, 0, 4], expected, atol=1e-5)
    np.testing.assert_allclose(answer.output[:, 0, :4].sum(-1) + 0.25, expected, atol=1e-5)
    assert ("learnt", 7) == (model.source, model.version)


def test_a_score_says_how_sure_it_is() -> None:
    """The variance of weights and bias, seen through the features: x S S^T x."""
    model, root = CreativeScorer(), np.random.default_rng(0).normal(size=(65, 65)) / 8
    model.set_head(_scorer_head(np.zeros(64), 0.0) | {"root": root}, 1)
    answer = _score(model, _creatives())
    x = np.concatenate([answer.extras["features"].double().numpy(), np.ones((3, 1))], axis=1)
    expected = np.einsum("bf,fg,bg->b", x, root @ root.T, x)
    np.testing.assert_allclose(answer.extras["doubt"][:, 0], expected, rtol=1e-4)
    creatives = _creatives()
    simple = CreativeScorer().simple(creatives[:, 3:], creatives[:, :3], creatives[:, :3])
    assert (simple.extras["doubt"] == 0).all()


def test_a_missing_element_scores_zero_and_is_not_read() -> None:
    """What a masked element holds does not matter."""
    model, mask = CreativeScorer(), torch.tensor([[True, False, True], [False] * 3])
    model.set_head(_scorer_head(np.ones(64), 0.0), 1)
    creatives = _creatives(2)
    answer = _score(model, creatives, mask)
    assert answer.output[0, 0, 1] == 0
    assert (answer.output[1, 0, :3] == 0).all()
    creatives[0, 1] = 9.0
    assert torch.equal(answer.output[0], _score(model, creatives, mask).output[0])


def test_a_simple_router_shares_equally_among_the_allowed() -> None:
    """None is preferred; where none is allowed, none has a share."""
    query, key = _campaigns(3)
    mask = torch.tensor([[True] * 4, [False, True, False, True], [False] * 4])
    answer = ExpertRouter().answer(query=query, key=key, value=torch.eye(4).expand(3, -1, -1), mask=mask)
    assert answer.output[:, 0].tolist() == [[0.25] * 4, [0, 0.5, 0, 0.5], [0.0] * 4]
    assert answer.weights is not None
    assert torch.equal(answer.weights, answer.output)


def test_router_gates_are_the_softmax_of_the_fit_of_campaign_and_expert() -> None:
    """All that are allowed get a share, the weights tell the same."""
    model, (query, key) = ExpertRouter(), _campaigns()
    answer = model(query, key, torch.eye(4).expand(5, -1, -1))
    campaigns, experts = (part.double().numpy() for part in (model.router_query(query), model.router_key(key)))
    odds = np.exp(np.einsum("bqf,bef->be", campaigns, experts))
    np.testing.assert_allclose(answer.output[:, 0], odds / odds.sum(-1, keepdims=True), atol=1e-5)
    torch.testing.assert_close(answer.weights, answer.output)


def test_the_router_mixes_what_its_experts_say() -> None:
    """Its output is the values under the gates."""
    model, (query, key) = ExpertRouter(), _campaigns()
    value = torch.randn(5, 4, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(query, key, value).output, _route(model, query, key).output @ value)


def test_the_router_gives_masked_experts_nothing() -> None:
    """A forbidden expert has no share; none allowed, no shares."""
    query, key = _campaigns(2)
    mask = torch.tensor([[True, False, True, True], [False] * 4])
    answer = _route(ExpertRouter(), query, key, mask)
    assert 0 == answer.output[0, 0, 1] == answer.weights[0, 0, 1]
    assert (answer.output[1] == 0).all()


def _portfolio() -> tuple[Tensor, Tensor, Tensor]:
    """Twenty campaigns of which the fifth has moved."""
    rng = torch.Generator().manual_seed(0)
    key, value = torch.randn(1, 20, 3, generator=rng), torch.zeros(1, 20, 2)
    query = key.clone()
    query[0, 4, 0] += 20
    return query, key, value


def test_a_simple_health_gate_blames_the_campaign_and_judges_nothing() -> None:
    """The share of the one that moved is largest; what is usual is not known, so coherence stays at 1."""
    query, key, value = _portfolio()
    answer = HealthGate().answer(query=query, key=key, value=value)
    assert answer.output.shape == (1, 20, 2)
    assert answer.output[0, :, 0].argmax() == 4
    assert answer.extras["change"].item() == pytest.approx(math.sqrt(20 / 3 + 20))
    assert answer.extras["coherence"].tolist() == [1.0]
    assert (answer.output[0, :, 1] == 1.0).all()


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


def test_shipped_usual_signals_depend_on_how_many_campaigns_count() -> None:
    """Those of a small portfolio may move more; a masked campaign is none; a head of the run knows its own size."""
    model, (query, key, value) = HealthGate(), _portfolio()
    few, all_ = (torch.arange(20)[None] < count for count in (5, 20))
    level = [model(query, key, value, mask).extras["coherence"] for mask in (few, all_)]
    model.log_spread[1] = -5.0
    changed = [model(query, key, value, mask).extras["coherence"] for mask in (few, all_)]
    assert not torch.equal(level[1], changed[1])
    assert torch.equal(changed[1], model(query, key, value).extras["coherence"])
    model.set_head({"mean": np.zeros(3), "spread": np.ones(3)}, 1)
    learnt = model(query, key, value, few).extras["coherence"]
    model.log_spread[1] = 5.0
    assert torch.equal(learnt, model(query, key, value, few).extras["coherence"])


def test_shipped_routes_take_any_number_of_experts() -> None:
    """A platform that joins is an expert like the others."""
    model = ExpertRouter()
    for experts in (3, 5):
        answer = _route(model, *_campaigns(2, experts))
        torch.testing.assert_close(answer.output.sum(-1), torch.ones(2, 1))
        assert (answer.output > 0).all()


def test_a_split_loses_what_the_best_one_would_have_brought() -> None:
    """Straight lines between the steps, of the split that training plays."""
    worth = torch.tensor([[[0.0, 0.5, 1.0], [0.0, 0.1, 0.2]]])
    gates = torch.tensor([[[0.8, 0.2]]])
    first, second = prior_shares(
        gates[0].double().numpy(),
        np.ones((1, 2), bool),
        weight=ADVICE,
        temperature=np.array([TEMPERATURE]),
    )[0]
    loss = ExpertRouter().loss(gates, {"worth": worth}).item()
    assert loss == pytest.approx(100 * (1 - first - 0.2 * second), rel=1e-5)
    one = torch.tensor([[[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]])
    assert ExpertRouter().loss(torch.tensor([[[1.0, 0.0]]]), {"worth": one}).item() == pytest.approx(0.0)


def _bridge() -> tuple[Tensor, Tensor, Tensor]:
    """Query, reports of three platforms, and which of them there are."""
    rng = torch.Generator().manual_seed(0)
    query, reports = torch.randn(2, 1, 256, generator=rng), torch.randn(2, 3, 384, generator=rng)
    return query, reports, torch.tensor([[True, True, False], [False] * 3])


def test_an_untrained_bridge_carries_over_what_others_have_seen() -> None:
    """The mean of the rates in the reports that are there; a usual rate where there is none."""
    query, reports, mask = _bridge()
    found = CrossPlatform()(query, reports, reports, mask).output
    assert torch.equal(found, CrossPlatform().answer(query=query, key=reports, value=reports, mask=mask).output)
    torch.testing.assert_close(found[0, 0], reports[0, :2, 256:258].mean(0))
    assert found[1].tolist() == [[0.0, 0.0]]


def test_what_is_not_reported_does_not_cross_the_bridge() -> None:
    """Other numbers in a masked report change nothing, in others they do."""
    model, (query, reports, mask) = CrossPlatform(), _bridge()
    torch.nn.init.normal_(model.outer.weight, generator=torch.Generator().manual_seed(1))
    before = model(query, reports, reports, mask).output
    hidden = torch.where(mask[..., None], reports, 9.0)
    torch.testing.assert_close(model(query, hidden, hidden, mask).output, before)
    assert not torch.equal(model(query, reports + 1.0, reports + 1.0, mask).output[0], before[0])


@pytest.mark.parametrize(
    ("arrays", "version", "message"),
    [
        (_scorer_head(np.zeros(63), 0.0), 1, r"weights has shape \(63,\), expected \(64,\)"),
        ({"weights": np.zeros(64)}, 1, r"got arrays \['weights'\], expected \['bias', 'root', 'weights'\]"),
        (_scorer_head(np.full(64, np.nan), 0.0), 1, "weights holds a NaN"),
        (_scorer_head(np.zeros(64), 0.0), 0, "version is 0, expected 1 or more"),
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


def test_the_body_is_the_same_in_every_instance() -> None:
    """Features recorded yesterday still mean the same today."""
    query, key = _creatives()[:, 3:], _creatives()[:, :3]
    first, second = (CreativeScorer()(query, key, key).extras["features"] for _ in range(2))
    assert torch.equal(first, second)
