"""Whatever a file holds, the answer is a model or the list of what is wrong."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import BaseModel

from swarm.spec.campaign import Campaign
from swarm.spec.config import SwarmConfig
from swarm.spec.errors import SpecError, SpecErrors
from swarm.spec.example import EXAMPLE
from swarm.spec.reading import build
from swarm.spec.yaml import parse_yaml
from tests.fuzz import TIERS, each

LINES = EXAMPLE.splitlines()
SCALARS = st.sampled_from(
    ["", "~", "NO", "-1", "0", "1e999", "nan", "inf", "9" * 400, "0.0000001", "[]", "{}", "[[{a: }]]", "USD", "JPY",
     "'", "&a *a", "2026-02-30", "9999-12-31", "1_000", "1,5", "\u0661\u0662", "\\x00", "true", "- - -", "? :"]
)  # fmt: skip
VALUES = st.one_of(SCALARS, st.text(max_size=30), st.integers().map(str), st.floats().map(str))
TEXTS = st.one_of(
    st.text(max_size=200), st.binary(max_size=200), st.text("{}[]:-?!&*|>%@`'\"#,\n \\Uxe1", max_size=60)
)  # fmt: skip
SECTIONS = {name: field.annotation for name, field in SwarmConfig.model_fields.items()}


def outcome(model: type[BaseModel], text: str | bytes) -> None:
    """Read ``text``; every complaint can be shown."""
    try:
        build(model, parse_yaml(text, "f.yaml"))
    except (SpecError, SpecErrors) as wrong:
        assert str(wrong).encode().decode().startswith("f.yaml")


@TIERS
@pytest.mark.parametrize("model", [SwarmConfig, Campaign], ids=lambda model: str(model.__name__))
def test_any_text(model: type[BaseModel], examples: int) -> None:
    """No text gets past the reader with anything but its own errors."""
    each(TEXTS, lambda text: outcome(model, text), examples)


@TIERS
def test_any_values_in_any_fields_of_a_campaign(examples: int) -> None:
    """Any value under any names of a campaign is taken or told."""

    def check(edits: list[tuple[int, str]]) -> None:
        lines = list(LINES)
        for position, value in edits:
            lines[position] = f"{lines[position].partition(':')[0]}: {value}"
        outcome(Campaign, "\n".join(lines))

    each(st.lists(st.tuples(st.integers(0, len(LINES) - 1), VALUES), min_size=1, max_size=4), check, examples)


@TIERS
def test_any_bytes_of_a_campaign(examples: int) -> None:
    """A file whose bytes were flipped or that ends too early is taken or told."""
    whole = EXAMPLE.encode()

    def check(damage: tuple[list[tuple[int, int]], int]) -> None:
        flips, end = damage
        text = bytearray(whole)
        for place, bit in flips:
            text[place] ^= 1 << bit
        outcome(Campaign, bytes(text[:end]))

    flips = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 7)), max_size=5)
    each(st.tuples(flips, st.integers(0, len(whole))), check, examples)


def _names(section: Any) -> list[str]:
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else ["x"]


@TIERS
def test_any_settings(examples: int) -> None:
    """Any value of any setting is taken or told."""
    pairs = st.sampled_from([(name, field) for name, kind in SECTIONS.items() for field in _names(kind)])

    def check(chosen: list[tuple[tuple[str, str], str]]) -> None:
        text = "\n".join(f"{section}:\n  {field}: {value}" for (section, field), value in chosen)
        outcome(SwarmConfig, text)

    each(st.lists(st.tuples(pairs, VALUES), min_size=1, max_size=3, unique_by=lambda one: one[0][0]), check, examples)


@pytest.mark.parametrize("seed", range(40))
def test_scrambled_lines(seed: int) -> None:
    """Lines lost, doubled and swapped are told as well."""
    rng = random.Random(seed)
    outcome(Campaign, "\n".join(rng.choices(LINES, k=len(LINES)) if seed % 2 else rng.sample(LINES, k=60)))
