"""Engaged views of a sequence by logistic regression on what its frames have in the mean, with and without an order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from policies.models.task import Arrays, Fit, Predict, Sample

Floats = NDArray[np.float64]


def _mean(inputs: Arrays) -> Floats:
    """[B, 256] the mean frame."""
    total = np.einsum("bnd,bn->bd", inputs["key"], inputs["mask"])
    return np.asarray(total / inputs["mask"].sum(axis=1, keepdims=True), np.float64)


def _ends(inputs: Arrays) -> Floats:
    """[B, 768] first, mean and last frame."""
    rows, last = np.arange(len(inputs["mask"])), inputs["mask"].sum(axis=1) - 1
    return np.concatenate([inputs["key"][:, 0], _mean(inputs), inputs["key"][rows, last]], axis=1)


def regression(training: Sample, *, features: Callable[[Arrays], Floats]) -> Predict:
    """Logistic regression on ``features``, what is sold, length and the account's usual."""
    x = _row(training.inputs, features)
    engaged, impressions = training.target["engaged"], training.target["impressions"]
    rate = np.concatenate([engaged, impressions - engaged]) / np.tile(impressions, 2)
    outcome = np.repeat([1, 0], len(x))
    fitted = LogisticRegression(C=1.0, max_iter=300).fit(np.tile(x, (2, 1)), outcome, sample_weight=rate)

    def predict(inputs: Arrays) -> NDArray[Any]:
        return np.asarray(fitted.decision_function(_row(inputs, features)), np.float32)[:, None, None]

    return predict


def _row(inputs: Arrays, features: Callable[[Arrays], Floats]) -> Floats:
    """[B, any] one row of each creative."""
    found = features(inputs)
    likeness = np.einsum("bd,bd->b", _mean(inputs), inputs["query"][:, 0])
    length = np.log1p(inputs["value"].sum(axis=(1, 2)))
    rate = (inputs["account"][:, 1] + 1.0) / (inputs["account"][:, 0] + 10.0)
    other = np.stack([likeness, length, length**2, np.log(rate / (1.0 - rate))], axis=1)
    return np.concatenate([3.0 * found, other], axis=1)


RIVALS: Mapping[str, Fit] = {
    "logistic regression, mean frame": partial(regression, features=_mean),
    "logistic regression, first, mean, last": partial(regression, features=_ends),
}
