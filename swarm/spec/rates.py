"""Rough exchange rates, so that a report can give one total; no cap and no decision rests on them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RATES_OF = "2025-12"
"""The month whose rates these are, to about two digits."""

_PER_USD = {
    "AED": 3.67, "ARS": 1450, "AUD": 1.5, "BGN": 1.67, "BHD": 0.376, "BRL": 5.4, "CAD": 1.38, "CHF": 0.8, "CLP": 920,
    "CNY": 7.1, "COP": 3800, "CZK": 20.8, "DKK": 6.4, "EGP": 47.5, "EUR": 0.86, "GBP": 0.75, "HKD": 7.8, "HUF": 330,
    "IDR": 16600, "ILS": 3.25, "INR": 90, "ISK": 127, "JOD": 0.709, "JPY": 156, "KES": 129, "KRW": 1470, "KWD": 0.307,
    "MAD": 9.2, "MXN": 18, "MYR": 4.1, "NGN": 1450, "NOK": 10.1, "NZD": 1.73, "OMR": 0.385, "PEN": 3.37, "PHP": 59,
    "PKR": 280, "PLN": 3.63, "PYG": 6900, "QAR": 3.64, "RON": 4.36, "SAR": 3.75, "SEK": 9.4, "SGD": 1.29, "THB": 32,
    "TND": 2.93, "TRY": 42.6, "TWD": 31, "UAH": 42.2, "UGX": 3560, "USD": 1.0, "UYU": 39.2, "VND": 26300, "ZAR": 17,
}  # fmt: skip

PER_USD: Mapping[str, float] = MappingProxyType(_PER_USD)
"""Units of each supported currency that a US dollar buys."""


def in_usd(amount: float, currency: str) -> float:
    """``amount`` of ``currency`` in US dollars, roughly."""
    return amount / PER_USD[currency]
