"""What a row of the table of mechanisms is made of.

Letters: B batch, Nq queries, Nk keys, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

Inputs = Mapping[str, Tensor]
Ours = Callable[[Tensor, Tensor, Tensor], Callable[[], Tensor]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """A class of the npm package, and the function of ours that answers the same question without projections."""

    name: str
    make: tuple[str | int | Mapping[str, int], ...]
    """Its class and what the constructor takes."""
    ours: Ours
    """From query [1, Nq, W], key and value [1, Nk, W] to the call that is timed; tables may be made before it."""
    same: bool = False
    """Both compute the same function."""
    positions: bool = False
    """It is told where queries and keys stand: key j at j, the last query beside the last key."""
    at_least: tuple[float | None, float | None] = (None, None)
    """How many times faster ours has to be on one query, and on a sequence of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A mechanism at the seed's setting."""

    module: nn.Module | None
    """Whose parameters count; None for a function."""
    inputs: Callable[[int, int, int], Inputs]
    """From (B, Nq, Nk) to the arguments, batch first."""
    fast: Callable[[Inputs], Tensor]
    """What is timed."""
    exact: Callable[[Inputs], Tensor]
    """The readable definition in float64, which ``fast`` is held to."""
    reference: Callable[[Inputs], Tensor] | None = None
    """Torch's attention with the same linear projections."""
    by_query: tuple[str, ...] = ("query",)
    """Inputs whose axis 1 are queries that do not see each other, so that the definition may be asked for a few."""
    queries: bool = True
    """One query is another thing than a sequence of them."""
    batches: bool = True
    """It takes more than one row at a time."""
    at_most: Mapping[str, float] = field(default_factory=dict)
    """Targets: the highest value of a figure."""
    peers: tuple[Peer, ...] = ()
    """The first one's figures are the row's."""
