"""The laws that every mechanism keeps. A mechanism's test class inherits them and says what it is made of.

    class TestMultiHead(Contract):
        config = MultiHeadAttention.Config(width=6, heads=2, ...)
        flips = {"width": 8, "heads": 3, ...}

        def inputs(self, rng, batch=3): ...

Letters: B batch, Nk keys.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

Inputs = dict[str, Tensor]


class Contract(ABC):
    """What is the same for all; ``keyed`` names the inputs whose axis 1 the mask speaks of."""

    config: ClassVar[Any]
    """Small, with odd sizes that differ from each other, so that a swapped axis shows."""
    flips: ClassVar[Mapping[str, object]]
    """For every field of the Config another value than ``config`` has."""
    keyed: ClassVar[tuple[str, ...]] = ("key", "value", "mask")

    @abstractmethod
    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        """Arguments of ``forward`` in float64, with a mask that hides some keys of each row and none of all."""

    @abstractmethod
    def naive(self, layer: Any, inputs: Inputs) -> Tensor:
        """The output by the mechanism's readable definition, in float64."""

    def layer(self, **changes: object) -> Any:
        """A layer in float64 whose weights are all away from their start, so that none is idle."""
        layer = replace(self.config, **changes).build().double()
        rng = torch.Generator().manual_seed(11)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng, dtype=torch.float64))
        return layer

    def given(self, batch: int = 3) -> Inputs:
        """The inputs of one seed."""
        return self.inputs(torch.Generator().manual_seed(7), batch)

    def test_equals_its_definition_in_values_and_gradients(self) -> None:
        """The fast form computes what the formula says, forwards and backwards."""
        layer, inputs = self.layer(), self.given()
        wrt = [*layer.parameters(), *_floats(inputs)]
        results = [layer(**inputs).output, self.naive(layer, inputs)]
        torch.testing.assert_close(results[0], results[1], rtol=1e-9, atol=1e-10)
        ours, theirs = (torch.autograd.grad(each.square().sum(), wrt, allow_unused=True) for each in results)
        for got, expected in zip(ours, theirs, strict=True):
            assert (got is None) == (expected is None)
            if got is not None:
                torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9)

    def test_every_parameter_has_a_gradient(self) -> None:
        """Nothing that can be learnt is cut off."""
        layer = self.layer()
        layer(**self.given()).output.square().sum().backward()
        for name, parameter in layer.named_parameters():
            if not parameter.numel():  # Learned queries where none are wanted.
                continue
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name

    def test_a_batch_equals_its_rows(self) -> None:
        """Rows of a batch do not see each other."""
        layer, inputs = self.layer(), self.given()
        together = layer(**inputs).output
        for row in range(len(together)):
            alone = layer(**{name: tensor[row : row + 1] for name, tensor in inputs.items()}).output
            torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-9, atol=1e-10)

    def test_padding_changes_nothing(self) -> None:
        """Masked keys may hold anything, and any number of them may follow."""
        layer, inputs = self.layer(), self.given()
        padded = {name: _padded(tensor) if name in self.keyed else tensor for name, tensor in inputs.items()}
        torch.testing.assert_close(layer(**padded).output, layer(**inputs).output, rtol=1e-9, atol=1e-10)

    def test_a_fully_masked_row_is_finite_and_so_are_its_gradients(self) -> None:
        """No key kept: an answer without NaN, forwards and backwards."""
        layer, inputs = self.layer(), self.given()
        inputs["mask"][1] = False
        output = layer(**inputs).output
        assert output.isfinite().all()
        output.square().sum().backward()
        assert all(parameter.grad.isfinite().all() for parameter in layer.parameters() if parameter.grad is not None)

    def test_nan_in_the_output_raises(self) -> None:
        """A module vouches for what it answers."""
        inputs = self.given()
        for name in {"query", "key", "value"} & inputs.keys():
            inputs[name].fill_(torch.nan)
        try:
            self.layer()(**inputs)
        except RuntimeError as error:
            assert "NaN" in str(error)
        else:
            raise AssertionError("NaN went through")

    def test_a_seed_decides_the_weights(self) -> None:
        """The same seed, the same answer, to the bit."""
        inputs = self.given()
        first, second = (self.config.build().double()(**inputs).output for _ in range(2))
        assert torch.equal(first, second)

    def test_a_saved_state_restores_the_answer_exactly(self) -> None:
        """``state_dict`` carries a layer into another."""
        inputs, saved, other = self.given(), self.layer(), self.config.build().double()
        other.load_state_dict(saved.state_dict())
        assert torch.equal(saved(**inputs).output, other(**inputs).output)

    def test_compiles_without_a_break(self) -> None:
        """``torch.compile`` takes the whole module as one graph and answers the same."""
        layer, inputs = self.layer(), self.given()
        torch.compiler.reset()
        compiled: Any = torch.compile(layer, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(**inputs).output, layer(**inputs).output, rtol=1e-9, atol=1e-10)

    def test_float32_stays_near_float64(self) -> None:
        """Rounding drifts by a few units in the last place, no more."""
        layer, inputs = self.layer(), self.given()
        expected = layer(**inputs).output
        single = {name: x.float() if x.is_floating_point() and "time" not in name else x for name, x in inputs.items()}
        torch.testing.assert_close(layer.float()(**single).output.double(), expected, rtol=2e-3, atol=2e-4)

    def test_every_option_matters(self) -> None:
        """Each field of the Config changes the answer, its shape, or the cost that its docstring names."""
        assert set(self.flips) == {field.name for field in fields(self.config)}
        for name, value in self.flips.items():
            assert value != getattr(self.config, name), name
            assert self.fingerprint(self.config) != self.fingerprint(replace(self.config, **{name: value})), name

    def fingerprint(self, config: Any) -> object:
        """What tells two configurations apart: by default the shapes of the weights and the answer, if it fits."""
        layer = config.build().double()
        shapes = [tuple(parameter.shape) for parameter in layer.parameters()]
        try:
            answer = layer(**self.given()).output
        except ValueError as error:
            return shapes, str(error)
        return shapes, tuple(answer.shape), answer.flatten().tolist()


def _floats(inputs: Inputs) -> list[Tensor]:
    """The inputs that carry gradients, made to."""
    return [x.requires_grad_() for name, x in inputs.items() if x.is_floating_point() and "time" not in name]


def _padded(tensor: Tensor) -> Tensor:
    """Two more keys that nobody may read: False in a mask, large numbers elsewhere."""
    shape = (tensor.shape[0], 2, *tensor.shape[2:])
    more = tensor.new_zeros(shape) if tensor.dtype == torch.bool else tensor.new_full(shape, 37)
    return torch.cat([tensor, more], dim=1)
