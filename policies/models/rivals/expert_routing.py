"""Routes from a regression on the same embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from policies.models.task import Arrays, Fit, Predict, Sample

_SHARPNESS = 1.5
"""The best of 0.5, 1, 1.5 and 2 on the validation seeds."""


def ridge(training: Sample) -> Predict:
    """Ridge regression, per platform, of the log of what half of the money brings there; gates go by it."""
    worth, mask = training.target["worth"], training.inputs["mask"]
    half = np.log(np.maximum(worth[..., worth.shape[-1] // 2], 1e-3))
    x = _campaigns(training.inputs)
    fitted = [Ridge(alpha=1.0).fit(x[rows], half[rows, e]) for e, rows in enumerate(mask.T)]

    def predict(inputs: Arrays) -> NDArray[Any]:
        level = np.stack([each.predict(_campaigns(inputs)) for each in fitted], axis=1)
        odds = np.where(inputs["mask"], np.exp(_SHARPNESS * level), 0.0)
        return np.asarray((odds / odds.sum(axis=1, keepdims=True))[:, None], np.float32)

    return predict


def _campaigns(inputs: Arrays) -> NDArray[Any]:
    """[B, 256]"""
    return np.asarray(inputs["query"][:, 0])


RIVALS: Mapping[str, Fit] = {"ridge": ridge}
