"""Rates of untried segments without attention: one regression for all markets, one for each, and the next of kin.

Each states the same relative deviation for all segments, the one that fits the training markets best.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import PoissonRegressor

from policies.models.audience import AudienceModel
from policies.models.task import Arrays, Fit, Predict, Sample

Floats = NDArray[np.float64]
_FEW = 4000
"""Examples on which the settings of a rival are chosen."""


def regression(training: Sample) -> Predict:
    """Poisson regression on the embeddings, the same in all markets, given the market's level."""
    asked, told = training.inputs["query"].reshape(-1, training.inputs["query"].shape[-1]), training.target
    due = (told["clicks"] * _level(training.inputs)[:, None]).reshape(-1)
    fitted = PoissonRegressor(alpha=1e-4, solver="newton-cholesky", max_iter=20)
    fitted.fit(asked, told["conversions"].reshape(-1) / due, sample_weight=due)

    def rate(inputs: Arrays) -> Floats:
        query = inputs["query"]
        factor = fitted.predict(query.reshape(-1, query.shape[-1])).reshape(query.shape[:2])
        return np.asarray(_level(inputs)[:, None] * factor)

    return _with_spread(rate, training)


def ridge(training: Sample) -> Predict:
    """Ridge regression on the embeddings of the segments tried, in each market anew, weighted by conversions due."""
    return min((_with_spread(_ridge(penalty), training) for penalty in (0.3, 1.0, 3.0, 10.0)), key=_lost(training))


def _ridge(penalty: float) -> Callable[[Arrays], Floats]:
    def rate(inputs: Arrays) -> Floats:
        level = _level(inputs)
        clicks, conversions = np.moveaxis(np.asarray(inputs["value"], np.float64), -1, 0)
        due = clicks * level[:, None]
        key = np.asarray(inputs["key"], np.float64)
        gram = key @ key.swapaxes(1, 2) + penalty * np.eye(key.shape[1]) / (due + 0.1)[:, None]
        dual = np.linalg.solve(gram, np.log((conversions + 1.0) / (due + 1.0))[..., None])
        return np.asarray(level[:, None] * np.exp((inputs["query"] @ (key.swapaxes(1, 2) @ dual))[..., 0]))

    return rate


def kin(training: Sample) -> Predict:
    """The mean rate of the three tried segments whose paths are most alike, drawn to the level of all."""
    return min((_with_spread(_kin(weight), training) for weight in (1.0, 3.0, 10.0, 30.0)), key=_lost(training))


def _kin(weight: float) -> Callable[[Arrays], Floats]:
    def rate(inputs: Arrays) -> Floats:
        alike = inputs["query"] @ inputs["key"].swapaxes(1, 2)
        nearest = np.argsort(np.where(inputs["mask"][:, None], -alike, 0.0), axis=-1)[..., :3]
        value = inputs["value"][np.arange(len(nearest))[:, None, None], nearest].sum(axis=2)
        level = _level(inputs)[:, None]
        return np.asarray((value[..., 1] + weight) / (value[..., 0] + weight / level))

    return rate


def _level(inputs: Arrays) -> Floats:
    """[B] rate of all segments tried together."""
    clicks, conversions = np.asarray(inputs["value"], np.float64).sum(axis=1).T
    return np.asarray((conversions + 1.0) / (clicks + 50.0))


def _with_spread(rate: Callable[[Arrays], Floats], training: Sample) -> Predict:
    def predict(inputs: Arrays, spread: float) -> NDArray[Any]:
        logs = np.log(rate(inputs))
        return np.stack([logs, np.full_like(logs, spread)], axis=-1)

    few = Sample(
        {name: array[:_FEW] for name, array in training.inputs.items()},
        {name: array[:_FEW] for name, array in training.target.items()},
    )
    best = min((0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0), key=lambda s: _loss(predict(few.inputs, s), few))
    return lambda inputs: predict(inputs, best)


def _lost(training: Sample) -> Callable[[Predict], float]:
    few = Sample({k: v[:_FEW] for k, v in training.inputs.items()}, {k: v[:_FEW] for k, v in training.target.items()})
    return lambda predict: _loss(predict(few.inputs), few)


def _loss(output: NDArray[Any], sample: Sample) -> float:
    target = {name: torch.from_numpy(array) for name, array in sample.target.items()}
    return float(AudienceModel().loss(torch.from_numpy(output), target).mean())


RIVALS: Mapping[str, Fit] = {
    "Poisson regression": regression,
    "ridge in each market": ridge,
    "mean of next of kin": kin,
}
