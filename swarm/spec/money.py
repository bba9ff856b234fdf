"""Money as integer micros: one millionth of a currency's main unit, never a float."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

MICROS = 1_000_000
"""Micros in one main unit, for every currency (a yen has a million as well)."""

_DIGITS = {
    0: "CLP ISK JPY KRW PYG UGX VND",
    2: "AED ARS AUD BGN BRL CAD CHF CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR KES MAD MXN MYR "
    "NGN NOK NZD PEN PHP PKR PLN QAR RON SAR SEK SGD THB TRY TWD UAH USD UYU ZAR",
    3: "BHD JOD KWD OMR TND",
}

MINOR_DIGITS: Mapping[str, int] = MappingProxyType(
    {code: digits for digits, codes in _DIGITS.items() for code in codes.split()}
)
"""Decimals of each supported currency (ISO 4217)."""

_DECIMAL = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]+))?")


def minor_digits(currency: str) -> int:
    """The decimals that amounts in ``currency`` have.

    Raises:
        ValueError: the currency is not in ``MINOR_DIGITS``.
    """
    if currency not in MINOR_DIGITS:
        raise ValueError(f"unknown currency {currency!r}")
    return MINOR_DIGITS[currency]


def to_micros(text: str, currency: str) -> int:
    """The amount that ``text`` writes, in micros.

    >>> to_micros("12.50", "USD")
    12500000

    Raises:
        ValueError: not a plain decimal, or with more decimals than the currency has.
    """
    digits = minor_digits(currency)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a plain decimal amount such as '12' or '12.50'")
    sign, units, fraction = match[1], match[2], match[3] or ""
    # Zeros count as well: half of the world reads "1.000" as a thousand.
    if len(fraction) > digits:
        raise ValueError(f"{text!r} is too precise: {currency} has {digits} decimals")
    micros = int(units) * MICROS + int(fraction.ljust(6, "0"))
    return -micros if sign else micros


def format_micros(micros: int, currency: str) -> str:
    """``micros`` as a decimal; beyond the currency's own decimals only where needed to stay exact.

    >>> format_micros(12_500_000, "USD"), format_micros(12_500_000, "KWD"), format_micros(1_234, "USD")
    ('12.50', '12.500', '0.001234')
    """
    digits = minor_digits(currency)
    units, rest = divmod(abs(micros), MICROS)
    padded = f"{rest:06d}"
    fraction = padded[:digits] + padded[digits:].rstrip("0")
    sign = "-" if micros < 0 else ""
    return f"{sign}{units}.{fraction}" if fraction else f"{sign}{units}"
