"""Credit by removal: what each player adds, averaged over all orders in which they could come.

``phi_i = sum_S |S|! (N - |S| - 1)! / N! (v(S + i) - v(S))`` over the coalitions S without i
(Shapley 1953): exactly, by all coalitions, for few players; beyond, by random orders in pairs of
an order and its reverse, whose errors partly cancel (Mitchell et al. 2022).

Letters: N players, P pairs of orders.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

EXACT_PLAYERS = 12
"""Up to here all 2^N coalitions are asked, 4,096 at most."""

Value = Callable[[Tensor], Tensor]
"""Boolean coalitions [any, N], True for who is there, to the worth of each [any]. Asked once for all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Credit:
    """Each player's share of what all are worth beyond nobody; the shares sum to it."""

    credit: Tensor
    """[N] float64."""
    error: Tensor
    """[N] float64, the standard error of each share; zero where it is exact."""


def shapley(value: Value, players: int, *, pairs: int = 256, seed: int = 0) -> Credit:
    """Credit of each player, exact up to ``EXACT_PLAYERS`` and sampled beyond.

    Args:
        value: the worth of coalitions.
        players: N.
        pairs: P, only beyond; ``value`` is asked for 2 P (N + 1) coalitions.
        seed: of the orders.

    Raises:
        ValueError: if ``players`` is not positive, ``pairs`` is below 2, or ``value`` answers in another shape.

    >>> shapley(lambda coalitions: coalitions.sum(-1) ** 2, 3).credit
    tensor([3., 3., 3.], dtype=torch.float64)
    """
    if players < 1:
        raise ValueError(f"players {players} is not positive")
    if players <= EXACT_PLAYERS:
        return exact(value, players)
    return sampled(value, players, pairs=pairs, rng=torch.Generator().manual_seed(seed))


def exact(value: Value, players: int) -> Credit:
    """Credit by enumeration of all 2^N coalitions, as one product with their weights."""
    coalitions = (torch.arange(2**players)[:, None] >> torch.arange(players)) & 1 == 1
    others = coalitions.sum(-1, keepdim=True) - coalitions.long()  # [2^N, N], how many there without the player
    share = [1 / (players * math.comb(players - 1, size)) for size in range(players)]
    weights = torch.where(coalitions, 1.0, -1.0) * torch.tensor(share, dtype=torch.float64)[others]
    credit = _worth(value, coalitions) @ weights
    return Credit(credit, torch.zeros_like(credit))


def sampled(value: Value, players: int, *, pairs: int, rng: torch.Generator) -> Credit:
    """Unbiased credit from P pairs of a random order and its reverse; the error is that of a mean over pairs.

    Raises:
        ValueError: if ``pairs`` is below 2: one pair tells nothing of its error.
    """
    if pairs < 2:
        raise ValueError(f"pairs {pairs} is below 2")
    forwards = torch.rand(pairs, players, generator=rng).argsort(-1)
    orders = torch.stack([forwards, forwards.flip(-1)], dim=1)  # [P, 2, N]
    places = orders.argsort(-1)
    coalitions = places[:, :, None] < torch.arange(players + 1)[:, None]  # [P, 2, N + 1, N]: the first 0 .. N
    worth = _worth(value, coalitions.flatten(0, 2)).view(pairs, 2, players + 1)
    added = worth.diff(dim=-1).gather(-1, places).mean(1)  # [P, N], by player
    return Credit(added.mean(0), added.std(0) / math.sqrt(pairs))


def naive(value: Value, players: int) -> Tensor:
    """The definition, a coalition at a time: the oracle of ``exact``; [N]."""
    credit = torch.zeros(players, dtype=torch.float64)
    for i in range(players):
        for bits in range(2**players):
            without = [bool(bits >> j & 1) for j in range(players)]
            if without[i]:
                continue
            orders = math.factorial(sum(without)) * math.factorial(players - sum(without) - 1)
            with_i = [*without[:i], True, *without[i + 1 :]]
            gain = value(torch.tensor([with_i])) - value(torch.tensor([without]))
            credit[i] += orders / math.factorial(players) * gain.item()
    return credit


def _worth(value: Value, coalitions: Tensor) -> Tensor:
    worth = value(coalitions)
    if worth.shape != coalitions.shape[:1]:
        raise ValueError(
            f"value answers {tuple(worth.shape)} to {tuple(coalitions.shape)}, expected {(len(coalitions),)}"
        )
    return worth.double()
