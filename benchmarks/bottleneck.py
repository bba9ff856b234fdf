"""Held-out conversions after compression, the information bottleneck against PCA: ``python -m benchmarks.bottleneck``.

Rows of 256 columns are compressed to the same width by both. PCA's numbers go to a logistic regression whose penalty is
chosen on a fifth of the training rows. Losses are nats an impression above those of the true probabilities.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from benchmarks.machine import paired_interval
from mechanisms.information import binomial_log_likelihood
from mechanisms.information_bottleneck import InformationBottleneck, fit

WIDTH = 256
CONVERTING = 12
"""Directions that foretell conversions in the problems named ``quiet`` and ``loud``."""
PENALTIES = (1e-4, 1e-2, 1.0)
"""What the regression may choose its C from; more than 1 is without effect at so many impressions."""
STEPS = 1000
REPORTED = range(100, 110)
"""Seeds of the figures; nothing was tuned on them."""
PROBLEMS = ("quiet", "any", "loud")


@dataclass(frozen=True, slots=True)
class Campaigns:
    """Rows with their outcomes."""

    x: Tensor
    """[N, WIDTH]."""
    conversions: Tensor
    impressions: Tensor
    log_odds: Tensor
    """[N], the true ones."""

    def part(self, rows: slice) -> Campaigns:
        """Some of the rows."""
        return Campaigns(self.x[rows], self.conversions[rows], self.impressions[rows], self.log_odds[rows])

    def loss(self, log_odds: Tensor) -> float:
        """Nats an impression above what the truth loses."""
        gained = binomial_log_likelihood(self.log_odds, self.conversions, self.impressions)
        gained = gained - binomial_log_likelihood(log_odds, self.conversions, self.impressions)
        return float(gained.sum() / self.impressions.sum())


def campaigns(problem: str, rows: int, seed: int) -> Campaigns:
    """A planted problem: where the columns vary, and what converts, are drawn from ``seed``.

    Args:
        problem: ``quiet``, 12 directions of little variance convert and 100 loud ones do not; ``any``, a direction
            drawn at random among columns whose variance falls as 1/k; ``loud``, the 12 loudest of those.
        rows: N.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]
    scale, weights = _planted(problem, rng)
    hidden = rng.normal(size=(rows, WIDTH))
    log_odds = -3.5 + 1.2 * hidden @ (weights / np.linalg.norm(weights))
    impressions = rng.integers(200, 2000, size=rows)
    conversions = rng.binomial(impressions, 1 / (1 + np.exp(-log_odds)))
    x = (hidden * scale) @ rotation.T
    return Campaigns(*(torch.tensor(each, dtype=torch.float32) for each in (x, conversions, impressions, log_odds)))


def _planted(problem: str, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Deviations [WIDTH] of the hidden directions, and what each weighs in the log-odds."""
    drawn, first = rng.normal(size=WIDTH), np.arange(WIDTH) < CONVERTING
    falling = 2 / np.sqrt(1 + np.arange(WIDTH))
    match problem:
        case "quiet":
            return np.repeat([0.5, 1.5, 0.3], [CONVERTING, 100, 144]), drawn * first
        case "loud":
            return falling, drawn * first
        case "any":
            return falling, drawn * falling
    raise ValueError(f"no problem {problem!r}; there are {', '.join(PROBLEMS)}")


def by_bottleneck(width: int, train: Campaigns, test: Campaigns, *, steps: int = STEPS, seed: int = 0) -> float:
    """Loss of a trained bottleneck."""
    layer = InformationBottleneck.Config(width=WIDTH, compressed=width, seed=seed).build()
    rng = torch.Generator().manual_seed(seed)
    fit(layer, train.x, train.conversions, train.impressions, steps, rng)
    with torch.no_grad():
        return test.loss(layer.decode(layer.compress(test.x)))


def by_pca(width: int, train: Campaigns, test: Campaigns) -> float:
    """Loss of as many principal components and the best logistic regression on them."""
    pca = PCA(width, whiten=True, random_state=0).fit(train.x.numpy())
    held = len(train.x) // 5
    chosen = min(PENALTIES, key=lambda c: _regression(pca, c, train.part(slice(held, None)), train.part(slice(held))))
    return _regression(pca, chosen, train, test)


def _regression(pca: PCA, c: float, train: Campaigns, test: Campaigns) -> float:
    x = pca.transform(train.x.numpy())
    outcome = np.repeat([1, 0], len(x))
    weight = torch.cat([train.conversions, train.impressions - train.conversions]).numpy()
    model = LogisticRegression(C=c, max_iter=300).fit(np.vstack([x, x]), outcome, sample_weight=weight)
    return test.loss(torch.tensor(model.decision_function(pca.transform(test.x.numpy()))))


def compare(problem: str, width: int, rows: int, seeds: range, *, steps: int = STEPS) -> NDArray[np.float64]:
    """Losses [seeds, 2] of the bottleneck and of PCA, on 2000 rows that neither has seen."""
    return np.array([list(_losses(problem, width, rows, seed, steps)) for seed in seeds])


def _losses(problem: str, width: int, rows: int, seed: int, steps: int) -> Iterator[float]:
    drawn = campaigns(problem, rows + 2000, seed)
    train, test = drawn.part(slice(rows)), drawn.part(slice(rows, None))
    yield by_bottleneck(width, train, test, steps=steps, seed=seed)
    yield by_pca(width, train, test)


def main() -> None:
    """Print the table, in thousandths of a nat an impression."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[6000, 600], help="rows to train on")
    parser.add_argument("--seeds", type=int, nargs=2, default=[REPORTED.start, REPORTED.stop], help="first and end")
    given = parser.parse_args()
    print("rows   problem  width  bottleneck     PCA  PCA less bottleneck (95 %)")
    for rows in given.rows:
        for problem in PROBLEMS:
            for width in (64, 16, 4):
                ours, theirs = 1e3 * compare(problem, width, rows, range(*given.seeds)).T
                low, high = paired_interval(theirs - ours)
                means = f"{ours.mean():10.2f}  {theirs.mean():6.2f}  {(theirs - ours).mean():6.2f}"
                print(f"{rows:5}  {problem:7}  {width:5}  {means} ({low:.2f} to {high:.2f})", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
