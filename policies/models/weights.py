"""Weights that travel with the package, each with what they were measured to be worth.

A file holds a model's parameters and, as metadata, a ``Record``. A model takes its weights on if they are there, fit
it, and earn their place; else it stays simple, and the log says why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

if TYPE_CHECKING:
    from policies.models.head import HeadModel

Arrays = dict[str, NDArray[Any]]

FOLDER = Path(__file__).parent / "weights"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Score:
    """Mean loss of a rival over held-out markets, and what the trained model's is above it."""

    loss: float
    difference: float
    """Trained less rival: negative where the trained model is better."""
    low: float
    high: float
    """95 % interval of the difference, bootstrapped over markets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Where weights come from and what they are worth."""

    use_case: str
    mechanism: str
    date: str
    """ISO 8601."""
    training: tuple[int, int]
    """First and last seed; so for the other two."""
    validation: tuple[int, int]
    held_out: tuple[int, int]
    data: str
    """Version of the examples, see ``task.data_version``."""
    loss: float
    """Mean over the held-out markets."""
    rivals: Mapping[str, Score]
    """By name; ``simple`` is the model's own alternative."""

    @property
    def on(self) -> bool:
        """Better than the simple alternative beyond chance, and not worse beyond chance than any other rival."""
        return self.rivals["simple"].high < 0 and all(each.low <= 0 for each in self.rivals.values())


def save(model: HeadModel, record: Record, folder: Path = FOLDER) -> Path:
    """Write ``folder/<use case>.safetensors``; the same model and record give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record.use_case}.safetensors"
    arrays = {name: np.ascontiguousarray(tensor.detach()) for name, tensor in model.state_dict().items()}
    save_file(arrays, path, {"record": json.dumps(asdict(record), sort_keys=True)})
    return path


def read(path: Path) -> tuple[Record, Arrays]:
    """A file's record and arrays.

    Raises:
        ValueError: the file is broken, or its metadata are not a record.
    """
    try:
        with safe_open(path, framework="np") as file:
            told = json.loads(file.metadata()["record"])
            rivals = {name: Score(**score) for name, score in told.pop("rivals").items()}
            told |= {name: tuple(told[name]) for name in ("training", "validation", "held_out")}
            return Record(**told, rivals=rivals), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path.name} does not hold weights with a record: {error!r}") from error


def load(model: HeadModel, use_case: str, folder: Path = FOLDER) -> None:
    """Make ``model`` trained if its weights are there, fit it and earn their place."""
    import torch

    path = folder / f"{use_case}.safetensors"
    if not path.exists():
        return
    try:
        record, arrays = read(path)
        _check(model, arrays)
    except ValueError as error:
        _log.warning("weights_refused", use_case=use_case, error=str(error))
        return
    if not record.on:
        _log.info("weights_off", use_case=use_case, loss=record.loss, simple=record.rivals["simple"].loss)
        return
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    model.source = "trained"


def head(use_case: str, names: Iterable[str], folder: Path = FOLDER) -> Arrays | None:
    """The shipped head of a model whose head is learnt in the run, which begins with it; None where the model is
    simple. Without torch, and without a word: the model itself says why."""
    try:
        record, arrays = read(folder / f"{use_case}.safetensors")
        return {name: arrays[f"prior.{name}"] for name in names} if record.on else None
    except (FileNotFoundError, KeyError, ValueError):
        return None


def _check(model: HeadModel, arrays: Arrays) -> None:
    """Refuse what is not a state of ``model``."""
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    given = {name: array.shape for name, array in arrays.items()}
    if wrong := sorted(name for name in own.keys() | given.keys() if own.get(name) != given.get(name)):
        name = wrong[0]
        of = type(model).__name__
        raise ValueError(f"{of}: {name} has shape {given.get(name, 'none')}, expected {own.get(name, 'none')}")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{type(model).__name__}: {name} holds a NaN or infinite number")
