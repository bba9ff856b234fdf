"""Conversions by logistic regression on how often each channel touched, with and without the touches' age."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from policies.models.task import Arrays, Fit, Predict, Sample

_HALF_LIVES_S = (6 * 3600.0, 48 * 3600.0, 14 * 24 * 3600.0)


def regression(training: Sample, *, half_lives_s: tuple[float, ...]) -> Predict:
    """Logistic regression on the account's usual and the channels' counts, faded by each of ``half_lives_s``."""
    fitted = LogisticRegression(max_iter=300).fit(_row(training.inputs, half_lives_s), training.target["converted"])

    def predict(inputs: Arrays) -> NDArray[Any]:
        return np.asarray(fitted.decision_function(_row(inputs, half_lives_s)), np.float32)[:, None, None]

    return predict


def _row(inputs: Arrays, half_lives_s: tuple[float, ...]) -> NDArray[np.float64]:
    """[B, any] logs of counts, and what reports say of the channels met."""
    age = inputs["query_time"] - inputs["key_time"]
    key, there = inputs["key"], inputs["mask"]
    counts = [np.einsum("blc,bl->bc", key, there * 0.5 ** (age / half_life)) for half_life in half_lives_s]
    journeys, conversions = np.moveaxis(np.asarray(inputs["query"][:, 0], np.float64), -1, 0)
    rate = (conversions + 1.0) / (journeys + 20.0)
    usual = np.log(rate / (1.0 - rate))[:, None]
    value = np.asarray(inputs["value"], np.float64)
    beyond = np.log((value[..., 1] + 2.0) / (value[..., 0] * rate[:, None] + 2.0))
    told = (beyond * there).sum(axis=1, keepdims=True)
    return np.concatenate([usual, told, *(np.log1p(count) for count in counts)], axis=1)


RIVALS: Mapping[str, Fit] = {
    "logistic regression, counts": partial(regression, half_lives_s=(np.inf,)),
    "logistic regression, counts with decay": partial(regression, half_lives_s=_HALF_LIVES_S),
}
