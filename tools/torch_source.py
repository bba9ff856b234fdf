"""Say what installing torch will download, before it is downloaded. Needs nothing but pip."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

TORCH = "torch==2.13.0"
CUDA_GIB = 2.5
"""Roughly what the CUDA libraries that torch brings add up to."""


def cuda_packages(report: dict[str, Any]) -> list[str]:
    """Names of the GPU libraries in a pip installation report."""
    names = [item["metadata"]["name"] for item in report.get("install", [])]
    return sorted(name for name in names if name.lower().startswith(("nvidia", "cuda", "triton")))


def warning(packages: list[str]) -> str:
    """What a person should know before the download begins; empty where there is nothing to say."""
    if not packages:
        return ""
    return (
        f"torch: this package index offers the CUDA build, {len(packages)} GPU libraries of about {CUDA_GIB} GiB.\n"
        "       The swarm needs none of them: `make TORCH_INDEX=<URL of an index with the CPU build>` avoids them."
    )


def main(options: list[str]) -> int:
    """Ask pip what it would install, and warn."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-", *options, TORCH]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode == 0 and (text := warning(cuda_packages(json.loads(answer.stdout)))):
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
