"""The payment part of a Swiss QR-bill, after the Swiss Implementation Guidelines QR-bill 2.3 of SIX: structured
addresses, the characters that banks accept, and the reference that goes with the account. Pure.
"""

import io
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from stdnum import iban, iso11649
from stdnum.ch import esr

from portal.core.errors import N_, RuleBroken

CURRENCIES = ("CHF", "EUR")
COUNTRIES_OF_ACCOUNTS = ("CH", "LI")
QR_IIDS = range(30000, 32000)  # of a QR-IBAN
MOST_RAPPEN = 99_999_999_999
LONGEST_MESSAGE = 140
LONGEST = {"name": 70, "street": 70, "house_number": 16, "postcode": 16, "town": 35}
NEEDED = ("name", "postcode", "town", "country")
FURTHER = frozenset("ȘșȚț€")  # beside Basic Latin, Latin-1 and Latin Extended-A


class Reference(StrEnum):
    """Which kind of reference a payment names."""

    QRR = "QRR"  # QR-reference, with a QR-IBAN always and with nothing else
    SCOR = "SCOR"  # ISO 11649
    NONE = "NON"


class Address(NamedTuple):
    """A structured address; `country` is of two letters (ISO 3166-1)."""

    name: str
    street: str
    house_number: str
    postcode: str
    town: str
    country: str


class Bill(NamedTuple):
    """What is asked for. `debtor` may be unknown: its field stays to be filled in by hand."""

    account: str
    creditor: Address
    rappen: int
    currency: str
    reference: str
    message: str
    debtor: Address | None = None


def address(fields: Mapping[str, str]) -> Address:
    """The address typed into these fields. RuleBroken at the field that is missing, too long, or holds a character that
    banks do not accept."""
    found = Address(*(" ".join(fields.get(name, "").split()) for name in Address._fields))
    for name, value in found._asdict().items():
        if name in NEEDED and not value:
            raise RuleBroken(name, "This must be filled in.")
        if len(value) > LONGEST.get(name, 2):
            raise RuleBroken(name, "Use at most %(most)s characters.", most=LONGEST.get(name, 2))
        strange = sorted({one for one in value if not _allowed(one)})
        if strange:
            raise RuleBroken(name, "Banks do not accept these characters: %(which)s", which=" ".join(strange[:10]))
    country = found.country.upper()
    if not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise RuleBroken("country", "Enter the two letters of the country, such as CH.")
    return found._replace(country=country)


def account(text: str) -> str:
    """An IBAN or QR-IBAN of Switzerland or Liechtenstein, without blanks. RuleBroken: iban."""
    compact = "".join(text.split()).upper()
    if not compact:
        raise RuleBroken("iban", "This must be filled in.")
    if not compact.isascii() or not iban.is_valid(compact):
        raise RuleBroken("iban", "This is no IBAN: its check digits do not fit.")
    if compact[:2] not in COUNTRIES_OF_ACCOUNTS:
        raise RuleBroken("iban", "A QR-bill is paid to an account in Switzerland or Liechtenstein: CH or LI.")
    return compact


def is_qr_iban(number: str) -> bool:
    return int(number[4:9]) in QR_IIDS if number[4:9].isdigit() else False


def reference_kind(number: str, *, wanted: bool) -> Reference:
    """What goes with an account; `wanted`: whether an IBAN that is no QR-IBAN is to have a reference."""
    if is_qr_iban(number):
        return Reference.QRR
    return Reference.SCOR if wanted else Reference.NONE


def reference(kind: Reference, report_id: int, driver_id: int, currency: str) -> str:
    """The same for the same report, driver and currency, and for no others; empty for Reference.NONE. Ids have at most
    nine digits with SCOR, twelve with QRR."""
    place = CURRENCIES.index(currency) + 1
    if kind is Reference.QRR:
        digits = f"{place}{report_id:012d}{driver_id:013d}"
        return digits + str(esr.calc_check_digit(digits))
    if kind is Reference.SCOR:
        own = f"{report_id}D{driver_id}{currency[0]}"
        return f"RF{_rf_check(own)}{own}"
    return ""


def _rf_check(own: str) -> str:
    """The two check digits of ISO 11649: modulo 97 with letters as two digits."""
    spelled = "".join(str(int(one, 36)) for one in f"{own}RF00")
    found = f"{98 - int(spelled) % 97:02d}"
    iso11649.validate(f"RF{found}{own}")
    return found


def message(text: str) -> str:
    """The text as a bank accepts it: other characters as their Latin letter, or left out."""
    known = "".join(one if _allowed(one) else _plain(one) for one in " ".join(text.split()))
    return " ".join(known.split())[:LONGEST_MESSAGE].rstrip()


def _plain(one: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", one) if _allowed(char))


def _allowed(one: str) -> bool:
    point = ord(one)
    return 0x20 <= point <= 0x7E or 0xA0 <= point <= 0x17F or one in FURTHER


def svg(bill: Bill, language: str) -> str:
    """Receipt and payment part with the QR code as an SVG of 210 x 106 mm: the standard's 105 mm, and a line above them
    to cut along. The library refuses what the standard does; ValueError then."""
    from qrbill import QRBill

    class Drawn(QRBill):  # type: ignore[misc]  # qrbill ships no types
        font_family = "Arimo"  # Liberation Sans, which lies with us

        def draw_blank_rect(self, dwg: Any, grp: Any, x: Any, y: Any, width: float, height: float) -> None:
            """On the receipt 52 x 20 mm, as the standard has it: the library's 25 reach into the amount."""
            super().draw_blank_rect(dwg, grp, x, y, width, height * 20 / 25 if width < height * 2.2 else height)

    made = Drawn(
        account=bill.account,
        creditor=_for_library(bill.creditor),
        amount=f"{Decimal(bill.rappen).scaleb(-2):.2f}",
        currency=bill.currency,
        debtor=_for_library(bill.debtor) if bill.debtor else None,
        reference_number=bill.reference or None,
        additional_information=bill.message,
        language=language,
    )
    drawn = io.StringIO()
    made.as_svg(drawn)
    _head, _, rest = drawn.getvalue().partition("<svg")
    attributes, _, shapes = rest.partition(">")
    told = f"{bill.currency} {made.amount}, {bill.account}, {bill.reference}".rstrip(", ")  # for who cannot see it
    return f"<svg{attributes}><title>{told}</title>{shapes}"


def _for_library(one: Address) -> dict[str, str]:
    names = ("name", "street", "house_num", "pcode", "city", "country")
    return dict(zip(names, one, strict=True))


KINDS = {
    Reference.QRR: N_("QR-reference, which goes with a QR-IBAN"),
    Reference.SCOR: N_("Creditor Reference (ISO 11649)"),
    Reference.NONE: N_("none"),
}
