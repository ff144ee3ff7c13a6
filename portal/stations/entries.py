"""What people type, as values: texts, amounts, identifiers.

Each function raises RuleBroken at the field it is given."""

import re
import unicodedata
from decimal import Decimal

from portal.core.errors import RuleBroken
from portal.formats.market_ids import is_metering_code

# Up to nine digits, with a point or a comma, thousands by an apostrophe: no exponent, no NaN, no infinity.
_AMOUNT = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,12})?")
_THOUSANDS = str.maketrans("", "", "'’ \u00a0\u202f")
_UNPRINTABLE = {"Cc", "Cs", "Cn"}
_LINE_BREAKS = "\n\t"
CANTONS = (
    "AG", "AI", "AR", "BE", "BL", "BS", "FR", "GE", "GL", "GR", "JU", "LU", "NE", "NW", "OW", "SG", "SH", "SO", "SZ",
    "TG", "TI", "UR", "VD", "VS", "ZG", "ZH",
)  # fmt: skip


def line(field: str, text: str | None, longest: int, *, required: bool = False) -> str:
    """One line of text, trimmed; "" for none."""
    trimmed = (text or "").strip()
    if any(unicodedata.category(letter) in _UNPRINTABLE for letter in trimmed):
        raise RuleBroken(field, "Leave out control characters and line breaks.")
    return _bounded(field, trimmed, longest, required=required)


def paragraph(field: str, text: str | None, longest: int) -> str:
    """Text of several lines, trimmed, lines ended by a line feed; "" for none."""
    trimmed = (text or "").replace("\r\n", "\n").strip()
    if any(unicodedata.category(c) in _UNPRINTABLE and c not in _LINE_BREAKS for c in trimmed):
        raise RuleBroken(field, "Leave out control characters.")
    return _bounded(field, trimmed, longest, required=False)


def _bounded(field: str, text: str, longest: int, *, required: bool) -> str:
    if required and not text:
        raise RuleBroken(field, "This must be filled in.")
    if len(text) > longest:
        raise RuleBroken(
            field, "Use at most %(longest)s characters; these are %(given)s.", longest=longest, given=len(text)
        )
    return text


def amount(field: str, text: str | None) -> Decimal | None:
    """A decimal number as people write it: 0.375, 0,375 or 1'000.50; none for blanks."""
    written = (text or "").strip().translate(_THOUSANDS).replace(",", ".")
    if not written:
        return None
    if not _AMOUNT.fullmatch(written):
        raise RuleBroken(field, "Enter a number such as 0.375.")
    return Decimal(written)


def scaled(field: str, value: Decimal, factor: int, low: Decimal, high: Decimal) -> int:
    """`value` times `factor` as a whole number, for values from `low` to `high` with no more decimals than that."""
    if not value.is_finite() or not low <= value <= high:
        raise RuleBroken(field, "Enter a number from %(low)s to %(high)s.", low=low, high=high)
    whole = value * factor
    if whole != whole.to_integral_value():
        decimals = len(str(factor)) - 1
        raise RuleBroken(field, "Use at most %(decimals)s decimals.", decimals=decimals)
    return int(whole)


def price(field: str, value: Decimal | None) -> int:
    """A price in CHF with up to four decimals as hundredths of a Rappen; 0 for none."""
    return scaled(field, value or Decimal(0), 10_000, Decimal(0), Decimal(1000))


def power(field: str, value: Decimal | None) -> int | None:
    """A power in kW with up to three decimals as W; none for none."""
    return None if value is None else scaled(field, value, 1000, Decimal("0.001"), Decimal(10_000))


def canton(field: str, text: str) -> str | None:
    """A Swiss canton by its two letters; none for blanks."""
    letters = text.strip().upper()
    if letters and letters not in CANTONS:
        raise RuleBroken(field, "Choose a canton, such as ZH.")
    return letters or None


def looks_wrong(metering_code: str | None) -> bool:
    """Whether a code that begins like a Swiss metering code is none: CH and 31 digits, capital letters or hyphens
    (VSE, Metering Code Schweiz). Other codes are the receiver's own and not judged."""
    code = metering_code or ""
    return code[:2].upper() == "CH" and not is_metering_code(code)
