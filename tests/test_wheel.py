"""The package travels: from a source distribution to a wheel to an environment that has nothing else.

What this proves: the wheel, with what its own metadata asks for at the versions of ``constraints.txt``, is enough to
run; nothing comes from the checkout, from this environment's packages or from a home directory. The wheel is built
from the source distribution, so that one is complete too. What it does not prove: other versions, platforms or
Pythons; and torch is asked for by the very build that is installed here, lest another be downloaded. Packages come
from wherever pip is set up to take them (torch from TORCH_INDEX, if that is set), so this needs a package index.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.test_run import FIELDS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PACKAGES = ("swarm", "mechanisms", "policies")
INDEX = os.environ.get("TORCH_INDEX", "")


def told(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What a command prints on standard output; it has to succeed."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def pip(python: str | Path, *words: str | Path, cwd: Path) -> None:
    """A pip that looks at its own environment alone (-I), whatever PYTHONPATH says."""
    told(python, "-I", "-m", "pip", *words, "--quiet", cwd=cwd)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution; `build/` in the checkout may hold what is long gone."""
    folder = tmp_path_factory.mktemp("built")
    code = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    told(sys.executable, "-c", code, folder, cwd=ROOT)
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, *folder.glob("*.tar.gz"), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


class Away:
    """An environment with the wheel alone, and a shell in an empty folder, with a new home and no other variables."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.venv, self.empty, home = folder / "venv", folder / "empty", folder / "home"
        self.empty.mkdir()
        home.mkdir()
        self._env = {"PATH": f"{self.venv / 'bin'}{os.pathsep}{os.defpath}", "HOME": str(home)}
        told(sys.executable, "-m", "venv", self.venv, cwd=folder)
        self._install(*(("--index-url", INDEX) if INDEX else ()), f"torch=={version('torch')}")
        self._install(wheel)

    def _install(self, *words: str | Path) -> None:
        pip(self.venv / "bin" / "python", "install", "-c", ROOT / "constraints.txt", *words, cwd=self.empty)

    def swarm(self, *words: str) -> str:
        """What a command prints."""
        return told(self.venv / "bin" / "swarm", *words, cwd=self.empty, env=self._env)


@pytest.fixture(scope="module")
def away(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Away:
    """Far from the checkout."""
    return Away(tmp_path_factory.mktemp("away"), wheel)


def test_the_wheel_holds_the_packages_and_the_examples(wheel: Path) -> None:
    """Every module, the marks of typing, weights, all of `configs/` as `swarm/examples/`; no tests or benchmarks."""
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in [ROOT / package / "py.typed", *(ROOT / package).rglob("*.py")]
    }
    wanted |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "policies" / "models").rglob("*.safetensors")}
    configs = ROOT / "configs"
    wanted |= {f"swarm/examples/{path.relative_to(configs).as_posix()}" for path in configs.rglob("*.yaml")}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert wanted == {name for name in held if ".dist-info/" not in name}


def test_the_wheel_asks_for_torch(wheel: Path) -> None:
    """Torch is installed by name below, for its build's sake; the wheel asks for it all the same."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        assert "Requires-Dist: torch==" in archive.read(metadata).decode()


def test_it_says_its_version(away: Away) -> None:
    """The version is the wheel's."""
    assert away.swarm("--version").split()[-1] == version("swarm-ads")


def test_its_settings_are_those_that_it_ships(away: Away, wheel: Path) -> None:
    """`swarm config show` prints the file of defaults that travels in the wheel."""
    shipped = zipfile.ZipFile(wheel).read("swarm/examples/swarm.yaml").decode()
    assert shipped.endswith(away.swarm("config", "show"))


def test_its_campaign_file_is_valid(away: Away) -> None:
    """What `swarm init` writes passes `swarm validate`."""
    away.swarm("init", "mine.yaml")
    assert away.swarm("validate", "mine.yaml").startswith("valid: ")


@pytest.mark.cluster
def test_it_runs_the_examples(away: Away) -> None:
    """`swarm run` without SPEC spends a day of the shipped campaigns' money, and not a micro too much."""
    assert "hearth-kettle-sales" in away.swarm("run", "--days", "1", "--json", "out.json")
    found = json.loads((away.empty / "out.json").read_text())
    assert set(found) >= FIELDS
    assert (8, 0) == (found["campaigns"], found["overspend_micros"])
    assert (away.empty / "runs" / "swarm-run-001").is_dir()
