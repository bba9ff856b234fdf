"""Campaign files to get wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.spec.campaign import load_campaigns
from swarm.spec.errors import SpecErrors
from swarm.spec.example import EXAMPLE

Edit = tuple[str, str]


def _edited(edits: tuple[Edit, ...]) -> str:
    text = EXAMPLE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
    """Writes the example campaign with each (old, new) replaced."""

    def write(*edits: Edit, name: str = "c.yaml") -> Path:
        path = tmp_path / name
        path.write_text(_edited(edits), encoding="utf-8")
        return path

    return write


@pytest.fixture
def complaints(edited: Callable[..., Path]) -> Callable[..., list[str]]:
    """What loading says about the example with each (old, new) replaced, without the folder."""

    def load(*edits: Edit) -> list[str]:
        path = edited(*edits)
        with pytest.raises(SpecErrors) as caught:
            load_campaigns([path])
        return str(caught.value).replace(str(path), path.name).split("\n")

    return load
