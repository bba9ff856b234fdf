"""Linear attention: its three forms against each other, its definition, its laws and associative recall."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mechanisms.delta_rule import chunked
from mechanisms.linear import LinearAttention, naive
from tests.mechanisms.contract import Contract, Inputs
from tests.mechanisms.memory import peak_bytes

F64 = torch.float64


class TestLinear(Contract):
    """The laws of all; a query belongs to an event here, so padding is more events."""

    config = LinearAttention.Config(
        width=6, key_width=5, value_width=7, heads=2, kernel_size=4, memory=8.0, chunk=3
    )  # fmt: skip
    flips: ClassVar = {
        "width": 8,
        "key_width": 6,
        "value_width": 8,
        "heads": 3,
        "kernel_size": 5,
        "memory": 2.0,
        "chunk": 2,
        "seed": 1,
    }

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        """Seven events, more than two chunks, after a history."""
        query, key, value = (torch.randn(batch, 7, width, generator=rng, dtype=F64) for width in (6, 5, 7))
        mask = torch.rand(batch, 7, generator=rng) < 0.6
        mask[:, 0] = True
        state = torch.randn(batch, 2, 4, 3, generator=rng, dtype=F64)
        return {"query": query, "key": key, "value": value, "mask": mask, "state": state}

    def naive(self, layer: Any, inputs: Inputs) -> Tensor:
        """The quadratic form."""
        return naive(layer, **inputs)

    def test_padding_changes_nothing(self) -> None:
        """Masked events after the last leave outputs and state as they are, whatever they hold."""
        layer, inputs = self.layer(), self.given()
        more = {name: torch.cat([x, torch.full_like(x[:, :2], 37)], 1) for name, x in inputs.items() if name != "state"}
        more["mask"][:, 7:] = False
        padded, expected = layer(**more, state=inputs["state"]), layer(**inputs)
        torch.testing.assert_close(padded.output[:, :7], expected.output, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(padded.extras["state"], expected.extras["state"], rtol=1e-9, atol=1e-10)

    def fingerprint(self, config: Any) -> object:
        """As for all; the chunk changes the cost alone, which is steps of the state."""
        with _Count() as count:
            rest = super().fingerprint(replace(config, chunk=3))
            config.build()(*(torch.ones(1, 6, width) for width in (config.width, config.key_width, config.value_width)))
        return rest, count.steps


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the steps from a chunk to the next."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.steps += func is torch.ops.aten.baddbmm.default
        return func(*args, **(kwargs or {}))


CONFIG = TestLinear.config


def _layer(**changes: object) -> Any:
    return TestLinear().layer(**changes)


def _given(seed: int = 7, batch: int = 3) -> Inputs:
    return TestLinear().inputs(torch.Generator().manual_seed(seed), batch)


def _recurrent(layer: Any, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Outputs and last state, event by event; where a row's event is masked its state is left alone."""
    state, rows = inputs["state"], []
    for t in range(inputs["query"].shape[1]):
        row, moved = layer.step(*(inputs[name][:, t] for name in ("query", "key", "value")), state)
        kept = inputs["mask"][:, t]
        state = torch.where(kept[:, None, None, None], moved, state)
        rows.append(torch.where(kept[:, None], row, torch.nan))
    return torch.stack(rows, 1), state


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_recurrent_equals_chunked_in_values_and_gradients(chunk: int) -> None:
    """Event by event or in chunks of any size: the same outputs, state and gradients."""
    layer, inputs = _layer(chunk=chunk), _given()
    kept = inputs["mask"]
    wrt = [*layer.parameters(), *(x.requires_grad_() for name, x in inputs.items() if name != "mask")]
    answer = layer(**inputs)
    output, state = _recurrent(layer, inputs)
    torch.testing.assert_close(answer.output[kept], output[kept], rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(answer.extras["state"], state, rtol=1e-10, atol=1e-11)
    loss = answer.output[kept].square().sum() + answer.extras["state"].square().sum()
    other = output[kept].square().sum() + state.square().sum()
    ours, theirs = (torch.autograd.grad(each, wrt, allow_unused=True) for each in (loss, other))
    for got, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-9)


def test_a_long_sequence_is_one_sequence() -> None:
    """What is worked on at a time does not show: outputs, state, weights and gradients, over two joints."""
    rng = torch.Generator().manual_seed(5)
    given = [torch.randn(2, 20, width, generator=rng, dtype=F64) for width in (6, 5, 7)]
    results = []
    for chunk in (1, 64):
        layer = _layer(chunk=chunk)
        answer = layer(*given, torch.arange(20).expand(2, -1) % 3 != 1, need_weights=True)
        told = (answer.output, answer.extras["state"], answer.weights)
        grads = torch.autograd.grad(sum((x.square().sum() for x in told), torch.zeros(())), [*layer.parameters()])
        results.append((*told, *grads))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-9)


def test_memory_grows_by_the_output_alone() -> None:
    """Without gradients, a further event leaves its output, as made and as joined, and nothing of its working."""
    layer = replace(CONFIG, width=16, key_width=16, value_width=16, chunk=16).build()

    def peak(events: int) -> int:
        x = torch.ones(1, events, 16)
        with torch.inference_mode():
            return peak_bytes(lambda: layer(x, x, x))

    row = 16 * 4
    assert peak(4096) - peak(1024) <= 3072 * 2 * row


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 99))
def test_a_split_stream_is_the_whole_stream(cut: int, seed: int) -> None:
    """The state carries all that a stream's past means."""
    layer, inputs = _layer(), _given(seed)
    whole = layer(**inputs)
    state, rows = inputs["state"], []
    for part in (slice(0, cut), slice(cut, None)):
        answer = layer(**{n: x[:, part] for n, x in inputs.items() if n != "state"}, state=state)
        state = answer.extras["state"]
        rows.append(answer.output)
    torch.testing.assert_close(torch.cat(rows, 1), whole.output, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(state, whole.extras["state"], rtol=1e-10, atol=1e-11)


def test_masked_events_leave_the_state_alone() -> None:
    """To the bit when all are; their queries read it all the same."""
    layer, inputs = _layer(), _given()
    inputs["mask"][0] = False
    answer = layer(**inputs)
    assert torch.equal(answer.extras["state"][0], inputs["state"][0])
    assert (answer.output[0] != 0).all()
    assert (layer(**(inputs | {"state": torch.zeros_like(inputs["state"])})).output[0] == 0).all()


def test_later_events_change_nothing_earlier() -> None:
    """Causal, across chunks and within."""
    layer, inputs = _layer(), _given()
    before = layer(**inputs).output[:, :5]
    for name in ("query", "key", "value"):
        inputs[name][:, 5:] += 3.0
    assert torch.equal(layer(**inputs).output[:, :5], before)


def test_weights_say_what_each_output_holds_of_each_value() -> None:
    """From an empty state, weights times projected values, then projected, is the output; nothing later is in it."""
    layer, inputs = _layer(), _given()
    del inputs["state"]
    answer = layer(**inputs, need_weights=True)
    values = F.linear(inputs["value"], layer.value_weight).view(3, 7, 2, 3).transpose(1, 2)
    read = (answer.weights @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(F.linear(read, layer.output_weight), answer.output)
    assert (answer.weights.triu(1) == 0).all()
    assert layer(**inputs).weights is None


def test_gradients_match_finite_differences() -> None:
    """Gradcheck of output and state, over all parameters and the state before."""
    layer, inputs = _layer(), _given(batch=1)
    state = inputs.pop("state").requires_grad_()
    names = [name for name, _ in layer.named_parameters()]

    def run(state: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
        named = dict(zip(names, given, strict=True))
        answer = torch.func.functional_call(layer, named, (), {**inputs, "state": state})
        return answer.output, answer.extras["state"]

    assert torch.autograd.gradcheck(run, (state, *(p.detach().requires_grad_() for p in layer.parameters())))


def test_long_chunks_and_strong_forgetting_stay_exact() -> None:
    """A thousand events that each forget nine tenths: products underflow, differences of logs do not."""
    layer = replace(CONFIG, memory=0.1, chunk=1024).build().double()
    rng = torch.Generator().manual_seed(2)
    query, key, value = (torch.randn(1, 1024, width, generator=rng, dtype=F64) for width in (6, 5, 7))
    found = layer(query, key, value).output
    layer.config = replace(layer.config, chunk=8)
    torch.testing.assert_close(found, layer(query, key, value).output, rtol=1e-9, atol=1e-12)


@torch.no_grad()
def test_the_state_has_one_size_for_ever() -> None:
    """Time and memory of an event do not know the history: the same shapes after 1 and after 3,000."""
    layer = CONFIG.build()
    state, sizes = layer.initial_state(2), set()
    assert (state == 0).all()
    for _ in range(3000):
        _, state = layer.step(torch.ones(2, 6), torch.ones(2, 5), torch.ones(2, 7), state)
        sizes.add((state.shape, state.stride(), state.untyped_storage().nbytes()))
    assert len(sizes) == 1
    assert state.isfinite().all()


def test_an_orthonormal_history_is_recalled_exactly_and_can_be_overwritten() -> None:
    """All kept, all written: each of K keys gives its value back, and its newest value once it has two."""
    keys = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(3), dtype=F64)).Q
    key = torch.cat([keys, keys[:2], keys])[None, None]
    value = torch.randn(1, 1, 10, 3, generator=torch.Generator().manual_seed(4), dtype=F64)
    write = torch.tensor([1.0] * 6 + [0.0] * 4, dtype=F64)[None, None]
    read, _ = chunked(key, key, value, torch.zeros_like(write), write, torch.zeros(1, 1, 4, 3, dtype=F64), 4)
    newest = value[:, :, [4, 5, 2, 3]]
    torch.testing.assert_close(read[:, :, 6:], newest, rtol=1e-12, atol=1e-12)


def test_associative_recall_is_learnt() -> None:
    """Eight random pairs of key and class are seen once, then every key is asked: solved after a short training."""
    rng = torch.Generator().manual_seed(1)
    layer = LinearAttention.Config(width=32, key_width=32, value_width=32, heads=2).build()
    names, classes = torch.randn(16, 32, generator=rng), torch.randn(8, 32, generator=rng)
    head = torch.randn(8, 32, generator=rng).div(32**0.5).requires_grad_()
    optimiser = torch.optim.Adam([*layer.parameters(), head], lr=1e-2)

    def ask() -> tuple[Tensor, Tensor]:
        keys = names[torch.rand(64, 16, generator=rng).argsort(-1)[:, :8]]
        truth = torch.randint(8, (64, 8), generator=rng)
        rows, values = torch.cat([keys, keys], 1), torch.cat([classes[truth], torch.zeros(64, 8, 32)], 1)
        seen = (torch.arange(16) < 8).expand(64, -1)
        return F.linear(layer(rows, rows, values, seen).output[:, 8:], head).flatten(0, 1), truth.flatten()

    def right() -> float:
        answers, truth = ask()
        return (answers.argmax(-1) == truth).double().mean().item()

    assert right() < 0.25
    for _ in range(60):
        optimiser.zero_grad()
        F.cross_entropy(*ask()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert right() > 0.98


def test_arguments_are_checked() -> None:
    """Each mistake is named with both shapes."""
    layer, inputs = _layer(), _given()
    for change, message in (
        ({"query": inputs["query"][:, :6]}, r"query \(3, 6, 6\) and key \(3, 7, 5\) differ in events"),
        ({"state": inputs["state"][:, :1]}, r"state has shape \(3, 1, 4, 3\), expected \(3, 2, 4, 3\)"),
        ({"value": inputs["value"][..., :6]}, r"value has shape \(3, 7, 6\), expected \(3, 7, 7\)"),
    ):
        with pytest.raises(ValueError, match=message):
            layer(**(inputs | change))
    with pytest.raises(ValueError, match=r"state has shape \(2, 2, 4, 3\), expected \(1, 2, 4, 3\)"):
        layer.step(torch.ones(1, 6), torch.ones(1, 5), torch.ones(1, 7), torch.zeros(2, 2, 4, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 4}, "width 6 is not a multiple of 4 heads"),
        ({"kernel_size": 0}, "kernel_size 0 is not positive"),
        ({"memory": -1.0}, "memory -1.0 is not positive"),
        ({"chunk": 0}, "chunk 0 is not positive"),
    ],
)
def test_settings_are_checked(change: dict[str, Any], message: str) -> None:
    """A setting that makes no layer is named."""
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change).build()
