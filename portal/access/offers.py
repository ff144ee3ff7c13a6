"""Prices and days of special users and price rules, as people type them and as audit entries keep them."""

from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from portal.access.models import PriceRule, SpecialUser
from portal.access.prices import Price
from portal.core.errors import RuleBroken
from portal.sharing.terms import begin_of, end_of, first_day, last_day
from portal.stations import entries

PRICES = ("price_per_kwh", "price_per_hour", "price_per_session")
LAST_YEAR = 2199
_DAY_FORMS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y")


class Offer(NamedTuple):
    """A price or none, from the first local day of the owner to the last one; none: from ever, for ever."""

    price: Price | None = None
    first_day: date | None = None
    last_day: date | None = None


class Span(NamedTuple):
    """From an instant until before one."""

    starts_at: datetime | None
    ends_at: datetime | None

    def overlaps(self, other: "Span") -> bool:
        return _before(self.starts_at, other.ends_at) and _before(other.starts_at, self.ends_at)


def _before(start: datetime | None, end: datetime | None) -> bool:
    return start is None or end is None or start < end


def price(per_kwh: str, per_hour: str, per_session: str) -> Price | None:
    """Prices in CHF as typed; none where all three are blank, else what is blank is 0. RuleBroken at their fields."""
    typed = dict(zip(PRICES, (per_kwh, per_hour, per_session), strict=True))
    amounts = {field: entries.amount(field, text) for field, text in typed.items()}
    if all(amount is None for amount in amounts.values()):
        return None
    return Price(*(entries.price(field, amount) for field, amount in amounts.items()))


def day(field: str, text: str) -> date | None:
    """A day such as 31.12.2026 or 2026-12-31; none for blanks."""
    written = text.strip()
    for form in _DAY_FORMS if written else ():
        try:
            return datetime.strptime(written, form).date()  # noqa: DTZ007  a day, of no zone
        except ValueError:
            continue
    if written:
        raise RuleBroken(field, "Enter a day such as 31.12.2026.")
    return None


def span(offer: Offer, zone: ZoneInfo) -> Span:
    """The instants of its days. RuleBroken on "ends_on" for days the wrong way round, and for those too far away."""
    first, last = offer.first_day, offer.last_day
    if first and last and last < first:
        raise RuleBroken("ends_on", "The last day is before the first one.")
    for field, one in (("starts_on", first), ("ends_on", last)):
        if one and not 2000 <= one.year <= LAST_YEAR:
            raise RuleBroken(field, "Choose a day between 2000 and %(year)s, or none.", year=LAST_YEAR)
    return Span(begin_of(first, zone) if first else None, end_of(last, zone) if last else None)


def offer_of(row: SpecialUser | PriceRule, zone: ZoneInfo) -> Offer:
    """What is stored, as it was offered."""
    own = None
    if row.price_per_kwh is not None:
        own = Price(row.price_per_kwh, row.price_per_hour or 0, row.price_per_session or 0)
    first = first_day(row.starts_at, zone) if row.starts_at else None
    return Offer(own, first, last_day(row.ends_at, zone) if row.ends_at else None)


def kept(offer: Offer) -> dict[str, Any]:
    """As audit entries hold it."""
    first, last = offer.first_day, offer.last_day
    days = {"starts_on": first.isoformat() if first else None, "ends_on": last.isoformat() if last else None}
    return dict(zip(PRICES, offer.price or (None, None, None), strict=True)) | days


def days(offer: Offer) -> str:
    """Its days in figures, for messages that know no reader's language: 01.12.2026–31.12.2026, an open end as …"""
    return "–".join(f"{day:%d.%m.%Y}" if day else "…" for day in (offer.first_day, offer.last_day))
