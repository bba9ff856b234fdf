"""YAML read as text, with lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.spec.errors import SpecError
from swarm.spec.yaml import load_yaml, parse_yaml


def complaint(text: str | bytes) -> str:
    """What parsing ``text`` says."""
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize("scalar", ["NO", "on", "12:30", "2026-03-01", "0o17", "1e3", "1_000", ".inf", "200.00"])
def test_scalars_stay_text(scalar: str) -> None:
    """What YAML 1.1 would turn into something else is read as written."""
    assert {"key": scalar} == parse_yaml(f"key: {scalar}", "f.yaml").tree


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_nothing_is_none(nothing: str) -> None:
    """An empty value, a tilde and null are None."""
    assert {"key": None} == parse_yaml(f"key: {nothing}", "f.yaml").tree


@pytest.mark.parametrize("text", ["", "~", "null"])
def test_quoted_nothing_is_text(text: str) -> None:
    """Quotes keep what would be nothing as text."""
    assert {"key": text} == parse_yaml(f"key: '{text}'", "f.yaml").tree


def test_lines() -> None:
    """Each field knows its line, and a missing one that of its holder."""
    document = parse_yaml("# title\na:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "f.yaml")
    at = {
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c", 1): 6,
        ("a", "c", 1, "d"): 6,
        ("a", "missing", 3): 2,
        ("z",): 2,
    }
    assert at == {loc: document.line(loc) for loc in at}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3: a: given twice, first on line 1"),
        ("x:\n  - a: 1\n    a: 2", "f.yaml:3: x[0].a: given twice, first on line 2"),
        ("a: &x 1\nb: *x", "f.yaml:2: aliases are not allowed"),
        ("&x [*x]", "f.yaml:1: aliases are not allowed"),
        ("a: 1\nb: !!python/name:os.system x", "f.yaml:2: tags are not allowed"),
        ("a: 1\n---\nb: 1", "f.yaml:2: expected a single document in the stream, but found another document"),
        ("? [a]\n: b", "f.yaml:1: a name must be plain text"),
        ("[" * 5000, "f.yaml:1: nested too deeply"),
        ("a: [1,\nb: 2", "f.yaml:2: while parsing a flow sequence, expected ',' or ']'"),
        ("# nothing", "f.yaml: the file is empty"),
        (b"a: \xff", "f.yaml: not YAML: unacceptable character #x00ff"),
        ('"\\UFFFFFFFF"', "f.yaml: not YAML:"),
    ],
)
def test_refused(text: str | bytes, said: str) -> None:
    """Whatever hides size, type or meaning is refused with its line."""
    assert complaint(text).startswith(said)


def test_alias_bomb_is_cheap() -> None:
    """Nine levels of nine aliases are refused at the first alias."""
    levels = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    assert complaint("\n".join(levels)) == "f.yaml:2: aliases are not allowed"


def test_unreadable_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    path = tmp_path / "none.yaml"
    with pytest.raises(SpecError) as caught:
        load_yaml(path)
    assert f"{path}: No such file or directory" == str(caught.value)
