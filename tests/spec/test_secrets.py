"""Secrets are references where people write them, and are shown nowhere."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from swarm.spec.campaign import Campaign, load_campaigns
from swarm.spec.config import SwarmConfig, load_config
from swarm.spec.errors import SpecErrors
from swarm.spec.secrets import Secret, resolve

CANARY = "canary-7f3a91"
URL = f"https://hooks.example/{CANARY}"
LITERALS = [
    URL,
    f"env:{URL}",
    f"file:{CANARY}",
    f"env:A {CANARY}",
    f"file:/a\n{CANARY}",
    f"vault:{CANARY}",
    CANARY * 200,
]
HOOK = "# notifications: [{type: webhook, url_ref: env:SPRING_SHOES_WEBHOOK}]"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "%s".__mod__, lambda s: json.dumps(s, default=str)])
def test_no_text_shows_a_secret(show: Callable[[Any], str]) -> None:
    """Whichever way it is made text."""
    assert CANARY not in show(Secret(CANARY))
    assert CANARY not in show([Secret(CANARY)])
    assert CANARY == Secret(CANARY).reveal()


def test_a_secret_does_not_travel() -> None:
    """Neither as JSON by itself nor between processes."""
    with pytest.raises(TypeError):
        json.dumps(Secret(CANARY))
    with pytest.raises(TypeError, match="send its reference"):
        pickle.dumps(Secret(CANARY))


def test_references_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment, and from a file without its line end."""
    monkeypatch.setenv("A_SECRET", CANARY)
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    assert CANARY == resolve("env:A_SECRET").reveal() == resolve(f"file:{tmp_path}/secret").reveal()


def test_what_cannot_be_resolved_is_told_by_its_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing there, nothing in it, no text; a literal is not repeated, not even in what the error came from."""
    monkeypatch.delenv("A_SECRET", raising=False)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bytes").write_bytes(CANARY.encode() + b"\xff")
    for reference, said in (
        ("env:A_SECRET", "env:A_SECRET: is not set"),
        (f"file:{tmp_path}/none", "none: No such file"),
        (f"file:{tmp_path}/empty", "empty: is empty"),
        (f"file:{tmp_path}/bytes", "bytes: is not text"),
        (URL, "not a reference to a secret"),
    ):
        with pytest.raises(ValueError, match=said) as caught:
            resolve(reference)
        assert CANARY not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize("literal", LITERALS, ids=range(len(LITERALS)))
def test_a_literal_secret_in_a_campaign_is_refused_and_not_repeated(literal: str, edited: Callable[..., Path]) -> None:
    """The message says where it stands and what belongs there."""
    path = edited((HOOK, f"notifications:\n  - type: webhook\n    url_ref: {json.dumps(literal)}"))
    with pytest.raises(SpecErrors) as caught:
        load_campaigns([path])
    said = str(caught.value)
    assert re.search(
        r"c\.yaml:\d+: notifications\[0\]\.url_ref: must be a reference, env:NAME or file:/path, never", said
    )
    assert CANARY not in said
    assert CANARY not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "entry", [f"{{type: webhook, url: '{URL}'}}", f"'{URL}'", f"{{type: '{URL}', url_ref: env:A}}"]
)
def test_a_secret_in_the_wrong_place_is_not_repeated(entry: str, edited: Callable[..., Path]) -> None:
    """Nor where a name is misspelt."""
    with pytest.raises(SpecErrors, match=r"c\.yaml:\d+: notifications\[0\]") as caught:
        load_campaigns([edited((HOOK, f"notifications: [{entry}]"))])
    assert CANARY not in f"{caught.value} {caught.value.__cause__}"


def test_a_campaign_keeps_references_alone(edited: Callable[..., Path]) -> None:
    """They travel with it, whole."""
    (campaign,) = load_campaigns([edited((HOOK, "notifications: [{type: webhook, url_ref: file:/run/secrets/hook}]"))])
    again = Campaign.model_validate_json(campaign.model_dump_json(by_alias=True))
    assert "file:/run/secrets/hook" == again.notifications[0].url_ref
    raw = campaign.model_dump(mode="json", by_alias=True) | {"notifications": [{"type": "webhook", "url_ref": URL}]}
    with pytest.raises(ValidationError) as caught:
        Campaign.model_validate(raw)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("literal", LITERALS, ids=range(len(LITERALS)))
def test_a_literal_secret_in_the_settings_is_refused_and_not_repeated(literal: str, tmp_path: Path) -> None:
    """As in a campaign; a reference is taken, and none is the default."""
    path = tmp_path / "s.yaml"
    path.write_text(f"notifications:\n  webhook: {json.dumps(literal)}\n")
    with pytest.raises(SpecErrors, match=r"s\.yaml:2: notifications\.webhook: must be a reference") as caught:
        load_config(path)
    assert CANARY not in f"{caught.value} {caught.value.__cause__}"
    path.write_text("notifications: {webhook: env:HOOK}")
    assert "env:HOOK" == load_config(path).notifications.webhook
    assert SwarmConfig().notifications.webhook is None
