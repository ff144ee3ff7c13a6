"""How figures and times are written for the reader: his language, his time zone."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

from babel.numbers import format_currency as _currency
from babel.units import format_unit
from flask import Flask
from flask_babel import format_date, format_datetime, format_decimal, format_time, get_domain, get_locale, gettext
from jinja2 import pass_context
from jinja2.runtime import Context


def local_datetime(instant: datetime | None, form: str = "short") -> str:
    """An aware instant in the reader's time zone; "–" for none."""
    return format_datetime(instant, form) if instant else "–"


def instant(text: str) -> datetime:
    """An instant that was kept as text in JSON."""
    return datetime.fromisoformat(text)


def local_time(instant: datetime | None) -> str:
    """The time of day of an aware instant in the reader's time zone; "–" for none."""
    return format_time(instant, "short") if instant else "–"


def local_date(day: date | datetime | None, form: str = "medium") -> str:
    """A day, or the local day of an instant; "–" for none."""
    return format_date(day, form) if day else "–"


def kwh(energy_wh: int | None, digits: int = 2) -> str:
    """Energy in kWh with its unit, from Wh; "–" for none."""
    if energy_wh is None:
        return "–"
    pattern = "#,##0." + "0" * digits if digits else "#,##0"
    return f"{format_decimal(Decimal(energy_wh) / 1000, format=pattern)} kWh"


def number(value: float | None) -> str:
    return "–" if value is None else format_decimal(value)


def rappen(amount: int | None, currency: str = "CHF") -> str:
    """Money from Rappen."""
    return "–" if amount is None else _currency(Decimal(amount) / 100, currency, locale=get_locale())


def price(hundredths: int | None, currency: str = "CHF") -> str:
    """A price from hundredths of a Rappen, with as many decimals as it needs (two to four)."""
    if hundredths is None:
        return "–"
    return f"{currency} {format_decimal(Decimal(hundredths) / 10000, format='#,##0.00##')}"


def locale_day(weekday: int, width: str = "abbreviated") -> str:
    """The name of a weekday from Monday 0 in the reader's language; `width`: wide, abbreviated or narrow."""
    return str(get_locale().days["stand-alone"][width][weekday])


def kilowatts(power_w: int | None) -> str:
    return "–" if power_w is None else f"{format_decimal(Decimal(power_w) / 1000, format='#,##0.###')} kW"


def file_size(size: int) -> str:
    """Bytes as people read them, with the unit of the reader's language: 384 byte, 143.9 kB, 2,1 Mo."""
    for unit, scale in (("megabyte", 1_000_000), ("kilobyte", 1000)):
        if size >= scale:
            return str(format_unit(round(size / scale, 1), unit, "short", locale=get_locale()))
    return str(format_unit(size, "byte", "short", locale=get_locale()))


def initials(name: str) -> str:
    """One or two letters for the round badge beside a name or an address."""
    words = name.partition("@")[0].replace(".", " ").replace("-", " ").split()
    return "".join(word[0] for word in words[:2]).upper() or "?"


def ngettext(singular: str, plural: str, num: int, **variables: object) -> str:
    """The form of a text that fits the number, in the reader's language; `%(num)s` stands there grouped as he writes
    figures."""
    form = str(get_domain().get_translations().ngettext(singular, plural, num))
    return form % {**variables, "num": format_decimal(num)}


def _grouped(of_templates: Callable[..., str]) -> Callable[..., str]:
    """The same for templates, on Jinja's own `ngettext`, which escapes what fills a text."""

    @pass_context
    def ngettext_of_templates(context: Context, singular: str, plural: str, num: int, **variables: object) -> str:
        return of_templates(context, singular, plural, num, **{**variables, "num": format_decimal(num)})

    return ngettext_of_templates


def worded(message: str, kept: Mapping[str, Any] | None = None) -> str:
    """A stored message in the reader's language, where its template was kept with it; else as it was written."""
    template = (kept or {}).get("template")
    if not template:
        return message
    params = (kept or {}).get("params") or {}
    return str(gettext(template, **params) if params else gettext(template))


def create(app: Flask) -> None:
    figures = (kwh, number, rappen, price, kilowatts, file_size)
    for written in (local_datetime, local_date, local_time, *figures, initials, worded):
        app.add_template_filter(_for_the_reader(written), written.__name__)
    app.add_template_filter(instant)
    of_templates = cast("Callable[..., str]", app.jinja_env.globals["ngettext"])
    app.jinja_env.globals["ngettext"] = _grouped(of_templates)
    app.jinja_env.globals["locale_day"] = locale_day


def _for_the_reader(written: Callable[..., str]) -> Callable[..., str]:
    """As a filter that Jinja never works out while it compiles a template: the answer depends on who reads."""

    @pass_context
    def filtered(_context: object, *arguments: Any) -> str:
        return written(*arguments)

    return filtered
