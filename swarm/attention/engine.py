"""Runs use cases on their models; torch is imported when the first model is needed, not before."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from swarm.attention.request import (
    USE_CASES,
    Answer,
    Array,
    Request,
    UseCase,
    check_request,
    find_use_case,
)
from swarm.errors import Failed, Unavailable

if TYPE_CHECKING:
    from policies.models.head import HeadModel

LOAD_RETRY_S = 30.0
"""How long a failed load is remembered before it is tried again."""


@dataclass(slots=True)
class _Slot:
    """One model, or why there is none."""

    lock: Lock = field(default_factory=Lock)
    model: HeadModel | None = None
    failure: Exception | None = None
    failed_at_s: float = 0.0


class AttentionEngine:
    """Answers requests with lazily loaded models.

    Guarantees: a model is loaded at most once at a time; a failed load is reported to every
    caller and tried again after ``LOAD_RETRY_S``; a request that fails harms no other request.
    Safe to call from several threads; calls on one use case run one after the other.
    """

    def __init__(
        self,
        *,
        threads: int = 1,
        clock: Callable[[], float] = time.monotonic,
        table: Mapping[str, UseCase] = USE_CASES,
    ) -> None:
        """Load nothing yet; ``threads`` is the number torch may use in this process."""
        self._threads = threads
        self._clock = clock
        self._table = table
        self._slots = {name: _Slot() for name in table}

    def check(self, use_case: str, request: Request) -> None:
        """Refuse what could not run, without loading anything.

        Raises:
            ValueError: if the use case is unknown or the request does not fit it.
        """
        check_request(use_case, find_use_case(use_case, self._table), request)

    def compute(self, use_case: str, requests: Sequence[Request]) -> list[Answer | Exception]:
        """Answer each request, all in one run where possible.

        Args:
            use_case: whose model runs.
            requests: of equal shapes apart from B, for the sake of speed only.

        Returns:
            As many answers as requests, in order; the exception where one failed.

        Raises:
            ValueError: if the use case is unknown.
            Unavailable: if the model does not load.
        """
        find_use_case(use_case, self._table)
        results: list[Answer | Exception | None] = [self._refusal(use_case, r) for r in requests]
        good = [i for i, refusal in enumerate(results) if refusal is None]
        slot = self._slots[use_case]
        with slot.lock:
            answers = _run_all(self._load(use_case), [requests[i] for i in good]) if good else []
        for i, answer in zip(good, answers, strict=True):
            results[i] = answer
        return [result for result in results if result is not None]

    def set_head(self, use_case: str, arrays: Mapping[str, Array], version: int) -> None:
        """Load ``arrays`` as the head of the use case's model, between two runs.

        Raises:
            ValueError: if the use case is unknown or the arrays do not fit its model.
            Unavailable: if the model does not load.
        """
        find_use_case(use_case, self._table)
        with self._slots[use_case].lock:
            self._load(use_case).set_head(arrays, version)

    def status(self) -> dict[str, str]:
        """One word on each use case: ``unloaded``, ``ready v<version>`` or ``failed: <why>``."""
        return {name: _describe(slot) for name, slot in self._slots.items()}

    def _refusal(self, use_case: str, request: Request) -> ValueError | None:
        try:
            self.check(use_case, request)
        except ValueError as error:
            return error
        return None

    def _load(self, use_case: str) -> HeadModel:
        """The model; the caller holds the slot's lock."""
        slot = self._slots[use_case]
        if slot.model is not None:
            return slot.model
        if slot.failure is None or self._clock() - slot.failed_at_s >= LOAD_RETRY_S:
            try:
                slot.model = _build(use_case, self._table[use_case].factory, self._threads)
            except Exception as error:  # whatever broke, the other use cases go on
                slot.failure, slot.failed_at_s = error, self._clock()
            else:
                slot.failure = None
                return slot.model
        raise Unavailable(f"{use_case}: model does not load: {slot.failure!r}") from slot.failure


def _build(use_case: str, factory: str, threads: int) -> HeadModel:
    import torch

    from policies.models import weights

    torch.set_num_threads(threads)
    module, name = factory.split(":")
    model: HeadModel = getattr(import_module(module), name)()
    weights.load(model, use_case)
    return model.eval()


def _describe(slot: _Slot) -> str:
    if slot.model is not None:
        return f"ready v{slot.model.version}"
    return "unloaded" if slot.failure is None else f"failed: {slot.failure!r}"


def _run_all(model: HeadModel, requests: Sequence[Request]) -> list[Answer | Exception]:
    """One run, or one run each if that fails, so that a bad request fails alone."""
    try:
        answers = list(_run(model, requests))
    except Exception as error:  # the guilty request is unknown until each ran alone
        if len(requests) == 1:
            return [_failed(error)]
        return [answer for request in requests for answer in _run_all(model, [request])]
    return [_checked(answer) for answer in answers]


def _run(model: HeadModel, requests: Sequence[Request]) -> Sequence[Answer]:
    import torch

    tensors = {name: torch.from_numpy(array) for name, array in _join(requests).items()}
    with torch.inference_mode():
        result = model.answer(**tensors)
    output, weights = result.output.numpy(), None if result.weights is None else result.weights.numpy()
    extras = {name: tensor.numpy() for name, tensor in result.extras.items()}
    ends = np.cumsum([len(request.key) for request in requests])
    return [
        Answer(
            output=output[rows],
            weights=None if weights is None else weights[rows],
            extras={name: array[rows] for name, array in extras.items()},
            version=model.version,
            source=model.source,
            batch_size=len(requests),
        )
        for rows in (slice(end - len(r.key), end) for end, r in zip(ends, requests, strict=True))
    ]


def _join(requests: Sequence[Request]) -> dict[str, Array]:
    """The arguments of all requests joined along B; a missing mask keeps everything.

    Query, key and value become float32; what is extra stays as it is, for a time in seconds does not fit into that.
    """
    parts = [request.arrays() for request in requests]
    if any("mask" in part for part in parts):
        for part in parts:
            part.setdefault("mask", np.ones(part["key"].shape[:2], dtype=np.bool_))
    joined: dict[str, Array] = {}
    for name in parts[0]:
        whole = np.concatenate([part[name] for part in parts])
        # What overflows becomes infinite and is caught in the output of its own request.
        with np.errstate(over="ignore"):
            joined[name] = whole.astype(np.float32, copy=False) if name in ("query", "key", "value") else whole
    return joined


def _checked(answer: Answer) -> Answer | Exception:
    if np.isfinite(answer.output).all():
        return answer
    return Failed("the output holds a NaN or infinite number: the input is out of float32's range")


def _failed(error: Exception) -> Failed:
    failure = Failed(f"the model failed: {error!r}")
    failure.__cause__ = error
    return failure
