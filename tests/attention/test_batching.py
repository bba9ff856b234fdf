"""The micro-batcher, with an engine that only records, and with the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Event

import numpy as np
import pytest

from swarm.attention.batching import MicroBatcher
from swarm.attention.engine import AttentionEngine
from swarm.attention.request import Answer, Request
from swarm.errors import Failed, Overloaded, Unavailable


class Recorder:
    """An engine that answers a request with its own key; key 13 is poison, 99 is refused."""

    def __init__(self) -> None:
        """Runs are recorded; clearing ``open`` holds them."""
        self.runs: list[list[float]] = []
        self.open = Event()
        self.open.set()
        self.started = Event()
        self.broken = False

    def check(self, use_case: str, request: Request) -> None:
        """Refuse 99."""
        if request.key.flat[0] == 99:
            raise ValueError("99 is refused")

    def compute(self, use_case: str, requests: Sequence[Request]) -> list[Answer | Exception]:
        """Echo, once the gate is open."""
        self.started.set()
        assert self.open.wait(10)
        if self.broken:
            raise Unavailable("no model")
        self.runs.append([float(r.key.flat[0]) for r in requests])
        return [self._one(r, len(requests)) for r in requests]

    def _one(self, request: Request, size: int) -> Answer | Exception:
        if request.key.flat[0] == 13:
            return Failed("poison")
        return Answer(output=request.key, weights=None, extras={}, version=1, source="learnt", batch_size=size)


def _request(number: float, width: int = 2) -> Request:
    one = np.full((1, width), number)
    return Request(query=one, key=one, value=one)


async def _all(batcher: MicroBatcher, *requests: Request) -> list[Answer | BaseException]:
    return await asyncio.gather(*(batcher.submit("x", r) for r in requests), return_exceptions=True)


def test_what_waits_together_runs_together() -> None:
    """One run, and each caller gets the answer to its own request."""
    engine = Recorder()
    answers = asyncio.run(_all(MicroBatcher(engine), *(_request(i) for i in range(5))))
    assert engine.runs == [[0, 1, 2, 3, 4]]
    assert [a.output.flat[0] for a in answers if isinstance(a, Answer)] == [0, 1, 2, 3, 4]


def test_a_full_bucket_does_not_wait() -> None:
    """With an endless window only full buckets run, and no run exceeds the limit."""
    engine = Recorder()
    asyncio.run(_all(MicroBatcher(engine, max_batch=2, wait_s=600), *(_request(i) for i in range(4))))
    assert engine.runs == [[0, 1], [2, 3]]


def test_other_shapes_run_apart() -> None:
    """A bucket holds one shape."""
    engine = Recorder()
    asyncio.run(_all(MicroBatcher(engine), _request(1), _request(2, width=3), _request(3)))
    assert engine.runs == [[1, 3], [2]]


def test_a_poisoned_request_and_a_refused_one_harm_nobody() -> None:
    """Each error goes to its own caller; the refused one never waits."""
    engine = Recorder()
    good, poison, refused, also = asyncio.run(
        _all(MicroBatcher(engine), _request(1), _request(13), _request(99), _request(2))
    )
    assert isinstance(poison, Failed)
    assert isinstance(refused, ValueError)
    assert [a.output.flat[0] for a in (good, also) if isinstance(a, Answer)] == [1, 2]
    assert engine.runs == [[1, 13, 2]]


def test_an_engine_that_raises_is_reported_to_every_caller() -> None:
    """Nobody waits for ever."""
    engine = Recorder()
    engine.broken = True
    results = asyncio.run(_all(MicroBatcher(engine), _request(1), _request(2)))
    assert [Unavailable, Unavailable] == [type(r) for r in results]


def test_too_many_waiting_are_refused_with_a_time_to_return() -> None:
    """Beyond the limit nothing is queued, and room comes back with the answers."""

    async def scenario() -> None:
        engine = Recorder()
        batcher = MicroBatcher(engine, max_batch=1, max_waiting=2)
        engine.open.clear()
        waiting = [asyncio.create_task(batcher.submit("x", _request(i))) for i in range(2)]
        await asyncio.to_thread(engine.started.wait, 10)
        with pytest.raises(Overloaded) as refusal:
            await batcher.submit("x", _request(3))
        assert refusal.value.retry_after_s > 0
        engine.open.set()
        await asyncio.gather(*waiting)
        assert batcher.waiting == 0
        assert (await batcher.submit("x", _request(4))).output.flat[0] == 4

    asyncio.run(scenario())


def test_a_caller_that_gave_up_is_skipped() -> None:
    """Before the run it is not computed; during the run its answer is dropped."""

    async def scenario() -> None:
        engine = Recorder()
        batcher = MicroBatcher(engine, wait_s=0.05)
        early, late, stays = (asyncio.create_task(batcher.submit("x", _request(i))) for i in range(3))
        await asyncio.sleep(0)
        early.cancel()
        engine.open.clear()
        await asyncio.to_thread(engine.started.wait, 10)
        late.cancel()
        engine.open.set()
        assert (await stays).output.flat[0] == 2
        assert engine.runs == [[1, 2]]
        assert batcher.waiting == 0

    asyncio.run(scenario())


def test_the_real_engine_answers_in_batches_as_alone() -> None:
    """End to end: creatives submitted together equal creatives scored one by one."""
    engine = AttentionEngine()
    head = {"weights": np.linspace(-1, 1, 64), "bias": np.ones(1), "root": np.zeros((65, 65))}
    engine.set_head("creative_scoring", head, 2)
    rng = np.random.default_rng(0)
    elements = [rng.normal(size=(1, 4, 256)) for _ in range(6)] + [np.full((1, 4, 256), 1e300)]
    *requests, poison = [Request(query=x[:, 3:], key=x[:, :3], value=x[:, :3]) for x in elements]

    async def scenario() -> list[Answer | BaseException]:
        batcher = MicroBatcher(engine)
        every = [*requests[:3], poison, *requests[3:]]
        results = await asyncio.gather(*(batcher.submit("creative_scoring", r) for r in every), return_exceptions=True)
        batcher.close()
        return results

    results = asyncio.run(scenario())
    assert isinstance(results.pop(3), Failed)
    for result, request in zip(results, requests, strict=True):
        (alone,) = engine.compute("creative_scoring", [request])
        assert isinstance(alone, Answer)
        assert isinstance(result, Answer)
        assert result.batch_size == 1  # the poison broke the joint run, so each ran alone
        np.testing.assert_allclose(result.output, alone.output, atol=1e-5)
