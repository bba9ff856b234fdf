"""Photograph the top of a run's page for the README: python tools/page_picture.py REPORT.html docs/images/report.png.

Needs Chromium or Chrome, which nothing else here does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = "1200,1226"


def photograph(page: Path, out: Path) -> None:
    """Write the upper part of ``page`` to ``out`` as PNG, by day.

    Raises:
        FileNotFoundError: none of ``BROWSERS`` is installed.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise FileNotFoundError(f"none of {', '.join(BROWSERS)} is installed")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--blink-settings=preferredColorScheme=1",
    ]
    shot = f"--screenshot={out.resolve()}"
    subprocess.run([browser, *options, f"--window-size={SIZE}", shot, page.resolve().as_uri()], check=True)


if __name__ == "__main__":
    photograph(Path(sys.argv[1]), Path(sys.argv[2]))
