"""Weights that travel with the package: taken on where they fit and earn it, refused in words otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from structlog.testing import capture_logs

from policies.models.creative import CreativeScorer
from policies.models.router import ExpertRouter
from policies.models.weights import FOLDER, Record, Score, load, read, save

BETTER = Score(loss=2.0, difference=-1.0, low=-1.5, high=-0.5)
RECORD = Record(
    use_case="creative_scoring",
    mechanism="multi_head",
    date="2026-01-02",
    training=(1, 9),
    validation=(10, 11),
    held_out=(12, 13),
    data="0123456789abcdef",
    loss=1.0,
    rivals={"simple": BETTER, "regression": replace(BETTER, low=-0.1, high=0.1)},
)


def _fitted() -> CreativeScorer:
    model = CreativeScorer()
    torch.nn.init.normal_(model.prior["weights"], generator=torch.Generator().manual_seed(0))
    return model


def _score(model: CreativeScorer) -> torch.Tensor:
    rng = torch.Generator().manual_seed(1)
    query, genome = torch.randn(2, 1, 256, generator=rng), torch.randn(2, 3, 256, generator=rng)
    return model.answer(query=query, key=genome, value=genome).output


def test_what_is_saved_is_taken_on(tmp_path: Path) -> None:
    """Record and answers come back exactly; saving twice gives the same bytes."""
    path = save(_fitted(), RECORD, tmp_path)
    assert read(path)[0] == RECORD
    bytes_ = path.read_bytes()
    assert save(_fitted(), RECORD, tmp_path).read_bytes() == bytes_
    model = CreativeScorer()
    load(model, "creative_scoring", tmp_path)
    assert model.source == "trained"
    fitted = _fitted()
    fitted.source = "trained"
    assert torch.equal(_score(model), _score(fitted))
    assert _score(model).any()


def test_without_weights_a_model_is_simple(tmp_path: Path) -> None:
    """Quietly: it is a state that is meant to be."""
    model = CreativeScorer()
    with capture_logs() as logs:
        load(model, "creative_scoring", tmp_path)
    assert (model.source, logs) == ("simple", [])
    assert not _score(model).any()


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _of_another_model(path: Path) -> None:
    save(ExpertRouter(), RECORD, path.parent)


def _without_a_record(path: Path) -> None:
    save_file({"x": np.zeros(1)}, path)


def _not_finite(path: Path) -> None:
    model = _fitted()
    model.prior["bias"].fill_(np.nan)
    save(model, RECORD, path.parent)


@pytest.mark.parametrize("harm", [_truncated, _of_another_model, _without_a_record, _not_finite])
def test_weights_that_are_broken_or_do_not_fit_are_refused(tmp_path: Path, harm: object) -> None:
    """The model stays simple, and the log has a warning that says what is wrong."""
    path, model = save(_fitted(), RECORD, tmp_path), CreativeScorer()
    assert callable(harm)
    harm(path)
    with capture_logs() as logs:
        load(model, "creative_scoring", tmp_path)
    assert model.source == "simple"
    assert not _score(model).any()
    (line,) = logs
    assert ("warning", "weights_refused", "creative_scoring") == (line["log_level"], line["event"], line["use_case"])
    assert line["error"]


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("simple", replace(BETTER, high=0.01)),
        ("simple", replace(BETTER, difference=0.5, low=0.2, high=0.9)),
        ("regression", replace(BETTER, difference=0.5, low=0.2, high=0.9)),
    ],
    ids=["not surely better than simple", "worse than simple", "worse than a rival"],
)
def test_weights_that_do_not_earn_their_place_are_off(tmp_path: Path, name: str, score: Score) -> None:
    """The model is simple, and the log says what both lose."""
    record, model = replace(RECORD, rivals={**RECORD.rivals, name: score}), CreativeScorer()
    save(_fitted(), record, tmp_path)
    with capture_logs() as logs:
        load(model, "creative_scoring", tmp_path)
    assert ("simple", ["weights_off"]) == (model.source, [line["event"] for line in logs])


def test_all_shipped_weights_are_small() -> None:
    """Ten megabytes at most together."""
    assert sum(path.stat().st_size for path in FOLDER.glob("*.safetensors")) <= 10_000_000
