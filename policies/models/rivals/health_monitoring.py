"""Health without a gate over the portfolio's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from mechanisms.coherence import coherence
from policies.models.task import Arrays, Fit, Predict, Sample


def z_test(training: Sample) -> Predict:
    """Conversions of the whole portfolio against what was expected, through the same gate; nothing is learnt."""
    del training

    def predict(inputs: Arrays) -> NDArray[Any]:
        kept = inputs["mask"].sum(axis=1) * inputs["value"].shape[2]
        z = np.abs(inputs["value"].sum(axis=(1, 2)) / np.sqrt(kept))
        return _output(coherence(torch.from_numpy(z[:, None])).numpy(), inputs)

    return predict


def regression(training: Sample) -> Predict:
    """Logistic regression on mean, mean square and largest mean of the states, their moves, and the surprises."""
    fitted = LogisticRegression(C=1.0, max_iter=500).fit(_features(training.inputs), training.target["shock"] > 0)
    return lambda inputs: _output(1.0 - fitted.predict_proba(_features(inputs))[:, 1], inputs)


def _features(inputs: Arrays) -> NDArray[Any]:
    """[B, F]"""
    count = inputs["mask"].sum(axis=1)[:, None]
    parts = []
    for rows in (inputs["query"], inputs["query"] - inputs["key"], inputs["value"]):
        mean, square = rows.sum(axis=1) / count, (rows**2).sum(axis=1) / count
        worst = np.abs(mean).max(axis=1, keepdims=True)
        parts += [mean, np.abs(mean), np.log(square + 0.01), worst, worst * np.sqrt(count)]
    return np.concatenate([*parts, np.log(count)], axis=1)


def _output(calm: NDArray[Any], inputs: Arrays) -> NDArray[Any]:
    """[B, N, 2] of coherence [B]; blame is not compared."""
    wide = np.broadcast_to(calm[:, None], inputs["mask"].shape)
    return np.stack([np.zeros_like(wide), wide], axis=-1).astype(np.float32)


RIVALS: Mapping[str, Fit] = {"z-test on conversions": z_test, "logistic regression": regression}
