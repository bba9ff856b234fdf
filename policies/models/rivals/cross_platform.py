"""Rates on a new platform without attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from policies.models.reports import NUMBERS, PRIOR, USUAL_CONVERSIONS
from policies.models.task import Arrays, Fit, Predict, Sample

_WIDTH = 256


def platform_mean(training: Sample) -> Predict:
    """What the first day of a campaign usually is, whatever others report: one pair of rates for each platform, which
    is known by its usual click rate in the target and by the first word of the query here."""
    places = training.inputs["query"][:, 0]
    fitted = Ridge(alpha=1.0).fit(places, _seen(training), sample_weight=_weight(training))
    return lambda inputs: fitted.predict(inputs["query"][:, 0])[:, None].astype(np.float32)


def ridge(training: Sample) -> Predict:
    """Ridge regression on the query and all reports side by side, missing ones as zeros."""
    fitted = Ridge(alpha=1.0).fit(_flat(training.inputs), _seen(training), sample_weight=_weight(training))
    return lambda inputs: fitted.predict(_flat(inputs))[:, None].astype(np.float32)


def _flat(inputs: Arrays) -> NDArray[Any]:
    """[B, 256 + P * numbers + 2]: query, numbers of each report, and the mean of those that are there."""
    numbers = inputs["value"][..., _WIDTH : _WIDTH + len(NUMBERS)]
    mean = numbers[..., :2].sum(axis=1) / np.maximum(inputs["mask"].sum(axis=1, keepdims=True), 1)
    return np.concatenate([inputs["query"][:, 0], numbers.reshape(len(numbers), -1), mean], axis=1)


def _seen(sample: Sample) -> NDArray[Any]:
    """[B, 2] logs of the first day's rates, as the reports have them."""
    shown, clicks, seen, usual = (sample.target[name] for name in ("impressions", "clicks", "conversions", "usual"))
    return np.stack(
        [
            np.log((clicks + PRIOR) / (shown * usual + PRIOR)),
            np.log((seen + PRIOR) / (clicks * USUAL_CONVERSIONS + PRIOR)),
        ],
        axis=1,
    )


def _weight(sample: Sample) -> NDArray[Any]:
    """[B] what a day tells, by its clicks."""
    return np.asarray(sample.target["clicks"] + PRIOR)


RIVALS: Mapping[str, Fit] = {"query alone": platform_mean, "ridge": ridge}
