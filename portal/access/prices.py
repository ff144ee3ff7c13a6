"""Prices and what the tax is in them."""

from bisect import bisect_right
from datetime import date
from typing import NamedTuple


class Price(NamedTuple):
    """What charging costs, VAT included, in hundredths of a Rappen: 37.5 Rp./kWh is 3750.

    The hour counts from plugging in to unplugging; costs say which part of it was charging and which was parking.
    """

    per_kwh: int = 0
    per_hour: int = 0
    per_session: int = 0


FREE = Price()

# The Swiss standard rate in permille from each day on: Federal Act on VAT, Art. 25; before 2018 8.0 %.
_VAT_DAYS = (date(2011, 1, 1), date(2018, 1, 1), date(2024, 1, 1))
_VAT_PERMILLE = (80, 77, 81)


def vat_permille(day: date) -> int:
    """The Swiss standard VAT rate of this local day in permille; for days before 2011 the one of 2011."""
    return _VAT_PERMILLE[max(0, bisect_right(_VAT_DAYS, day) - 1)]


def vat_within(total: int, permille: int) -> int:
    """The VAT contained in an amount, in its own unit (Rappen), rounded half up."""
    return (2 * total * permille + 1000 + permille) // (2 * (1000 + permille))
