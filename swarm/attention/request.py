"""What goes into the attention engine and what comes out; checked here, at the door.

Letters: B batch, E experts, N campaigns, P platforms, D state width, V width of a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.models.shapes import Shape, check_arrays
from policies.models.task import Source
from policies.naming import check_known

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Request:
    """Arguments of one call; their sizes are up to the use case."""

    query: Array
    """[B, Nq, Dq]"""
    key: Array
    """[B, Nk, Dk]"""
    value: Array
    """[B, Nk, Dv]"""
    mask: NDArray[np.bool_] | None = None
    """[B, Nk], True keeps; everything is kept without one."""
    extra: Mapping[str, Array] = field(default_factory=dict)
    """What else the use case takes, by name, B first: times, for example. Its numbers keep their precision."""

    def arrays(self) -> dict[str, Array]:
        """The arguments given, by name.

        Raises:
            ValueError: if ``extra`` has a name of the others.
        """
        given = {"query": self.query, "key": self.key, "value": self.value}
        if self.mask is not None:
            given["mask"] = self.mask
        if taken := sorted(self.extra.keys() & {*given, "mask"}):
            raise ValueError(f"extra holds {', '.join(taken)}, which the request has a place for")
        return {**given, **self.extra}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Answer:
    """Result of one call, float32."""

    output: Array
    weights: Array | None
    extras: dict[str, Array]
    version: int
    """Version of the head that answered, 0 without one that was learnt in the run."""
    source: Source
    """``trained``: shipped weights; ``learnt``: a head of this run; ``simple``: the alternative without weights."""
    batch_size: int
    """Requests that ran together with this one, itself included."""


@dataclass(frozen=True, slots=True)
class UseCase:
    """A purpose, the model that serves it and the shapes it takes."""

    factory: str
    """``module:Class`` of a ``HeadModel``, imported on first use."""
    shapes: Mapping[str, Shape]
    """Of its arguments, of the mask, which alone may be left out, and of its extra ones."""


USE_CASES: Mapping[str, UseCase] = {
    "creative_scoring": UseCase(
        "policies.models.creative:CreativeScorer",
        {"query": ("B", 1, 256), "key": ("B", 3, 256), "value": ("B", 3, 256), "mask": ("B", 3)},
    ),
    "expert_routing": UseCase(
        "policies.models.router:ExpertRouter",
        {"query": ("B", 1, 256), "key": ("B", "E", 256), "value": ("B", "E", "V"), "mask": ("B", "E")},
    ),
    "cross_platform": UseCase(
        "policies.models.cross:CrossPlatform",
        {"query": ("B", 1, 256), "key": ("B", "P", 384), "value": ("B", "P", 384), "mask": ("B", "P")},
    ),
    "health_monitoring": UseCase(
        "policies.models.health:HealthGate",
        {"query": ("B", "N", "D"), "key": ("B", "N", "D"), "value": ("B", "N", "V"), "mask": ("B", "N")},
    ),
    "attribution": UseCase(
        "policies.models.attribution:AttributionModel",
        {
            "query": ("B", 1, 2),
            "key": ("B", "L", 8),
            "value": ("B", "L", 2),
            "mask": ("B", "L"),
            "query_time": ("B", 1),
            "key_time": ("B", "L"),
        },
    ),
    "audience_hierarchy": UseCase(
        "policies.models.audience:AudienceModel",
        {"query": ("B", "Q", 256), "key": ("B", "K", 256), "value": ("B", "K", 2), "mask": ("B", "K")},
    ),
    "long_sequence": UseCase(
        "policies.models.sequence:SequenceModel",
        {
            "query": ("B", 1, 256),
            "key": ("B", "N", 256),
            "value": ("B", "N", 1),
            "mask": ("B", "N"),
            "account": ("B", 2),
        },
    ),
    "realtime_bidding": UseCase(
        "policies.models.bidding:BiddingModel",
        {
            "query": ("B", "T", 256),
            "key": ("B", "T", 256),
            "value": ("B", "T", 2),
            "mask": ("B", "T"),
            "state": ("B", 4, 16, 16),
            "seen": ("B", 2),
        },
    ),
}
"""The use cases that answer."""


def find_use_case(name: str, table: Mapping[str, UseCase]) -> UseCase:
    """The use case called ``name``.

    Raises:
        ValueError: if it is unknown; lists the valid names and the near one.
    """
    check_known("use case", name, table)
    return table[name]


def check_request(name: str, use_case: UseCase, request: Request) -> None:
    """Refuse a request that the model of ``use_case`` could not run.

    Raises:
        ValueError: on shapes, dtypes, NaN or infinity; names the use case, the argument and what was expected.
    """
    arrays = request.arrays()
    optional = {} if "mask" in arrays else {"mask"}
    wanted = {key: shape for key, shape in use_case.shapes.items() if key not in optional}
    check_arrays(arrays, wanted, of=name)
    for argument, array in arrays.items():
        if argument == "mask":
            if array.dtype != np.bool_:
                raise ValueError(f"{name}: mask has dtype {array.dtype}, expected bool")
        elif array.dtype not in (np.float32, np.float64):
            raise ValueError(f"{name}: {argument} has dtype {array.dtype}, expected float32 or float64")
        elif not np.isfinite(array).all():
            raise ValueError(f"{name}: {argument} of shape {array.shape} holds a NaN or infinite number")
