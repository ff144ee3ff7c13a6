"""The words for who is admitted and what a price came from, in the reader's language: every screen's words."""

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from portal.access.deciding import Admission, Place, PricedBy
from portal.access.prices import Price
from portal.core import display

ADMISSIONS: Mapping[str, Any] = {
    Admission.OWNER: _l("the owner of the station"),
    Admission.SPECIAL_USER: _l("a special user"),
    Admission.PUBLIC: _l("everyone may charge"),
    Admission.NOT_SPECIAL_USER: _l("not a special user"),
    Admission.PRIVATE: _l("only the owner may charge"),
}
PRICES_BY: Mapping[str, Any] = {
    PricedBy.OWNER: _l("The owner charges for nothing"),
    PricedBy.ENTRY: _l("Price of the special user"),
    PricedBy.RULE: _l("Price rule of the user group"),
    PricedBy.PUBLIC: _l("Public price"),
    PricedBy.NOTHING: _l("No price applies"),
}
PLACES: Mapping[int, Any] = {
    Place.CONNECTOR: _l("Connector"),
    Place.STATION: _l("Station"),
    Place.STATION_GROUP: _l("Station group"),
}


def priced(price: Price | None) -> str:
    """A price in the reader's words: its parts that are not 0, "free" for none of them; "" for no price."""
    if price is None:
        return ""
    parts = []
    if price.per_kwh:
        parts.append(gettext("%(price)s per kWh", price=display.price(price.per_kwh)))
    if price.per_hour:
        parts.append(gettext("%(price)s per hour", price=display.price(price.per_hour)))
    if price.per_session:
        parts.append(gettext("%(price)s per session", price=display.price(price.per_session)))
    return ", ".join(parts) or str(gettext("free"))
