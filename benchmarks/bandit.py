"""Natural against plain policy gradient on a bandit, where the best arm may be rare: ``python -m benchmarks.bandit``.

Ten arms pay 0 or 1 with chances drawn from a seed. A softmax policy follows the gradient of its value, known exactly or
estimated from one draw a step (the reward less its running mean). Rates are chosen on seeds 10 to 19.

Letters: B runs, n arms.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.machine import paired_interval
from mechanisms.fisher import Categorical
from mechanisms.natural_gradient import NaturalGradient

ARMS, STEPS, RUNS = 10, 500, 20
"""``RUNS`` of each seed."""
RARE = 1e-3
"""What a rare best arm is given at the start; the others share the rest equally."""
TUNED, REPORTED = range(10, 20), range(100, 110)
PLAIN_RATES = (0.1, 1.0, 10.0, 30.0, 100.0)
NATURAL_RATES = (0.003, 0.03, 0.3, 3.0, 30.0)

Step = Callable[[Categorical, Tensor], Categorical]


def plain(rate: float) -> Step:
    """A step in the logits."""
    return lambda policy, gradient: policy.moved(-rate * gradient)


def natural(rate: float) -> Step:
    """A step in the distribution, of any length."""
    return NaturalGradient.Config(lr=rate, trust_region=math.inf).build()


def bounded(rate: float) -> Step:
    """A step of at most 0.01 nats."""
    return NaturalGradient.Config(lr=rate).build()


def regret(step: Step, seeds: range, *, rare: bool, exact: bool, steps: int = STEPS) -> NDArray[np.float64]:
    """Conversions lost to the best arm within ``steps``, the mean of each seed's runs: [seeds]."""
    runs = 1 if exact else RUNS
    pay = torch.stack([torch.rand(ARMS, generator=_rng(seed), dtype=torch.float64) for seed in seeds])
    pay, rng = pay.repeat_interleave(runs, 0), _rng(seeds.start)
    best, policy = pay.max(-1).values, _start(pay, rare=rare)
    lost, baseline = torch.zeros_like(best), torch.full_like(best, 0.5)
    for time in range(steps):
        p = policy.probabilities
        value = (p * pay).sum(-1)
        lost += best - value
        if exact:
            policy = step(policy, -p * (pay - value[:, None]))
        else:
            arm = torch.multinomial(p, 1, generator=rng)
            reward = torch.bernoulli(pay.gather(-1, arm), generator=rng)[:, 0]
            chosen = torch.zeros_like(p).scatter_(-1, arm, 1.0)
            policy = step(policy, -(reward - baseline)[:, None] * (chosen - p))
            baseline += (reward - baseline) / (time + 2)
    return lost.view(len(seeds), runs).mean(-1).numpy()


def _rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _start(pay: Tensor, *, rare: bool) -> Categorical:
    first = torch.full_like(pay, (1 - RARE) / (ARMS - 1) if rare else 1 / ARMS)
    return Categorical((first.scatter(-1, pay.argmax(-1, keepdim=True), RARE) if rare else first).log())


def tuned(kind: Callable[[float], Step], rates: tuple[float, ...], *, rare: bool, exact: bool) -> float:
    """The rate of least regret on the tuning seeds."""
    return min(rates, key=lambda rate: float(regret(kind(rate), TUNED, rare=rare, exact=exact).mean()))


def main() -> None:
    """Print the table."""
    print("gradient  best arm  plain (rate)  natural (rate)  in 0.01 nats (rate)  each less plain (95 %)")
    for exact in (True, False):
        for rare in (False, True):
            cells, found = [], []
            for kind, rates in ((plain, PLAIN_RATES), (natural, NATURAL_RATES), (bounded, NATURAL_RATES)):
                rate = tuned(kind, rates, rare=rare, exact=exact)
                found.append(regret(kind(rate), REPORTED, rare=rare, exact=exact))
                cells.append(f"{found[-1].mean():7.2f} ({rate:g})")
            for other in found[1:]:
                low, high = paired_interval(other - found[0])
                cells.append(f"{(other - found[0]).mean():.2f} ({low:.2f} to {high:.2f})")
            print(
                f"{'exact' if exact else 'sampled':8}  {'rare' if rare else 'even':8}  {'  '.join(cells)}", flush=True
            )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
