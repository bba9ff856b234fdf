"""Words as vectors."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from policies.embedding import embed_fields, embed_many, embed_text

SMALL = ["Run faster today", "Sleep better tonight", "50 % off all shoes", "Schöne neue Schuhe"]


@pytest.mark.parametrize("text", SMALL)
def test_a_text_is_a_unit_vector(text: str) -> None:
    """Length 1, float32, 256 wide unless told."""
    vector = embed_text(text)
    assert vector.shape == (256,)
    assert np.float32 == vector.dtype
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-6)
    assert embed_text(text, 64).shape == (64,)


@pytest.mark.parametrize("text", ["", "   ", "!?"], ids=["empty", "blank", "signs"])
def test_a_text_without_words_is_zero(text: str) -> None:
    """Nothing known is the zero vector, not NaN."""
    assert not embed_text(text).any()


@pytest.mark.parametrize("salt", ["1", "2"])
def test_another_process_gives_the_same_vector(salt: str) -> None:
    """Python salts its own hash per process; ours must not change."""
    code = "from policies.embedding import embed_text; print(embed_text('Free trial').tobytes().hex())"
    env = os.environ | {"PYTHONHASHSEED": salt}
    result = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    assert embed_text("Free trial").tobytes().hex() == result.stdout.strip()


def test_related_texts_are_nearer_than_strangers() -> None:
    """Shared words and spellings raise the product."""
    base = embed_text("free running shoes")
    same_words, spelling, stranger = (
        float(base @ embed_text(t)) for t in ("running shoes, free!", "free runing shoe", "tax advice")
    )
    assert same_words > spelling > 0.3 > abs(stranger)


def test_case_and_form_do_not_matter() -> None:
    """Full-width and upper case letters are the same letters."""
    np.testing.assert_array_equal(embed_text("free trial"), embed_text("ＦＲＥＥ Trial"))


def test_strangers_are_nearly_orthogonal() -> None:
    """Hashing spreads: random words have products around zero."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vectors = embed_many(["".join(rng.choice(letters, 8)) for _ in range(200)])
    products = (vectors @ vectors.T)[~np.eye(200, dtype=bool)]
    assert abs(products.mean()) < 0.02
    assert products.std() < 0.15


def test_many_are_each_and_repeat() -> None:
    """The batch form stacks the single form; no texts give no rows."""
    rows = embed_many([*SMALL, SMALL[0]])
    np.testing.assert_array_equal(np.stack([embed_text(t) for t in [*SMALL, SMALL[0]]]), rows)
    assert embed_many([]).shape == (0, 256)


def test_a_word_means_something_else_in_another_field() -> None:
    """Fields are kept apart, and their order does not matter."""
    vector = embed_fields({"geo": "us", "goal": "sales"})
    assert vector @ embed_fields({"goal": "sales", "geo": "us"}) == pytest.approx(1.0, abs=1e-6)
    assert abs(embed_fields({"geo": "us"}) @ embed_fields({"goal": "us"})) < 0.5
    assert vector @ embed_fields({"geo": "us", "goal": "leads"}) > 0.3
    assert not embed_fields({}).any()


def test_vectors_are_read_only() -> None:
    """The cache hands one array to everyone."""
    with pytest.raises(ValueError, match="read-only"):
        embed_text("shared")[0] = 1.0
