"""The engine: lazy, strict at the door, and fair to neighbours."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

from mechanisms.base import AttentionOutput
from policies.models.head import HeadModel
from swarm.attention.engine import LOAD_RETRY_S, AttentionEngine
from swarm.attention.request import USE_CASES, Answer, Request, UseCase
from swarm.errors import Failed, Overloaded, Unavailable

SCORES = {"weights": np.ones(64), "bias": np.zeros(1), "root": np.zeros((65, 65))}


def _routing(seed: int, batch: int = 1, mask: NDArray[Any] | None = None) -> Request:
    rng = np.random.default_rng(seed)
    value = np.repeat(np.eye(4)[None], batch, axis=0)
    return Request(query=rng.normal(size=(batch, 1, 256)), key=rng.normal(size=(batch, 4, 256)), value=value, mask=mask)


def _scoring(seed: int) -> Request:
    rng = np.random.default_rng(seed)
    genome = rng.normal(size=(1, 3, 256))
    return Request(query=rng.normal(size=(1, 1, 256)), key=genome, value=genome)


def _answer(result: Answer | Exception) -> Answer:
    assert isinstance(result, Answer), result
    return result


def test_nothing_is_loaded_until_it_is_used() -> None:
    """Importing and building the engine leaves torch alone; the first call loads one model."""
    code = (
        "import sys, numpy as np\n"
        "import swarm.attention.batching\n"
        "from swarm.attention.engine import AttentionEngine\n"
        "from swarm.attention.request import Request\n"
        "engine = AttentionEngine()\n"
        "assert set(engine.status().values()) == {'unloaded'}\n"
        "assert 'torch' not in sys.modules and 'ray' not in sys.modules\n"
        "three = np.zeros((1, 3, 256))\n"
        "engine.compute('creative_scoring', [Request(query=three[:, :1], key=three, value=three)])\n"
        "assert engine.status()['creative_scoring'] == 'ready v0'\n"
        "assert engine.status()['expert_routing'] == 'unloaded'\n"
        "assert 'torch' in sys.modules and 'policies.models.router' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_requests_run_together_and_answer_as_alone() -> None:
    """One run for all, with and without masks and of several rows; each gets its own rows."""
    engine = AttentionEngine()
    mask = np.array([[True, False, True, True]] * 2)
    requests = [_routing(1), _routing(2, 2, mask), _routing(3, 3)]
    together = [_answer(r) for r in engine.compute("expert_routing", requests)]
    assert [answer.batch_size for answer in together] == [3, 3, 3]
    assert [(answer.version, answer.source) for answer in together] == [(0, "trained")] * 3
    for answer, request in zip(together, requests, strict=True):
        alone = _answer(engine.compute("expert_routing", [request])[0])
        np.testing.assert_allclose(answer.output, alone.output, atol=1e-6)
        assert answer.weights is not None
        assert alone.weights is not None
        np.testing.assert_allclose(answer.weights, alone.weights, atol=1e-6)
    assert (together[1].output[:, 0, 1] == 0).all()


def test_a_request_that_breaks_the_run_fails_alone() -> None:
    """Three experts break a joint run, and numbers too large for float32 their own; the neighbours do not notice."""
    engine = AttentionEngine()
    poison = Request(query=np.ones((1, 1, 256)), key=np.full((1, 3, 256), 1e300), value=np.zeros((1, 3, 4)))
    first, bad, last = engine.compute("expert_routing", [_routing(1), poison, _routing(2)])
    assert isinstance(bad, Failed)
    for result, seed in ((first, 1), (last, 2)):
        alone = _answer(engine.compute("expert_routing", [_routing(seed)])[0])
        np.testing.assert_array_equal(_answer(result).output, alone.output)


def test_a_request_that_overflows_fails_alone() -> None:
    """Finite numbers too large for float32 are an error, never a NaN in an answer."""
    engine = AttentionEngine()
    engine.set_head("creative_scoring", SCORES, 1)
    good, bad = engine.compute(
        "creative_scoring", [_scoring(0), replace(_scoring(0), value=np.full((1, 3, 256), 1e300))]
    )
    assert _answer(good).output.any()
    assert isinstance(bad, Failed)
    assert "NaN or infinit" in str(bad)


def test_a_request_refused_at_the_door_does_not_run() -> None:
    """Its error takes its place in the answers; the others run."""
    bad = replace(_routing(1), value=np.zeros((1, 5, 2)))
    refused, answered = AttentionEngine().compute("expert_routing", [bad, _routing(2)])
    assert isinstance(refused, ValueError)
    assert _answer(answered).batch_size == 1


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (replace(_routing(0), query=np.zeros((1, 1, 9))), r"query .*\(1, 1, 9\), expected \(1, 1, 256\)"),
        (replace(_routing(0), key=np.zeros((2, 4, 256))), r"key .*\(2, 4, 256\), expected \(1, 4, 256\)"),
        (replace(_routing(0), value=np.zeros((1, 3, 4))), r"value .*\(1, 3, 4\), expected \(1, 4, 4\)"),
        (_routing(0, mask=np.ones((1, 5), dtype=bool)), r"mask has shape \(1, 5\), expected \(1, 4\)"),
        (_routing(0, mask=np.ones((1, 4))), "mask has dtype float64, expected bool"),
        (replace(_routing(0), query=np.zeros((1, 1, 256), dtype=int)), "query has dtype int64"),
        (
            replace(_routing(0), query=np.full((1, 1, 256), np.nan)),
            r"query of shape \(1, 1, 256\) holds a NaN",
        ),
        (
            replace(_routing(0), query=np.full((1, 1, 256), np.inf)),
            r"query of shape \(1, 1, 256\) holds a NaN",
        ),
    ],
    ids=["width", "batch", "values", "mask shape", "mask dtype", "integers", "nan", "infinite"],
)
def test_the_door_names_what_is_wrong(request_: Request, message: str) -> None:
    """Use case, argument, got and expected."""
    with pytest.raises(ValueError, match=f"expert_routing: {message}"):
        AttentionEngine().check("expert_routing", request_)


class Timed(HeadModel):
    """Answers with the time that it is given, less a billion and a half seconds."""

    def simple(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *, time: Tensor) -> Any:
        """Exact only in double precision."""
        return AttentionOutput((time - 1.5e9)[..., None])


def _timed(time: NDArray[Any]) -> Request:
    one = np.zeros((1, 1, 2))
    return Request(query=one, key=one, value=one, extra={"time": time})


def test_what_is_extra_is_checked_joined_and_keeps_its_precision() -> None:
    """By the names and shapes that the use case declares; a second of a Unix time is not lost."""
    shapes = dict.fromkeys(("query", "key", "value"), ("B", "N", 2)) | {"mask": ("B", "N"), "time": ("B", "N")}
    engine = AttentionEngine(table={"timed": UseCase(f"{__name__}:Timed", shapes)})
    found = engine.compute("timed", [_timed(np.array([[1.5e9 + second]])) for second in (1.0, 2.0)])
    assert [_answer(each).output.item() for each in found] == [1.0, 2.0]
    assert {_answer(each).batch_size for each in found} == {2}
    for extra, message in (
        ({}, r"got arrays \['key', 'query', 'value'\]"),
        ({"time": np.zeros((1, 2))}, r"time has shape \(1, 2\), expected \(1, 1\)"),
        ({"time": np.full((1, 1), np.nan)}, "time of shape .* holds a NaN"),
        ({"time": np.zeros((1, 1)), "query": np.zeros((1, 1, 2))}, "extra holds query, which the request has a place"),
    ):
        with pytest.raises(ValueError, match=message):
            engine.check("timed", replace(_timed(np.zeros((1, 1))), extra=extra))


def test_an_unknown_use_case_lists_the_valid_ones() -> None:
    """And the one that was probably meant."""
    with pytest.raises(ValueError, match=r"one of creative_scoring, .*; did you mean 'expert_routing'\?"):
        AttentionEngine().compute("expert_routings", [])


def test_a_failed_load_is_remembered_and_tried_again() -> None:
    """The failure is reported without a new import until it expires; other use cases go on."""
    now = [100.0]
    table = dict(USE_CASES) | {"expert_routing": UseCase("policies.models.absent:Model", {})}
    table["expert_routing"] = replace(table["expert_routing"], shapes=USE_CASES["expert_routing"].shapes)
    engine = AttentionEngine(table=table, clock=lambda: now[0])
    with pytest.raises(Unavailable, match=r"expert_routing: .*policies\.models\.absent"):
        engine.compute("expert_routing", [_routing(0)])
    assert engine.status()["expert_routing"].startswith("failed: ModuleNotFoundError")
    table["expert_routing"] = USE_CASES["expert_routing"]
    now[0] += LOAD_RETRY_S - 1
    with pytest.raises(Unavailable):
        engine.compute("expert_routing", [_routing(0)])
    assert _answer(engine.compute("creative_scoring", [_scoring(0)])[0]).version == 0
    now[0] += 1
    assert _answer(engine.compute("expert_routing", [_routing(0)])[0]).version == 0
    assert engine.status()["expert_routing"] == "ready v0"


def test_health_of_a_portfolio_passes_through() -> None:
    """Query, key and value of N campaigns; signals come back per portfolio."""
    rng = np.random.default_rng(0)
    state, residuals = rng.normal(size=(1, 12, 4)), rng.normal(size=(1, 12, 2))
    request = Request(query=state, key=state, value=residuals, mask=np.ones((1, 12), dtype=bool))
    answer = _answer(AttentionEngine().compute("health_monitoring", [request])[0])
    assert answer.output.shape == (1, 12, 2)
    assert {"structure", "change", "surprise"} <= answer.extras.keys()
    assert answer.extras["surprise"].shape == (1,)
    assert answer.weights is None


def test_a_read_only_array_is_fine() -> None:
    """Arrays from shared memory cannot be written, and are not."""
    key = np.zeros((1, 3, 256), dtype=np.float32)
    key.setflags(write=False)
    request = Request(query=key[:, :1], key=key, value=key)
    assert isinstance(AttentionEngine().compute("creative_scoring", [request])[0], Answer)


def test_overload_survives_pickling() -> None:
    """Errors cross processes with what the caller needs."""
    back = pickle.loads(pickle.dumps(Overloaded(0.25)))
    assert back.retry_after_s == 0.25
    assert str(back) == "overloaded, retry after 0.250 s"
