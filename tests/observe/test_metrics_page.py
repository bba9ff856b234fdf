"""The page about metrics and logs says what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

from structlog.contextvars import bound_contextvars

from swarm.observe.logging import configure_logging
from swarm.observe.metrics import CATALOGUE, Metric

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")


def row(metric: Metric) -> str:
    """A metric's line of the table."""
    tags = ", ".join(f"`{tag}`" for tag in metric.tags)
    return f"| `ray_{metric.name}` | {metric.kind} | {tags} | {metric.description} |"


def test_the_table_is_the_catalogue() -> None:
    """Every series in its order, with its kind, tags and meaning, and no other; on failure, the lines to paste."""
    expected = [row(metric) for metric in CATALOGUE]
    assert [line for line in PAGE.splitlines() if line.startswith("| `ray_")] == expected, "\n".join(expected)


def test_a_line_of_the_log_has_the_fields_that_the_page_names(tmp_path: Path) -> None:
    """The page's list of fields is what a logger writes by itself."""
    log = configure_logging("demo", "page", tmp_path)
    with bound_contextvars(tick=3):
        log.info("seen")
    fields = json.loads((tmp_path / "logs" / "page.jsonl").read_text("utf-8"))
    assert set(re.findall(r"^- `(\w+)`:", PAGE, re.MULTILINE)) == set(fields)
