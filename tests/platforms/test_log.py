"""Reading an account's log: what is right becomes arrays, what is wrong is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from swarm.platforms.log import read_log
from swarm.spec.errors import SpecError, SpecErrors
from tests.platforms.logs import known_log, lines, write

GOOD = lines(known_log(30))


def _errors(path: Path, columns: dict[str, str] | None = None) -> tuple[SpecError, ...]:
    with pytest.raises(SpecErrors) as raised:
        read_log(path, columns)
    return raised.value.errors


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every number, every date, and NaN where a campaign has no row."""
    log = known_log(30)
    log.clicks[3, 0] = log.cost[3, 0] = log.budget[3, 0] = np.nan
    read = read_log(write(tmp_path / "log.csv", lines(log)))
    assert (read.first, set(read.names), len(read)) == (log.first, set(log.names), 30)
    order = [read.names.index(name) for name in log.names]
    for name in ("clicks", "cost", "budget"):
        np.testing.assert_array_equal(getattr(read, name)[:, order], getattr(log, name))


def test_days_without_any_row_are_days_of_the_log(tmp_path: Path) -> None:
    """A weekend in which nothing ran leaves a gap, not a shorter log."""
    kept = [line for line in GOOD if "2024-03-09" not in line and "2024-03-10" not in line]
    read = read_log(write(tmp_path / "log.csv", kept))
    assert len(read) == 30
    assert np.isnan(read.cost[5:7]).all()


def test_columns_may_have_other_names_and_company(tmp_path: Path) -> None:
    """What is called otherwise is found by its name; other columns are left alone."""
    header = GOOD[0].replace("click", "Clicks") + ",ctv"
    text = [header, *(f"{line},1" for line in GOOD[1:])]
    read = read_log(write(tmp_path / "log.csv", text), {"click": "Clicks"})
    np.testing.assert_array_equal(read.clicks, known_log(30).clicks)


@pytest.mark.parametrize(("old", "new", "field", "message"), [
    ("2024-03-05,search", "05.03.2024,search", "date", "must be a date"),
    ("2024-03-05,search", "2024-03-05,", "campaign_name", "must name a campaign"),
    ("2024-03-05,search,", "2024-03-05,search,-", "click", "from 0 on"),
    ("2024-03-05,search,", "2024-03-05,search,x", "click", "must be a number"),
    ("2024-03-05,search", "2024-03-04,search", "campaign_name", "a second row of 2024-03-04"),
])  # fmt: skip
def test_a_mistake_is_named_with_its_line_column_and_value(
    tmp_path: Path, old: str, new: str, field: str, message: str
) -> None:
    """So that a person can go there and mend it."""
    path = tmp_path / "log.csv"
    path.write_text("\n".join(GOOD).replace(old, new) + "\n", encoding="utf-8")
    error = _errors(path)[0]
    assert (error.file, error.line, error.field) == (str(path), 4, field)
    assert message in error.message
    assert error.value is not None


def test_a_missing_column_is_told_with_the_nearest_one(tmp_path: Path) -> None:
    """One error for each column that is not there."""
    (error,) = _errors(write(tmp_path / "log.csv", [GOOD[0].replace("click", "clicks"), *GOOD[1:]]))
    assert (error.line, error.field, error.nearest) == (1, "click", "clicks")


def test_every_wrong_value_is_told_at_once(tmp_path: Path) -> None:
    """Not one after the other."""
    text = [GOOD[0], "yesterday,a,1,1,x", "2024-03-05,a,1,1,1,1", "2024-03-05,a,nan,inf,", *GOOD[1:]]
    assert [(error.line, error.field) for error in _errors(write(tmp_path / "log.csv", text))] == [
        (2, "date"),
        (2, "campaign_budget_total_amount"),
        (3, ""),
        (4, "click"),
        (4, "cost"),
        (4, "campaign_budget_total_amount"),
    ]


def test_too_little_to_fit_is_told(tmp_path: Path) -> None:
    """Too few days, or a campaign with too few of its own."""
    (error,) = _errors(write(tmp_path / "short.csv", GOOD[: 1 + 2 * 19]))
    assert "has 19 days" in error.message
    (error,) = _errors(write(tmp_path / "new.csv", [*GOOD, "2024-03-30,new,1,1,1"]))
    assert error.value == "new"
    assert "has 1 days with cost and clicks" in error.message


def test_a_file_that_cannot_be_read_is_an_error_of_the_file(tmp_path: Path) -> None:
    """Missing, a folder, or no text."""
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("nowhere.csv", "", "binary.csv"):
        (error,) = _errors(tmp_path / name)
        assert "cannot be read as a log" in error.message


def test_a_part_begins_on_its_own_date() -> None:
    """And its weekdays with it."""
    log = known_log(30)
    part = log.part(slice(10, 20))
    assert (part.first - log.first).days == 10
    np.testing.assert_array_equal(part.weekday, log.weekday[10:20])
    np.testing.assert_array_equal(part.cost, log.cost[10:20])
    assert replace(log).only(np.array([False, True])).names == ("brand",)
