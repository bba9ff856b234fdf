"""What all tests share: repeatable examples, one thread, and no silent skips where everything is installed."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest
import torch
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=False)
settings.load_profile("repeatable")
torch.set_num_threads(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With SWARM_CI=1 a test that skips because it "needs " something fails: there everything is at hand."""
    report = yield
    reason = _skip_reason(report.longrepr)
    if os.environ.get("SWARM_CI") == "1" and report.skipped and reason.startswith("needs "):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be missing: {reason}"
    return report


def _skip_reason(longrepr: Any) -> str:
    return longrepr[2].removeprefix("Skipped: ") if isinstance(longrepr, tuple) else ""
