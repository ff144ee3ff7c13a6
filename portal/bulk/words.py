"""What would change, and why something does not, in the reader's words."""

from decimal import Decimal
from typing import Any, NamedTuple

from flask_babel import format_decimal, gettext

from portal.bulk.columns import LABELS, plain, worded
from portal.bulk.judging import NOT_THESE, Item
from portal.core import forms
from portal.stations.operations.writing import COLUMNS

FIELDS = {column: field for field, column in COLUMNS.items() if field in LABELS}
# What a figure of a column is divided by to be what people enter.
SCALES = {"max_power_w": 1000, "price_per_kwh": 10_000, "price_per_hour": 10_000, "vat_permille": 10}


class Change(NamedTuple):
    label: str
    before: str
    after: str


def changes(item: Item) -> list[Change]:
    """Each field with its value before and after."""
    return [
        Change(str(LABELS[FIELDS.get(name, name)]), _shown(name, before), _shown(name, after))
        for name, (before, after) in item.changed.items()
    ]


def _shown(column: str, value: Any) -> str:
    if value is None or value == "":
        return "–"
    if column in SCALES:
        pattern = "#,##0.00##" if column.startswith("price_") else "#,##0.###"
        return str(format_decimal(Decimal(value) / SCALES[column], format=pattern))
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return worded(FIELDS.get(column, column), plain(value))


def reason(item: Item) -> str:
    """Why it stays as it is; "" where it does not."""
    broken = item.problem
    if broken is None:
        return ""
    if broken.message == NOT_THESE:
        names = ", ".join(str(LABELS[name]) for name in item.refused)
        return str(gettext("Your permission does not include: %(fields)s.", fields=names))
    text = forms.words(broken)
    return f"{LABELS[broken.field]}: {text}" if broken.field in LABELS else text
