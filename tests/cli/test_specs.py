"""The commands for campaign files and settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from swarm.cli.specs import config, init, schema, validate
from swarm.spec.campaign import Campaign, load_campaigns
from swarm.spec.config import SwarmConfig
from swarm.spec.example import EXAMPLE
from swarm.spec.render import render


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A campaign file without mistakes."""
    path = tmp_path / "good.yaml"
    path.write_text(EXAMPLE)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A campaign file with two mistakes."""
    path = tmp_path / "bad.yaml"
    path.write_text(EXAMPLE.replace("currency: USD", "currency: USX").replace("mode: observe", "mode: approval"))
    return path


def test_validate_names_the_campaigns(good: Path) -> None:
    """Valid files are listed by campaign."""
    result = CliRunner().invoke(validate, [str(good)])
    assert (0, "valid: spring-trail-shoes\n") == (result.exit_code, result.output)


def test_validate_lists_every_mistake(good: Path, bad: Path) -> None:
    """Mistakes are listed one a line on standard error, with exit status 2."""
    result = CliRunner().invoke(validate, [str(good), str(bad), "nowhere.yaml"])
    assert [
        f"{bad}:11: currency: unknown currency (got 'USX'; did you mean 'USD'?)",
        f"{bad}:79: autonomy.mode: must be 'observe', 'propose', 'approve' or 'auto' (got 'approval'; did you mean "
        "'approve'?)",
        "nowhere.yaml: No such file or directory",
    ] == result.stderr.splitlines()
    assert (2, "") == (result.exit_code, result.stdout)


def test_validate_as_json(good: Path, bad: Path) -> None:
    """Programs get the parts of each mistake by name."""
    right = CliRunner().invoke(validate, ["--json", str(good)])
    wrong = CliRunner().invoke(validate, ["--json", str(bad)])
    assert {"valid": True, "campaigns": ["spring-trail-shoes"]} == json.loads(right.stdout)
    assert 2 == wrong.exit_code
    first = {
        "file": str(bad),
        "line": 11,
        "field": "currency",
        "message": "unknown currency",
        "value": "USX",
        "nearest": "USD",
    }
    assert first == json.loads(wrong.stdout)["errors"][0]


def test_schema_is_the_campaigns() -> None:
    """The schema names the fields as files do, and asks for money as text."""
    printed = json.loads(CliRunner().invoke(schema).stdout)
    assert "apiVersion" in printed["properties"]
    assert "string" == printed["$defs"]["Budget"]["properties"]["amount"]["type"]
    assert Campaign.model_json_schema() == printed


def test_init_writes_a_valid_campaign(tmp_path: Path) -> None:
    """The example that init writes is valid as it is."""
    path = tmp_path / "new.yaml"
    result = CliRunner().invoke(init, [str(path)])
    assert (0, f"wrote {path}\n") == (result.exit_code, result.output)
    assert ["spring-trail-shoes"] == [campaign.name for campaign in load_campaigns([path])]


def test_init_overwrites_only_by_force(tmp_path: Path) -> None:
    """A file that is there stays as it is unless --force is given."""
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    refused = CliRunner().invoke(init, [str(path)])
    assert (1, f"Error: {path} exists; --force overwrites it\n") == (refused.exit_code, refused.stderr)
    assert "mine" == path.read_text()
    assert 0 == CliRunner().invoke(init, [str(path), "--force"]).exit_code
    assert EXAMPLE == path.read_text()


def test_init_needs_its_folder(tmp_path: Path) -> None:
    """A folder that is not there is told, not traced."""
    result = CliRunner().invoke(init, [str(tmp_path / "none" / "c.yaml")])
    assert (1, True) == (result.exit_code, "No such file or directory" in result.stderr)


def test_config_show_is_commented_yaml(tmp_path: Path) -> None:
    """Settings are shown with their meaning and bounds, and what is shown loads again."""
    path = tmp_path / "s.yaml"
    path.write_text("pacing: {gain: 1.5}")
    shown = CliRunner().invoke(config, ["show", "--file", str(path)]).stdout
    assert "past 1 it overshoots; 0.05 to 2.\n  gain: 1.5\n" in shown
    path.write_text(shown)
    assert shown == CliRunner().invoke(config, ["show", "--file", str(path)]).stdout


def test_config_show_as_json() -> None:
    """Programs get the settings as JSON."""
    shown = CliRunner().invoke(config, ["show", "--json"]).stdout
    assert SwarmConfig() == SwarmConfig.model_validate_json(shown)
    assert render(SwarmConfig()) == CliRunner().invoke(config, ["show"]).stdout


def test_config_show_tells_mistakes(tmp_path: Path) -> None:
    """A wrong setting ends with status 2 and its place."""
    path = tmp_path / "s.yaml"
    path.write_text("pacing: {gain: 9}")
    result = CliRunner().invoke(config, ["show", "--file", str(path)])
    assert (2, f"{path}:1: pacing.gain: must be less than or equal to 2 (got '9')\n") == (
        result.exit_code,
        result.stderr,
    )
