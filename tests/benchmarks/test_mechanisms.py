"""The command that measures the mechanisms, with next to no repeats."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import mechanisms
from benchmarks.case import Case, Inputs
from benchmarks.cases import CASES
from benchmarks.measure import FIELDS, measure, mistakes
from benchmarks.mechanisms import main
from benchmarks.timing import Effort
from mechanisms.registry import list_mechanisms

BRIEF = Effort(repeats=1, calls=3, long_calls=1, lengths=(512, 1024, 2048), short_s=0.0)


def _off(fast: Callable[[Inputs], Tensor], rows: int) -> Callable[[Inputs], Tensor]:
    """An answer that is wrong from row ``rows`` of the batch on."""

    def wrong(inputs: Inputs) -> Tensor:
        output = fast(inputs)
        return torch.cat([output[:rows], output[rows:] + 0.01])

    return wrong


def test_one_mechanism_is_a_row_on_the_screen_and_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The row has exactly the fields that were agreed; what was measured beside them stands in the details."""
    path = tmp_path / "new" / "found.json"
    assert main(["--only", "multi_head", "--json", str(path)], BRIEF) == 0
    said = capsys.readouterr().out
    written = json.loads(path.read_text())
    assert list(written) == ["machine", "command", "multi_head", "details"]
    assert list(written["multi_head"]) == list(FIELDS)
    assert {name for name, value in written["multi_head"].items() if value is None} == {
        "peer_ratio_single", "peer_ratio_sequence", "peer_max_abs_diff",
    }  # fmt: skip
    assert list(written["details"]["multi_head"]["ms_by_length"]) == ["512", "1024", "2048"]
    assert written["machine"] in said
    assert f"{written['multi_head']['p50_ms']:.3g}" in said


def test_an_unknown_name_is_refused_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong input is exit status 2."""
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "multihead"], BRIEF)
    assert "'multi_head'" in capsys.readouterr().err


@pytest.mark.parametrize("rows", [0, 63], ids=["everywhere", "last of the batch"])
def test_what_is_wrong_is_not_timed(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer that differs from the definition: exit status 1, nulls in its row, and the reason on the screen."""
    case = CASES["multi_head"]()
    monkeypatch.setattr(mechanisms, "CASES", {"multi_head": lambda: replace(case, fast=_off(case.fast, rows))})
    path = tmp_path / "found.json"
    assert main(["--only", "multi_head", "--json", str(path)], BRIEF) == 1
    assert json.loads(path.read_text())["multi_head"] == dict.fromkeys(FIELDS)
    assert "multi_head is not timed" in capsys.readouterr().out


def test_a_target_that_is_missed_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Yes and no stand beside the figures; a missed target is no failure of the command."""
    case = replace(CASES["multi_head"](), at_most={"p50_ms": 0.0, "parameter_mb": 9.0})
    monkeypatch.setattr(mechanisms, "CASES", {"multi_head": lambda: case})
    assert main(["--only", "multi_head"], BRIEF) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    verdicts = {line[1]: line[-1] for line in lines if len(line) > 2 and line[2] == "<="}
    assert verdicts == {"p50_ms": "NO", "parameter_mb": "yes"}


def test_lengths_end_where_memory_would_pass_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares of the length: what the next would hold is foretold, not tried."""
    monkeypatch.setattr("benchmarks.measure.MOST_BYTES", 20 * 1024**2)
    tried: list[int] = []

    def fast(inputs: Inputs) -> Tensor:
        tried.append(inputs["query"].shape[1])
        return torch.empty(tried[-1], tried[-1])

    case: Case = replace(CASES["multi_head"](), fast=fast)
    found = measure(case, replace(BRIEF, lengths=(512, 1024, 2048, 4096)))
    assert list(found["ms_by_length"]) == [512, 1024, 2048]
    assert max(tried) == 2048
    assert found["memory_exponent"] == pytest.approx(2.0)


SLOW = ("linear", "sliced_wasserstein", "mixed_curvature", "unified_report")
"""Seconds each, for their definitions are loops."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES])
def test_every_mechanism_passes_the_gate(name: str) -> None:
    """One query, a sequence and a row of a batch are what the definition says, in float32 at the seed's setting."""
    with torch.inference_mode():
        assert list(mistakes(CASES[name]())) == []


def test_the_table_has_the_eight_use_cases_the_four_theories_and_three_functions() -> None:
    """Under the names by which mechanisms are loaded, and those of the functions."""
    assert len(CASES) == 15
    assert set(CASES) - {"coherence", "diffusion", "unified_report"} <= set(list_mechanisms())
