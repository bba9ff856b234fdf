"""What the pages of ``docs/mechanisms/`` show: every example runs and answers what it says, every picture is there."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
import torch

PAGES = sorted((Path(__file__).parents[2] / "docs" / "mechanisms").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_pages_example_runs_as_it_stands(page: Path) -> None:
    """A page has an example, and it prints what the page says."""
    torch.manual_seed(0)
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_pages_pictures_are_beside_it(page: Path) -> None:
    """No link to a picture leads nowhere."""
    for picture in re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / picture).is_file(), picture
