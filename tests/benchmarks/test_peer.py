"""The npm package beside ours, where node is."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.arrays import three
from benchmarks.cases import CASES
from benchmarks.mechanisms import main
from benchmarks.peer import Node, NoPeerError, compare, install
from benchmarks.timing import Effort

BRIEF = Effort(repeats=1, calls=3, short_s=0.01)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is, fetched anew."""
    folder = tmp_path_factory.mktemp("peer")
    try:
        install(folder)
    except NoPeerError as error:
        pytest.skip(str(error))
    return folder


def test_one_that_computes_the_same_answers_the_same(folder: Path) -> None:
    """Arrays reach node and come back as they were: multi-head attention agrees to rounding, a sequence row for row."""
    peer = CASES["multi_head"]().peers[0]
    with Node(folder) as node:
        found = compare(peer, node, BRIEF)
        query, key, value = three(1, 5, 7).values()
        _, answer = node.measure(peer, (query, key, value), BRIEF)
    assert found["max_abs_diff"] < 1e-5
    assert min(found["p50_ms_single"], found["peer_p50_ms_single"], found["ratio_sequence"]) > 0
    torch.testing.assert_close(answer, peer.ours(query, key, value)(), rtol=1e-4, atol=1e-5)


def test_what_the_package_refuses_is_told(folder: Path) -> None:
    """Its own words, with what was asked for."""
    peer = replace(CASES["multi_head"]().peers[0], make=("NoSuchAttention", 256))
    with Node(folder) as node, pytest.raises(NoPeerError, match=r"NoSuchAttention.*not a constructor"):
        compare(peer, node, BRIEF)


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_the_command_puts_it_into_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ratios, and the difference where both compute the same; no difference where they do not."""
    monkeypatch.chdir(tmp_path)
    brief = replace(BRIEF, long_calls=1, lengths=(64,))
    assert main(["--only", "flash", "linear", "--peer", "--json", "found.json"], brief) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["flash"]["peer_ratio_single"] > 0
    assert found["flash"]["peer_ratio_sequence"] > 0
    assert found["flash"]["peer_max_abs_diff"] < 1e-5
    assert found["linear"]["peer_max_abs_diff"] is None
    assert list(found["details"]["linear"]["peers"]) == ["recurrence", "step"]


def test_without_node_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is measured, with the exit status of a wrong input."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert main(["--only", "multi_head", "--peer"], BRIEF) == 2
    assert "node is not here" in capsys.readouterr().out


def test_without_the_network_it_says_what_npm_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that cannot be reached is named."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(NoPeerError, match=r"could not fetch @ruvector/attention@2\.2\.2.*127\.0\.0\.1:9"):
        install(tmp_path / "peer")
