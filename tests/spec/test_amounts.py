"""Money text and micros."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.spec.delivery import OVER_DELIVERY
from swarm.spec.money import MINOR_DIGITS, format_micros, to_micros
from swarm.spec.sections import Platform

currencies = st.sampled_from(sorted(MINOR_DIGITS))


@given(currencies, st.integers(-(10**12) + 1, 10**12 - 1))
def test_minor_units_round_trip(currency: str, minor: int) -> None:
    """Any whole number of minor units comes back from its text."""
    micros = minor * 10 ** (6 - MINOR_DIGITS[currency])
    assert micros == to_micros(format_micros(micros, currency), currency)


@given(st.integers(-(10**17), 10**17))
def test_formatting_loses_nothing(micros: int) -> None:
    """Even micros below the currency's own decimals stay in the text."""
    assert Decimal(micros) == Decimal(format_micros(micros, "USD")) * 1_000_000


@pytest.mark.parametrize(
    ("text", "currency", "micros"),
    [
        ("12", "USD", 12_000_000),
        ("0.01", "EUR", 10_000),
        ("1.5", "GBP", 1_500_000),
        ("120000", "JPY", 120_000_000_000),
        ("0.001", "KWD", 1_000),
        ("-3.20", "BRL", -3_200_000),
    ],
)
def test_text_to_micros(text: str, currency: str, micros: int) -> None:
    """Amounts become micros by each currency's decimals."""
    assert micros == to_micros(text, currency)


@pytest.mark.parametrize(("text", "currency"), [("1.005", "USD"), ("1.000", "USD"), ("1.0", "JPY"), ("1.2345", "KWD")])
def test_too_precise(text: str, currency: str) -> None:
    """More decimals than the currency has are refused, zeros included."""
    with pytest.raises(ValueError, match=rf"'{text}' is too precise: {currency} has [023] decimals"):
        to_micros(text, currency)


@pytest.mark.parametrize("text", ["", ".5", "5.", "1e3", "1,000", "+1", " 1", "1\n", "NaN", "1_0", "٣", "9" * 13])
def test_not_plain(text: str) -> None:
    """Only plain digits with a point are amounts."""
    with pytest.raises(ValueError, match="not a plain decimal"):
        to_micros(text, "USD")


def test_unknown_currency() -> None:
    """A currency outside the table is refused by name."""
    with pytest.raises(ValueError, match="unknown currency 'XXX'"):
        format_micros(1, "XXX")


@pytest.mark.parametrize(("currency", "text"), [("USD", "1.50"), ("JPY", "1.5"), ("KWD", "1.500"), ("CLP", "1.5")])
def test_own_decimals(currency: str, text: str) -> None:
    """A currency's own decimals are always written, more only where needed."""
    assert text == format_micros(1_500_000, currency)


def test_over_delivery_covers_every_platform() -> None:
    """Each platform has its exact day factor."""
    factors = {name: (f.numerator, f.denominator) for name, f in OVER_DELIVERY.items()}
    assert factors.items() >= {"google_ads": (2, 1), "meta": (7, 4), "tiktok": (5, 4), "linkedin": (3, 2)}.items()
    assert set(factors) == set(get_args(Platform))
