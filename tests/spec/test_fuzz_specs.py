"""Whatever a file holds, the answer is a model or the list of what is wrong."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from swarm.spec.campaign import Campaign
from swarm.spec.config import SwarmConfig
from swarm.spec.errors import SpecError, SpecErrors
from swarm.spec.example import EXAMPLE
from swarm.spec.reading import build
from swarm.spec.yaml import parse_yaml

LINES = EXAMPLE.splitlines()
SCALARS = st.sampled_from(
    ["", "~", "NO", "-1", "1e999", "nan", "9" * 400, "[]", "{}", "[[{a: }]]", "USD", "'", "&a *a"]
)


def outcome(model: type[BaseModel], text: str | bytes) -> None:
    """Read ``text``; every complaint can be shown."""
    try:
        build(model, parse_yaml(text, "f.yaml"))
    except (SpecError, SpecErrors) as wrong:
        assert str(wrong).encode().decode().startswith("f.yaml")


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200), st.text("{}[]:-?!&*|>%@`'\"#,\n \\Uxe1", max_size=60)))
@settings(max_examples=400, deadline=None)
def test_any_text(text: str | bytes) -> None:
    """No text gets past the reader with anything but its own errors."""
    outcome(SwarmConfig, text)


@given(st.integers(0, len(LINES) - 1), SCALARS)
@settings(max_examples=150, deadline=None)
def test_any_value_in_any_field(position: int, scalar: str) -> None:
    """Any value under any name of a campaign is taken or told."""
    name = LINES[position].partition(":")[0]
    outcome(Campaign, "\n".join([*LINES[:position], f"{name}: {scalar}", *LINES[position + 1 :]]))


@pytest.mark.parametrize("seed", range(40))
def test_scrambled_lines(seed: int) -> None:
    """Lines lost, doubled and swapped are told as well."""
    rng = random.Random(seed)
    outcome(Campaign, "\n".join(rng.choices(LINES, k=len(LINES)) if seed % 2 else rng.sample(LINES, k=60)))
