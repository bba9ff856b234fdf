"""Mechanisms by name."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from torch import nn

from mechanisms.registry import list_mechanisms, load, register


def test_listing_imports_nothing() -> None:
    """A mechanism's module is imported when it is loaded, not when it is listed."""
    code = (
        "import sys; from mechanisms.registry import list_mechanisms, load\n"
        "assert {'moe', 'multi_head', 'topology_gated'} <= {*list_mechanisms()}\n"
        "assert 'mechanisms.moe' not in sys.modules\n"
        "assert load('moe').__name__ == 'MixtureOfExperts'\n"
        "assert 'mechanisms.multi_head' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", list_mechanisms())
def test_every_listed_mechanism_builds(name: str) -> None:
    """The nested configuration builds the class it is nested in."""
    cls: Any = load(name)
    assert isinstance(cls.Config().build(), cls)


def test_a_name_can_be_taken_once() -> None:
    """Overwriting by accident is an error."""
    cls = load("moe")
    with pytest.raises(ValueError, match="'moe' is already MixtureOfExperts"):
        register("moe")(cls)


def test_a_class_without_a_config_is_refused() -> None:
    """What cannot be built from a configuration cannot be registered."""
    with pytest.raises(ValueError, match=r"Linear needs a nested Config with build\(\)"):
        register("plain")(nn.Linear)


def test_an_unknown_name_lists_the_near_ones() -> None:
    """A typing error is answered with what was meant."""
    with pytest.raises(ValueError, match="unknown mechanism 'multihead'; near: multi_head"):
        load("multihead")
