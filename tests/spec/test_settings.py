"""The settings of the runtime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from swarm.spec.config import SwarmConfig, load_config
from swarm.spec.errors import SpecErrors
from swarm.spec.render import render

DEFAULTS = Path(__file__).parents[2] / "configs" / "swarm.yaml"


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting below ``model`` by its path."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from leaves(info.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, info


@pytest.mark.parametrize(
    ("name", "info"), list(leaves(SwarmConfig)), ids=lambda part: part if isinstance(part, str) else ""
)
def test_described_and_bounded(name: str, info: FieldInfo) -> None:
    """Every setting says what it is and how far it goes."""
    limits = {limit for m in info.metadata for limit in ("ge", "le", "max_length") if hasattr(m, limit)}
    assert info.description
    assert limits in ({"ge", "le"}, {"max_length"}), name


def test_file_is_the_defaults() -> None:
    """The file that comes with the project is the defaults, and is written by the program itself."""
    assert SwarmConfig() == load_config() == load_config(DEFAULTS)
    assert DEFAULTS.read_text().endswith(render(SwarmConfig()))


def test_partial_file(tmp_path: Path) -> None:
    """A file changes what it names and nothing else."""
    path = tmp_path / "s.yaml"
    path.write_text("pacing: {gain: 1.5}")
    config = load_config(path)
    assert (1.5, 0.5, 14) == (config.pacing.gain, config.pacing.max_step, config.run.days)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pacing:\n  gain: 3", "s.yaml:2: pacing.gain: must be less than or equal to 2 (got '3')"),
        ("pacing:\n  gian: 1", "s.yaml:2: pacing.gian: unknown field (got '1'; did you mean 'gain'?)"),
        ("pacing: {gain: nan}", "s.yaml:1: pacing.gain: must be a finite number (got 'nan')"),
        (
            "health:\n  cautious: 0.9",
            "s.yaml:2: health.cautious: must lie between freeze, 0.3, and stable, 0.8 (got '0.9')",
        ),
        ("creative: {exploration: 0}", "s.yaml:1: creative.exploration: must be greater than or equal to 0.1"),
        (
            "run: {days: 1.5}",
            "s.yaml:1: run.days: must be a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_refused(tmp_path: Path, text: str, said: str) -> None:
    """A wrong setting is told like a wrong campaign."""
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(SpecErrors) as caught:
        load_config(path)
    assert str(caught.value).replace(str(path), path.name).startswith(said)
