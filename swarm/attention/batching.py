"""Requests that wait at the same time run together; no more wait than can be answered soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from swarm.attention.request import Answer, Request
from swarm.errors import Overloaded

Bucket = tuple[str, tuple[tuple[str, tuple[int, ...]], ...]]
"""Use case and shapes without B: what may be joined."""
Waiting = tuple[Request, "asyncio.Future[Answer]"]


class Engine(Protocol):
    """What the batcher needs of an engine."""

    def check(self, use_case: str, request: Request) -> None:
        """Raise if the request cannot run."""

    def compute(self, use_case: str, requests: Sequence[Request]) -> list[Answer | Exception]:
        """Answer every request, in order."""


class MicroBatcher:
    """Collects requests of one bucket for a moment and runs them on one thread.

    Guarantees: a request is checked before it waits, so it cannot spoil a batch by its shape; a
    request is refused with ``Overloaded`` or answered; a caller that gave up is skipped.  Use from
    one event loop.
    """

    def __init__(self, engine: Engine, *, max_batch: int = 32, wait_s: float = 0.002, max_waiting: int = 1024) -> None:
        """Set the limits.

        Args:
            engine: what answers.
            max_batch: requests in a run; a full bucket does not wait.
            wait_s: how long the first request of a bucket waits for company.
            max_waiting: requests admitted and not yet answered.
        """
        self._engine = engine
        self._max_batch = max_batch
        self._wait_s = wait_s
        self._max_waiting = max_waiting
        self._waiting = 0
        self._run_s = wait_s
        self._buckets: dict[Bucket, list[Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # One thread: torch parallelises inside a run, and two runs would fight for the cores.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="attention")

    @property
    def waiting(self) -> int:
        """Requests admitted and not yet answered."""
        return self._waiting

    async def submit(self, use_case: str, request: Request) -> Answer:
        """Answer one request, together with others that wait.

        Raises:
            Overloaded: if ``max_waiting`` requests wait already.
            ValueError: as ``AttentionEngine.check``.
            Unavailable: if the model does not load.
            Failed: if the model failed on this request.
        """
        if self._waiting >= self._max_waiting:
            raise Overloaded(self._wait_s + self._run_s * self._waiting / self._max_batch)
        self._engine.check(use_case, request)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting += 1
        try:
            self._enqueue(use_case, request, future)
            return await future
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Stop the thread after the run in progress."""
        self._thread.shutdown(wait=False)

    def _enqueue(self, use_case: str, request: Request, future: asyncio.Future[Answer]) -> None:
        shapes = tuple((name, array.shape[1:]) for name, array in request.arrays().items() if name != "mask")
        bucket = self._buckets.setdefault((use_case, shapes), [])
        bucket.append((request, future))
        if len(bucket) >= self._max_batch:
            self._flush((use_case, shapes), bucket)
        elif len(bucket) == 1:
            loop = asyncio.get_running_loop()
            loop.call_later(self._wait_s, self._flush, (use_case, shapes), bucket)

    def _flush(self, key: Bucket, bucket: list[Waiting]) -> None:
        # A timer may outlive its bucket, which was full before: then there is nothing to do.
        if self._buckets.get(key) is bucket:
            del self._buckets[key]
            task = asyncio.get_running_loop().create_task(self._run(key[0], bucket))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, use_case: str, bucket: list[Waiting]) -> None:
        live = [(request, future) for request, future in bucket if not future.done()]
        if not live:
            return
        results = await self._compute(use_case, [request for request, _ in live])
        assert len(results) == len(live), f"{len(results)} results for {len(live)} requests"
        for result, (_, future) in zip(results, live, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _compute(self, use_case: str, requests: list[Request]) -> Sequence[Answer | Exception]:
        loop = asyncio.get_running_loop()
        start_s = time.perf_counter()
        try:
            return await loop.run_in_executor(self._thread, self._engine.compute, use_case, requests)
        except Exception as error:  # every caller must hear of it, or it would wait for ever
            return [error] * len(requests)
        finally:
            self._run_s = time.perf_counter() - start_s
