"""The attention service: models behind one door, loaded when first asked for."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from typing import Any

import ray
from numpy.typing import NDArray

from swarm.actors.bounded import bounded
from swarm.actors.scenario import Scenario
from swarm.attention.batching import MicroBatcher
from swarm.attention.engine import AttentionEngine
from swarm.attention.request import Answer, Request
from swarm.observe.logging import bind_tick, configure_logging
from swarm.observe.metrics import Metrics
from swarm.store.journal import Journal
from swarm.store.place import journal_of


@bounded("compute")
class AttentionService:
    """Ray shell of the attention engine.

    Guarantees
    ----------
    Durability: none here; heads are in the journal and come with ``set_head``.
    Retries: ``compute`` is pure and may be repeated.
    Ordering: requests that wait together run together; one that is wrong fails alone.
    """

    def __init__(self, scenario: Scenario) -> None:
        """Load nothing; heads come with ``set_head``."""
        settings = scenario.config.attention
        self._log = configure_logging(scenario.config.name, "attention", scenario.folder)
        self._metrics, self._name = Metrics(scenario.config.name), scenario.config.name
        self._metrics.set("swarm_torch_threads", settings.threads)
        self._engine = AttentionEngine(threads=settings.threads)
        self._heads: dict[str, tuple[int, Mapping[str, NDArray[Any]]]] = {}
        self._journal = Journal(journal_of(scenario.folder))
        self._batcher = MicroBatcher(
            self._engine,
            max_batch=settings.max_batch,
            wait_s=settings.batch_wait_ms / 1000,
            max_waiting=settings.max_queue,
        )

    def __repr__(self) -> str:
        return f"AttentionService({self._name})"

    async def ping(self) -> int:
        """The process id."""
        self._metrics.republish()
        return os.getpid()

    async def compute(self, use_case: str, request: Request) -> Answer:
        """Answer one request; those that wait at the same time run together.

        Raises:
            ValueError: wrong shapes, NaN, or an unknown use case; the message names the valid ones.
            Overloaded: too many wait already.
        """
        began = time.perf_counter()
        bind_tick(self._journal.last_tick() + 1)  # the hour that is being made: it is in the journal when it is over
        await self._restore(use_case)
        answer = await self._batcher.submit(use_case, request)
        self._metrics.observe("swarm_attention_batch_size", answer.batch_size, mechanism=use_case)
        self._metrics.observe("swarm_attention_latency_ms", 1000 * (time.perf_counter() - began), mechanism=use_case)
        told = {"version": answer.version, "source": answer.source, "batch": answer.batch_size}
        self._log.info("answered", use_case=use_case, **told)
        return answer

    async def set_head(self, use_case: str, arrays: Mapping[str, NDArray[Any]], version: int) -> None:
        """Answer with this head from now on; a model that is not loaded yet gets it when it is."""
        if self._engine.status().get(use_case) == "unloaded":
            self._heads[use_case] = (version, arrays)
            return
        await asyncio.to_thread(self._engine.set_head, use_case, arrays, version)

    async def status(self) -> dict[str, str]:
        """One word on each use case."""
        return self._engine.status()

    async def _restore(self, use_case: str) -> None:
        head = self._heads.pop(use_case, None)
        if head is not None:
            version, arrays = head
            await asyncio.to_thread(self._engine.set_head, use_case, arrays, version)
            self._log.info("model_loaded", use_case=use_case, version=version)


AttentionActor = ray.remote(AttentionService)
