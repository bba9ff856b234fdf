"""Trains every use case's model on the embedded market and measures it against what it has to beat.

    python -m policies.models.train [--only USE_CASE ...] [--check] [--date YYYY-MM-DD]

How a use case is added:

1. ``swarm/platforms/samples/<use case>.py``: ``draw(seed)``, the examples of one market as a ``Sample``. About 10 ms a
   seed, for 1,200 are drawn; all seeds have equal shapes, padded and masked where need be.
2. ``policies/models/<name>.py``: a ``HeadModel`` with ``forward``, ``simple`` and ``loss``; ``objective`` where
   training lowers more than the loss.
3. ``policies/models/rivals/<use case>.py``: ``RIVALS``, other models of the same features, by name.
4. A line in ``CASES`` below, and one in ``USE_CASES`` of ``swarm/attention/request.py``.
5. ``python -m policies.models.train --only <use case>`` writes ``policies/models/weights/<use case>.safetensors``,
   which the model takes on when the service next loads it.

Seeds are of three kinds. Weights are fitted on the training seeds; when to stop, and whatever a person chooses, goes by
the validation seeds; the held-out seeds are looked at once, for the table. This program alone, in ``policies/``, knows
the market: examples come from nowhere else, and nothing that runs imports it.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

from policies.models import weights
from policies.models.head import HeadModel
from policies.models.task import Arrays, Fit, Predict, Sample, data_version, join
from policies.models.weights import Record, Score

Draw = Callable[[int], Sample]
TRAINING, VALIDATION, HELD_OUT = range(10_000, 11_000), range(12_000, 12_100), range(13_000, 13_100)
_WIDTH = 140
"""Columns of the table, wherever it is printed."""
_AGREES = 1e-3
"""Relative difference of a score computed anew, on another processor perhaps, from the one that was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How one use case's model is trained."""

    model: str
    """``module:Class``"""
    mechanism: str
    seeds: int = len(TRAINING)
    """How many of the training seeds it needs."""
    rate: float = 3e-3
    """Of learning, at its highest: it falls to nothing along a cosine."""
    decay: float = 1e-4
    markets: int = 20
    """In a step."""
    epochs: int = 12
    patience: int = 3
    """Epochs without a better validation loss before training ends."""

    def build(self) -> HeadModel:
        """The model at its start."""
        module, name = self.model.split(":")
        model: HeadModel = getattr(import_module(module), name)()
        return model


CASES: Mapping[str, Case] = {
    "creative_scoring": Case(model="policies.models.creative:CreativeScorer", mechanism="multi_head"),
    "expert_routing": Case(model="policies.models.router:ExpertRouter", mechanism="moe", rate=1e-2),
    "cross_platform": Case(model="policies.models.cross:CrossPlatform", mechanism="cross"),
    "health_monitoring": Case(
        model="policies.models.health:HealthGate", mechanism="topology_gated", rate=2e-2, seeds=100, epochs=4
    ),
    "attribution": Case(
        model="policies.models.attribution:AttributionModel",
        mechanism="graph_rope",
        rate=2e-3,
        decay=1e-2,
        epochs=10,
        patience=6,
    ),
    "audience_hierarchy": Case(model="policies.models.audience:AudienceModel", mechanism="hyperbolic"),
    "long_sequence": Case(model="policies.models.sequence:SequenceModel", mechanism="flash", epochs=6),
    "realtime_bidding": Case(
        model="policies.models.bidding:BiddingModel", mechanism="linear", rate=2e-3, decay=0.5, epochs=4
    ),
}


def drawing(use_case: str) -> Draw:
    """The function that draws its examples."""
    draw: Draw = import_module(f"swarm.platforms.samples.{use_case}").draw
    return draw


def rivals(use_case: str) -> Mapping[str, Fit]:
    """What its model has to beat besides the simple alternative."""
    known: Mapping[str, Fit] = import_module(f"policies.models.rivals.{use_case}").RIVALS
    return known


# ---- fitting


def fit(case: Case, training: Sequence[Sample], validation: Sequence[Sample]) -> HeadModel:
    """The model as it was when its validation loss was lowest."""
    model, order = case.build().requires_grad_(True), np.random.default_rng(0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=case.rate, weight_decay=case.decay)
    steps = case.epochs * -(-len(training) // case.markets)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    best, lowest, since = copy.deepcopy(model), float("inf"), 0
    for _ in range(case.epochs):
        for batch in _batches(training, case.markets, order):
            _step(model, optimiser, batch)
            schedule.step()
        loss, since = objective(model, validation, case.markets), since + 1
        if loss < lowest:
            best, lowest, since = copy.deepcopy(model), loss, 0
        if since == case.patience:
            break
    return best.requires_grad_(False).eval()


def _batches(samples: Sequence[Sample], size: int, order: np.random.Generator) -> Iterator[Sequence[Sample]]:
    shuffled = order.permutation(len(samples))
    for start in range(0, len(samples), size):
        yield [samples[i] for i in shuffled[start : start + size]]


def _step(model: HeadModel, optimiser: torch.optim.Optimizer, batch: Sequence[Sample]) -> None:
    joined = join(batch)
    loss = model.train().objective(tensors(joined.inputs), tensors(joined.target), len(batch))
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()


def objective(model: HeadModel, samples: Sequence[Sample], markets: int) -> float:
    """Mean of what training lowers."""
    model.eval()
    with torch.inference_mode():
        parts = [samples[i : i + markets] for i in range(0, len(samples), markets)]
        each = [model.objective(tensors((s := join(p)).inputs), tensors(s.target), len(p)) * len(p) for p in parts]
    return float(sum(each)) / len(samples)


def tensors(arrays: Arrays) -> dict[str, Tensor]:
    """Without a copy."""
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


# ---- measuring


def losses(model: HeadModel, samples: Sequence[Sample], answer: Callable[[Arrays], Tensor]) -> NDArray[np.float64]:
    """[markets] mean loss of ``answer``, which makes an output of inputs."""
    with torch.inference_mode():
        return np.array([float(model.loss(answer(s.inputs), tensors(s.target)).mean()) for s in samples])


def trained(model: HeadModel) -> Callable[[Arrays], Tensor]:
    """The model's own answer."""
    return lambda inputs: model(**tensors(inputs)).output


def measured(
    model: HeadModel, training: Sequence[Sample], held_out: Sequence[Sample], known: Mapping[str, Fit]
) -> tuple[float, dict[str, Score]]:
    """The model's mean loss on held-out markets, and every rival's."""
    ours = losses(model, held_out, trained(model))
    theirs = {"simple": losses(model, held_out, lambda inputs: model.simple(**tensors(inputs)).output)}
    everything = join(training)
    for name, learn in known.items():
        theirs[name] = losses(model, held_out, _numbers(learn(everything)))
    return float(ours.mean()), {name: _score(ours, each) for name, each in theirs.items()}


def _numbers(predict: Predict) -> Callable[[Arrays], Tensor]:
    """A rival's answer."""
    return lambda inputs: torch.from_numpy(predict(inputs))


def _score(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Score:
    difference, rng = ours - theirs, np.random.default_rng(0)
    means = difference[rng.integers(len(difference), size=(10_000, len(difference)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Score(float(theirs.mean()), float(difference.mean()), float(low), float(high))


def train(use_case: str, *, today: str, folder: Path = weights.FOLDER) -> tuple[Record, float]:
    """Fit, measure and write one use case; its record, and the seconds that it took."""
    began, case, draw = time.perf_counter(), CASES[use_case], drawing(use_case)
    torch.set_num_threads(1)
    seeds = TRAINING[: case.seeds]
    training, validation, held_out = ([draw(seed) for seed in each] for each in (seeds, VALIDATION, HELD_OUT))
    model = fit(case, training, validation)
    loss, scores = measured(model, training, held_out, rivals(use_case))
    record = Record(
        use_case=use_case,
        mechanism=case.mechanism,
        date=today,
        training=_ends(seeds),
        validation=_ends(VALIDATION),
        held_out=_ends(HELD_OUT),
        data=data_version(training[0]),
        loss=loss,
        rivals=scores,
    )
    weights.save(model, record, folder)
    return record, time.perf_counter() - began


def _ends(seeds: range) -> tuple[int, int]:
    return seeds[0], seeds[-1]


def check(use_case: str, seeds: Sequence[int] = HELD_OUT, folder: Path = weights.FOLDER) -> tuple[float, float]:
    """The mean loss of the shipped weights on ``seeds``, computed anew, and the one that their record has.

    Raises:
        ValueError: there are no weights, or they are of other examples than are drawn today.
    """
    record, state = weights.read(folder / f"{use_case}.safetensors")
    draw, model = drawing(use_case), CASES[use_case].build().eval()
    if (now := data_version(draw(TRAINING[0]))) != record.data:
        raise ValueError(f"{use_case}: trained on examples {record.data}, but today's are {now}; train again")
    model.load_state_dict(tensors(state))
    return float(losses(model, [draw(seed) for seed in seeds], trained(model)).mean()), record.loss


# ---- the program


def table(rows: Sequence[tuple[Record, float]]) -> Table:
    """One row for each rival of each use case."""
    made = Table("use case", "mechanism", "trained", "rival", "its loss", "trained less rival (95 %)", "", "s")
    for record, seconds in rows:
        for name, each in record.rivals.items():
            difference = f"{each.difference:+.4f} ({each.low:+.4f} to {each.high:+.4f})"
            first = (record.use_case, record.mechanism, f"{record.loss:.4f}") if name == "simple" else ("", "", "")
            last = ("on" if record.on else "off", f"{seconds:.0f}") if name == "simple" else ("", "")
            made.add_row(*first, name, f"{each.loss:.4f}", difference, *last)
    return made


def main() -> None:
    """Train, or check what is shipped, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sorted(CASES), default=sorted(CASES), metavar="USE_CASE")
    parser.add_argument("--check", action="store_true", help="compute the held-out scores of what is shipped anew")
    parser.add_argument("--date", default=date.today().isoformat(), help="of the weights; today's otherwise")
    options = parser.parse_args()
    console = Console(width=_WIDTH)
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        if options.check:
            pairs = dict(zip(options.only, pool.map(check, options.only, 1), strict=True))
            for name, (found, written) in pairs.items():
                console.print(f"{name}: held-out loss {found:.6f}, its record says {written:.6f}", highlight=False)
            raise SystemExit(any(abs(found - written) > _AGREES * abs(written) for found, written in pairs.values()))
        console.print(table(pool.map(partial(train, today=options.date), options.only, 1)))


if __name__ == "__main__":
    main()
