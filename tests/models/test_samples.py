"""The examples that models are trained on."""

from __future__ import annotations

import time

import numpy as np
import pytest

from policies.models.task import Sample, data_version, join
from policies.models.train import CASES, drawing
from swarm.attention.request import USE_CASES, Request, check_request
from swarm.platforms.kinship import kinship
from swarm.platforms.samples.expert_routing import best
from swarm.platforms.world import effects

NAMES = ("query", "key", "value", "mask")


@pytest.mark.parametrize("use_case", CASES)
def test_a_seed_always_draws_the_same_and_another_one_something_else(use_case: str) -> None:
    """Bit by bit, in the same shapes and types."""
    draw = drawing(use_case)
    first, again, other = draw(1), draw(1), draw(2)
    for mine, same, theirs in ((first.inputs, again.inputs, other.inputs), (first.target, again.target, other.target)):
        assert mine.keys() == same.keys() == theirs.keys()
        for name, array in mine.items():
            np.testing.assert_array_equal(array, same[name])
            assert (array.shape, array.dtype) == (theirs[name].shape, theirs[name].dtype)
            assert len(array) == len(first)
            assert np.isfinite(array).all()
    assert data_version(first) == data_version(again) != data_version(other)


@pytest.mark.parametrize("use_case", CASES)
def test_inputs_are_what_the_service_takes(use_case: str) -> None:
    """A sample's inputs pass the door as a request."""
    inputs = drawing(use_case)(1).inputs
    extra = {name: array for name, array in inputs.items() if name not in NAMES}
    plain = {name: array for name, array in inputs.items() if name in NAMES}
    check_request(use_case, USE_CASES[use_case], Request(**plain, extra=extra))


@pytest.mark.parametrize("use_case", CASES)
def test_a_market_is_drawn_in_a_moment(use_case: str) -> None:
    """Twelve hundred are drawn in a training."""
    draw = drawing(use_case)
    draw(0)
    began = time.process_time()
    for seed in range(1, 6):
        draw(seed)
    assert (time.process_time() - began) / 5 < 0.1


def test_creatives_convert_some_of_their_clicks() -> None:
    """Counts are whole, and around the campaign's rate on the whole."""
    seen = join([drawing("creative_scoring")(seed) for seed in range(20)]).target
    assert (seen["conversions"] == np.rint(seen["conversions"])).all()
    assert (seen["conversions"] <= seen["clicks"]).all()
    assert 0.9 < seen["conversions"].sum() / (seen["clicks"] * seen["rate"]).sum() < 1.2


def test_half_of_what_a_word_does_is_the_same_in_every_market() -> None:
    """Effects of the same words correlate by a half from market to market, and are standard normal in each."""
    drawn = np.array([[effects(seed, "hook", f"word {i}", 2) for i in range(400)] for seed in (1, 2, 3)])
    assert drawn.mean() == pytest.approx(0.0, abs=0.1)
    assert drawn.std() == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(drawn.reshape(3, -1))[np.triu_indices(3, 1)] == pytest.approx(np.full(3, 0.5), abs=0.1)


def test_no_split_brings_more_than_the_best() -> None:
    """And the best brings all; what a platform brings grows with its money and is nothing where it is not allowed."""
    sample = drawing("expert_routing")(1)
    worth, mask = sample.target["worth"], sample.inputs["mask"]
    assert (np.diff(worth, axis=2) >= -1e-6).all()
    assert ((worth[..., -1] > 0) == mask).all()
    rng = np.random.default_rng(0)
    for _ in range(200):
        steps = rng.multinomial(32, rng.dirichlet(np.ones(4)))
        assert (worth[:, np.arange(4), steps].sum(axis=1) <= 1 + 1e-5).all()
    assert best(worth.astype(np.float64)) == pytest.approx(np.ones(len(worth)), abs=1e-5)


def test_platforms_tell_of_each_other_the_same_way_in_part_in_every_market() -> None:
    """What traits do on two platforms correlates over campaigns, alike in most markets; its spread is as stated."""
    names = [f"campaign {i}" for i in range(200)]
    kin = np.array([[kinship(seed, name, ("meta", "tiktok", "linkedin")) for name in names] for seed in range(40)])
    assert kin[..., 0].std() == pytest.approx(0.3, abs=0.1)
    assert kin[..., 1].std() == pytest.approx(0.35, abs=0.1)
    pairs = np.array([np.corrcoef(one[:, :, 0].T)[np.triu_indices(3, 1)] for one in kin])
    assert np.abs(pairs.mean(axis=0)).max() > 0.2
    assert pairs.std(axis=0).min() > 0.1


def test_shocks_are_some_of_the_hours() -> None:
    """Neither none nor most; and a portfolio has from four campaigns to all of its rows."""
    drawn = [drawing("health_monitoring")(seed) for seed in range(12)]
    assert 0.02 < np.mean([one.target["shock"].mean() for one in drawn]) < 0.5
    counts = {int(one.inputs["mask"][0].sum()) for one in drawn}
    assert min(counts) >= 4
    assert len(counts) > 3


def test_the_version_of_examples_is_blind_to_the_last_bit_alone() -> None:
    """Another processor's logarithm changes nothing; another number, name or shape does."""
    one = Sample({"x": np.array([[0.12345]])}, {"y": np.array([1.0])})
    near = Sample({"x": np.array([[0.12345 + 1e-9]])}, one.target)
    others = (
        Sample({"x": np.array([[0.125]])}, one.target),
        Sample({"z": one.inputs["x"]}, one.target),
        Sample({"x": one.inputs["x"][0]}, one.target),
    )
    assert data_version(one) == data_version(near)
    assert data_version(one) not in {data_version(other) for other in others}
