"""Odds of a click by logistic regression on the features: the same in all markets, and learnt along the stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from policies.models.task import Arrays, Fit, Predict, Sample

Floats = NDArray[np.float64]
_STRIDE = 4
"""Of the training requests, one in so many is enough for 257 weights."""


def regression(training: Sample) -> Predict:
    """Logistic regression on the features and the stream's mean so far."""
    x = _row(training.inputs)[:, ::_STRIDE].reshape(-1, training.inputs["query"].shape[-1] + 1)
    fitted = LogisticRegression(max_iter=100).fit(x, training.target["clicked"][:, ::_STRIDE].reshape(-1))

    def predict(inputs: Arrays) -> NDArray[Any]:
        row = _row(inputs)
        return np.asarray(row @ fitted.coef_[0] + fitted.intercept_[0], np.float32)[..., None]

    return predict


def online(training: Sample) -> Predict:
    """The same, whose weights then follow the stream: a step down the log-loss after each outcome."""
    fixed = regression(training)
    few = {name: array[:100] for name, array in training.inputs.items()}
    clicked = training.target["clicked"][:100]
    rate = min((0.1, 0.2, 0.4, 0.8, 1.6), key=lambda rate: _log_loss(_follow(few, fixed(few)[..., 0], rate), clicked))
    return lambda inputs: _follow(inputs, fixed(inputs)[..., 0], rate)[..., None].astype(np.float32)


def _follow(inputs: Arrays, start: NDArray[Any], rate: float) -> Floats:
    """[B, T] log-odds: those at the ``start``, corrected along the stream."""
    asked, known = (np.asarray(inputs[name], np.float64) for name in ("query", "key"))
    drift, odds = np.zeros((len(asked), asked.shape[2])), np.zeros(start.shape)
    before = np.concatenate([start[:, :1], start[:, :-1]], axis=1)
    for t in range(start.shape[1]):
        guess = 1.0 / (1.0 + np.exp(-before[:, t] - (drift * known[:, t]).sum(axis=1)))
        slip = (inputs["value"][:, t, 0] - guess) * inputs["mask"][:, t]
        drift += rate * slip[:, None] * known[:, t]
        odds[:, t] = start[:, t] + (drift * asked[:, t]).sum(axis=1)
    return odds


def _log_loss(odds: Floats, clicked: NDArray[Any]) -> float:
    return float((np.logaddexp(0.0, odds) - clicked * odds).mean())


def _row(inputs: Arrays) -> Floats:
    """[B, T, 257] features and log-odds of the stream's mean so far."""
    shown, clicks = inputs["mask"].cumsum(axis=1), (inputs["mask"] * inputs["value"][..., 0]).cumsum(axis=1)
    rate = (clicks + 1.0) / (shown + 10.0)
    return np.concatenate([3.0 * inputs["query"], np.log(rate / (1.0 - rate))[..., None]], axis=-1)


RIVALS: Mapping[str, Fit] = {"logistic regression": regression, "online logistic regression": online}
