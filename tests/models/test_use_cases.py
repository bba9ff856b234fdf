"""Audience, sequence, attribution and bidding models: the laws of each, and their answers in service."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import nbinom
from torch import Tensor

from policies.models import train, weights
from policies.models.attribution import AttributionModel
from policies.models.audience import AudienceModel
from policies.models.bidding import BiddingModel
from policies.models.head import HeadModel
from policies.models.sequence import SequenceModel
from policies.models.task import Sample
from policies.models.train import CASES, tensors
from swarm.attention.engine import AttentionEngine
from swarm.attention.request import Answer, Request

MODELS: dict[str, type[HeadModel]] = {
    "attribution": AttributionModel,
    "audience_hierarchy": AudienceModel,
    "long_sequence": SequenceModel,
    "realtime_bidding": BiddingModel,
}
PADDED = {
    "attribution": ("key", "value", "key_time"),
    "audience_hierarchy": ("key", "value"),
    "long_sequence": ("key", "value"),
}


def _stirred(use_case: str) -> Any:
    """A model whose every parameter is off its start, so that nothing is zero by chance."""
    model, rng = MODELS[use_case]().eval(), torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=rng))
    model.source = "trained"
    return model


def _inputs(use_case: str, seed: int = 1) -> dict[str, Tensor]:
    return tensors(train.drawing(use_case)(seed).inputs)


def _loss(model: HeadModel, output: Tensor, sample: Sample) -> Tensor:
    return model.loss(output, tensors(sample.target))


@pytest.mark.parametrize("use_case", MODELS)
def test_simple_and_trained_answers_have_one_shape(use_case: str) -> None:
    """Of output and extras; and a loss for each example of either."""
    model, sample = _stirred(use_case), train.drawing(use_case)(1)
    inputs = tensors(sample.inputs)
    trained, simple = model.answer(**inputs), model.simple(**inputs)
    assert trained.output.shape == simple.output.shape
    assert {name: x.shape for name, x in trained.extras.items()} == {name: x.shape for name, x in simple.extras.items()}
    for answer in (trained, simple):
        assert _loss(model, answer.output, sample).shape == (len(sample),)
        assert torch.isfinite(_loss(model, answer.output, sample)).all()


@pytest.mark.parametrize("use_case", PADDED)
@pytest.mark.parametrize("way", ["trained", "simple"])
def test_what_is_masked_does_not_count(use_case: str, way: str) -> None:
    """Other numbers in rows that are not there change no answer."""
    model, inputs = _stirred(use_case), _inputs(use_case)
    model.source = way
    other = {name: inputs[name].clone() for name in PADDED[use_case]}
    for tensor in other.values():
        tensor[~inputs["mask"]] = 3.0
    expected = model.answer(**inputs)
    found = model.answer(**{**inputs, **other})
    torch.testing.assert_close(found.output, expected.output)
    for name, extra in expected.extras.items():
        torch.testing.assert_close(found.extras[name], extra)


@pytest.mark.parametrize("use_case", MODELS)
def test_a_batch_is_its_examples_one_by_one(use_case: str) -> None:
    """Nobody's answer depends on the neighbours."""
    model, inputs = _stirred(use_case), _inputs(use_case)
    inputs = {name: torch.cat([x, _inputs(use_case, 2)[name]])[-3:] for name, x in inputs.items()}
    together = model.answer(**inputs).output
    alone = [model.answer(**{name: x[b : b + 1] for name, x in inputs.items()}).output for b in range(len(together))]
    torch.testing.assert_close(torch.cat(alone), together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("use_case", MODELS)
def test_the_service_gives_the_models_answer_and_says_where_it_comes_from(use_case: str) -> None:
    """Through the engine, from a request as reports would fill it; the shipped weights are in use."""
    inputs = train.drawing(use_case)(1).inputs
    plain = {name: array for name, array in inputs.items() if name in ("query", "key", "value", "mask")}
    extra = {name: array for name, array in inputs.items() if name not in plain}
    (answer,) = AttentionEngine().compute(use_case, [Request(**plain, extra=extra)])
    assert isinstance(answer, Answer), answer
    model = MODELS[use_case]().eval()
    weights.load(model, use_case)
    assert (answer.source, answer.version) == (model.source, 0) == ("trained", 0)
    expected = model.answer(**tensors(inputs))
    np.testing.assert_allclose(answer.output, expected.output.numpy(), rtol=1e-4, atol=1e-5)
    assert answer.extras.keys() == expected.extras.keys()


@pytest.mark.parametrize("use_case", MODELS)
def test_training_helps_on_markets_that_it_has_not_seen(use_case: str) -> None:
    """A tiny run lowers what the untrained model loses there."""
    draw, case = train.drawing(use_case), CASES[use_case]
    training, validation, unseen = ([draw(s) for s in seeds] for seeds in (range(40), range(40, 50), range(50, 70)))
    models = (case.build().eval(), train.fit(case, training, validation))
    before, after = (train.losses(model, unseen, train.trained(model)).mean() for model in models)
    assert after < before


def test_targets_are_within_bounds() -> None:
    """No more successes than trials; outcomes are yes or no; what a channel does is a chance, and never harm."""
    drawn = {use_case: [train.drawing(use_case)(seed).target for seed in range(5)] for use_case in MODELS}
    for audience, sequence in zip(drawn["audience_hierarchy"], drawn["long_sequence"], strict=True):
        assert (0 <= audience["conversions"]).all()
        assert (audience["conversions"] <= audience["clicks"]).all()
        assert (0 <= sequence["engaged"]).all()
        assert (sequence["engaged"] <= sequence["impressions"]).all()
    for journeys, requests in zip(drawn["attribution"], drawn["realtime_bidding"], strict=True):
        assert set(np.unique(journeys["converted"])) == set(np.unique(requests["clicked"])) == {0.0, 1.0}
        assert (journeys["lift"] >= 0).all()
        assert (journeys["lift"] < 1).all()


# ---- audience


def test_the_loss_of_an_audience_is_the_negative_binomials() -> None:
    """SciPy's, of conversions with the answer's mean rate and relative deviation."""
    rng = np.random.default_rng(0)
    rate, spread = np.exp(rng.normal(-4, 0.5, (5, 3))), rng.uniform(0.1, 1.0, (5, 3))
    clicks = np.rint(np.exp(rng.uniform(3, 8, (5, 3))))
    conversions = rng.binomial(clicks.astype(int), rate)
    output = torch.tensor(np.stack([np.log(rate), spread], axis=-1))
    target = {"clicks": torch.tensor(clicks), "conversions": torch.tensor(conversions, dtype=torch.float64)}
    shape = spread**-2
    expected = -nbinom.logpmf(conversions, shape, shape / (shape + clicks * rate)).mean(axis=1)
    np.testing.assert_allclose(AudienceModel().loss(output, target).numpy(), expected, rtol=1e-9)


def test_a_segment_belongs_to_the_tried_segment_that_is_read_most() -> None:
    """Its place among the keys that there are, or one past the last for the root."""
    inputs = _inputs("audience_hierarchy")
    nearest = _stirred("audience_hierarchy").answer(**inputs).extras["nearest"]
    there = torch.nn.functional.pad(inputs["mask"], (0, 1), value=True)
    assert torch.gather(there, 1, nearest).all()


def test_the_simple_audience_is_the_mean_of_all_that_was_tried() -> None:
    """Much tried: the rate of all clicks, for every segment."""
    inputs = _inputs("audience_hierarchy")
    inputs["value"] = torch.tensor([100_000.0, 3_000.0]).expand(8, 32, 2)
    rates = AudienceModel().simple(**inputs).output[..., 0].exp()
    torch.testing.assert_close(rates, torch.full((8, 8), 0.03), rtol=1e-3, atol=0)


# ---- sequence


def test_order_matters_to_a_sequence() -> None:
    """The same frames backwards are another creative."""
    model, inputs = _stirred("long_sequence"), _inputs("long_sequence")
    count = int(inputs["mask"][0].sum())
    one = {name: x[:1, :count] if name in ("key", "value", "mask") else x[:1] for name, x in inputs.items()}
    back = {name: x.flip(1) if name in ("key", "value") else x for name, x in one.items()}
    assert (model.answer(**one).output - model.answer(**back).output).abs() > 1e-4


def test_a_frames_score_is_what_the_whole_loses_without_its_part() -> None:
    """Positive for frames that there are, zero for others; parts of all odds add up to one."""
    model, inputs = _stirred("long_sequence"), _inputs("long_sequence")
    scores = model.answer(**inputs).extras["frames"]
    assert (scores[inputs["mask"]] > 0).all()
    assert (scores[~inputs["mask"]] == 0).all()
    torch.testing.assert_close((1.0 - torch.exp(-scores)).sum(dim=1), torch.ones(3), rtol=1e-2, atol=0)


def test_a_sequence_without_frames_has_a_finite_answer() -> None:
    """Nothing to see is a low score, not an error."""
    inputs = _inputs("long_sequence")
    inputs["mask"] = torch.zeros_like(inputs["mask"])
    assert torch.isfinite(_stirred("long_sequence").answer(**inputs).output).all()


# ---- attribution


def _journeys(touches: int) -> dict[str, Tensor]:
    """Those of the sample that have so many touches or more, cut to the last so many."""
    inputs = _inputs("attribution")
    rows = inputs["mask"].sum(dim=1) >= touches
    return {
        name: x[rows][:, :touches] if name in ("key", "value", "mask", "key_time") else x[rows]
        for name, x in inputs.items()
    }


def test_credit_adds_up_to_what_the_touches_did() -> None:
    """The chance of converting, less that of the same person without any touch; exact, so without error."""
    model, inputs = _stirred("attribution"), _journeys(5)
    intent, effect = model._parts(**inputs)
    _, left = model._parts(**{**inputs, "mask": torch.zeros_like(inputs["mask"])})
    expected = ((intent + effect).sigmoid() - (intent + left).sigmoid())[:, 0, 0]
    shares = model.answer(**inputs).extras
    torch.testing.assert_close(shares["credit"].sum(dim=1), expected, rtol=1e-4, atol=1e-6)
    assert not shares["error"].any()


def test_credit_of_a_long_journey_has_an_error() -> None:
    """Beyond twelve touches it is sampled, and still adds up."""
    model, few = _stirred("attribution"), _journeys(7)
    long = {
        name: torch.cat([x, x], dim=1)[:1] if name in ("key", "value", "mask", "key_time") else x[:1]
        for name, x in few.items()
    }
    shares = model.answer(**long).extras
    assert (shares["error"] > 0).all()
    intent, effect = model._parts(**long)
    _, left = model._parts(**{**long, "mask": torch.zeros_like(long["mask"])})
    expected = ((intent + effect).sigmoid() - (intent + left).sigmoid()).flatten()
    torch.testing.assert_close(shares["credit"].sum(dim=1), expected, rtol=1e-3, atol=1e-6)


def test_only_how_long_ago_counts() -> None:
    """A journey a year earlier, moved as a whole, is the same journey; one moved away from its end is not."""
    model, inputs = _stirred("attribution"), _journeys(1)
    now = model.answer(**inputs).output
    year = {name: inputs[name] - 3.1536e7 for name in ("query_time", "key_time")}
    torch.testing.assert_close(model.answer(**{**inputs, **year}).output, now, rtol=1e-5, atol=1e-6)
    older = {**inputs, "key_time": inputs["key_time"] - 5e5}
    assert (model.answer(**older).output - now).abs().max() > 1e-3


def test_the_simple_credit_is_the_last_touchs() -> None:
    """All of it, in whatever order the touches are given."""
    inputs = _journeys(4)
    backwards = {name: x.flip(1) if name in ("key", "value", "key_time") else x for name, x in inputs.items()}
    credit = AttributionModel().simple(**backwards).extras["credit"]
    assert (credit[:, 0] > 0).all()
    assert not credit[:, 1:].any()


# ---- bidding


def test_a_stream_in_pieces_is_the_stream() -> None:
    """Event by event with the state handed on, and all at once; the state has one size."""
    for model in (_stirred("realtime_bidding"), BiddingModel()):
        inputs = {
            name: x[:, :40] if name not in ("state", "seen") else x for name, x in _inputs("realtime_bidding").items()
        }
        whole, state, seen, pieces = model.answer(**inputs), inputs["state"], inputs["seen"], []
        for t in range(40):
            event = {name: x[:, t : t + 1] for name, x in inputs.items() if name not in ("state", "seen")}
            piece = model.answer(**event, state=state, seen=seen)
            state, seen = piece.extras["state"], piece.extras["seen"]
            pieces.append(piece.output)
        torch.testing.assert_close(torch.cat(pieces, dim=1), whole.output, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(state, whole.extras["state"], rtol=1e-3, atol=1e-4)
        assert torch.equal(seen, whole.extras["seen"])


def test_a_request_is_priced_before_what_comes_later_is_known() -> None:
    """Other rows after it change nothing, its own row does: that outcome is already known."""
    model, inputs = _stirred("realtime_bidding"), _inputs("realtime_bidding")
    inputs["mask"] = torch.ones_like(inputs["mask"])
    before = model.answer(**inputs).output
    value = inputs["value"].clone()
    value[:, 100:, 0] = 1.0 - value[:, 100:, 0]
    after = model.answer(**{**inputs, "value": value}).output
    torch.testing.assert_close(after[:, :100], before[:, :100])
    assert (after[:, 100] != before[:, 100]).all()


def test_the_multiplier_is_the_chance_over_the_streams_mean() -> None:
    """What a bid is multiplied with: one where a request is like the stream, for the simple answer always."""
    inputs = _inputs("realtime_bidding")
    model = _stirred("realtime_bidding")
    mean, answer = model.simple(**inputs), model.answer(**inputs)
    expected = (answer.output.sigmoid() / mean.output.sigmoid())[..., 0]
    torch.testing.assert_close(answer.extras["multiplier"], expected)
    assert (mean.extras["multiplier"] == 1).all()
