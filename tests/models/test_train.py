"""Training: it helps on markets that it has not seen, and what is shipped is worth what its record says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from policies.models import train, weights
from policies.models.task import data_version
from policies.models.train import CASES, HELD_OUT, TRAINING, VALIDATION
from policies.models.weights import FOLDER, Record
from swarm.attention.request import USE_CASES
from tests.models.test_weights import RECORD


def test_every_use_case_that_is_trained_is_served_by_the_same_model() -> None:
    """One name, one model."""
    assert {name: case.model for name, case in CASES.items()} == {
        name: served.factory for name, served in USE_CASES.items() if name in CASES
    }


def test_no_seed_is_of_two_kinds() -> None:
    """Nor one of those that other figures are made on."""
    kinds = [set(seeds) for seeds in (TRAINING, VALIDATION, HELD_OUT)]
    assert sum(map(len, kinds)) == len(set.union(*kinds)) == 1200
    assert min(set.union(*kinds)) >= 10_000


def _small(use_case: str, folder: Path) -> Record:
    """A model trained on few markets, in ``folder``."""
    draw, case = train.drawing(use_case), CASES[use_case]
    training, validation, unseen = ([draw(s) for s in seeds] for seeds in (range(60), range(60, 70), range(70, 90)))
    model = train.fit(case, training, validation)
    loss, rivals = train.measured(model, training, unseen, {})
    record = Record(
        use_case=use_case,
        mechanism=case.mechanism,
        date="2026-01-02",
        training=(0, 59),
        validation=(60, 69),
        held_out=(70, 89),
        data=data_version(draw(TRAINING[0])),
        loss=loss,
        rivals=rivals,
    )
    weights.save(model, record, folder)
    return record


def test_a_tiny_run_helps_on_markets_that_it_has_not_seen(tmp_path: Path) -> None:
    """Surely better than the simple alternative; run again it is the same; and its check finds what was written."""
    record = _small("creative_scoring", tmp_path)
    assert record.on
    first = (tmp_path / "creative_scoring.safetensors").read_bytes()
    assert _small("creative_scoring", tmp_path) == record
    assert (tmp_path / "creative_scoring.safetensors").read_bytes() == first
    found, written = train.check("creative_scoring", range(70, 90), tmp_path)
    assert found == pytest.approx(written)


def test_weights_of_other_examples_do_not_pass_the_check(tmp_path: Path) -> None:
    """When the market changes, the weights have to be trained again."""
    record = replace(RECORD, data="0" * 16)
    weights.save(CASES[record.use_case].build(), record, tmp_path)
    with pytest.raises(ValueError, match=r"trained on examples 0000000000000000, but today's are .*; train again"):
        train.check(record.use_case, range(70, 72), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("use_case", CASES)
def test_shipped_weights_are_worth_what_their_record_says(use_case: str) -> None:
    """The loss on the held-out markets, computed anew."""
    torch.set_num_threads(1)
    found, written = train.check(use_case)
    assert found == pytest.approx(written, rel=1e-3)


def test_shipped_weights_are_of_todays_examples() -> None:
    """Of every use case that has any."""
    for path in FOLDER.glob("*.safetensors"):
        record, _ = weights.read(path)
        assert data_version(train.drawing(record.use_case)(TRAINING[0])) == record.data
