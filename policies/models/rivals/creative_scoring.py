"""Creative scores from a regression on the same embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import PoissonRegressor

from policies.models.task import Arrays, Fit, Predict, Sample


def regression(training: Sample) -> Predict:
    """Poisson regression of conversions on all four embeddings side by side, given what the campaign expects."""
    due = training.target["clicks"] * training.target["rate"]
    fitted = PoissonRegressor(alpha=1e-4, solver="newton-cholesky", max_iter=20)
    fitted.fit(_features(training.inputs), training.target["conversions"] / due, sample_weight=due)

    def predict(inputs: Arrays) -> NDArray[Any]:
        overall = np.log(fitted.predict(_features(inputs)))
        return np.concatenate([np.zeros((len(overall), 4)), overall[:, None]], axis=1)[:, None]

    return predict


def _features(inputs: Arrays) -> NDArray[np.float64]:
    """[B, 1024]"""
    return np.concatenate([inputs["key"], inputs["query"]], axis=1).reshape(len(inputs["key"]), -1).astype(np.float64)


RIVALS: Mapping[str, Fit] = {"Poisson regression": regression}
