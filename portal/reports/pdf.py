"""A report as PDF: HTML of our own set by WeasyPrint, A4, tagged (PDF/UA-1), with pictures and page numbers.

WeasyPrint keeps the whole document in memory, about 100 KB a row, and sets some hundred rows a second: MOST_ROWS
bounds both, and the document says that the tables of the other files hold the rest. Sums and pictures are of all rows.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from portal.core import clock
from portal.core.errors import N_
from portal.reports import pictures
from portal.reports.models import Report
from portal.reports.rows import ReportRow
from portal.reports.summary import Summary
from portal.reports.tables import charging

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
MOST_ROWS = 2000
Renderer = Callable[[str, str], bytes]  # HTML, and CSS beside that of static/css/report.css


class CannotSet(Exception):
    """This machine lacks what PDFs are made with: WeasyPrint's native library Pango."""


def write(report: Report, owner: str, rows: Iterable[ReportRow], summary: Summary) -> Iterator[bytes]:
    """The PDF in one piece; `rows` are gone through to their end, and `summary` gathers them meanwhile. CannotSet on a
    machine without Pango."""
    render = _renderer()
    coming = iter(rows)
    kept = [row._replace(quarters=()) for row in islice(coming, MOST_ROWS)]
    for _row in coming:  # the summary wants them all
        pass
    yield render(html(report, owner, kept, summary), page_numbers(report.language))


def html(report: Report, owner: str, rows: list[ReportRow], summary: Summary) -> str:
    """What is set: the first rows, and what all of them add up to."""
    environment, translate = _environment(report.language), _translations(report.language).gettext
    words = _Words(report.language, ZoneInfo(report.time_zone))
    return environment.get_template("report.html").render(
        report=report,
        owner=owner,
        rows=rows,
        summary=summary,
        made_on=words.day(clock.now().astimezone(words.zone).date()),
        days=pictures.days(report.first_day, report.last_day, summary.days),
        shares=pictures.drivers(summary.drivers, translate(N_("without a driver")), translate(N_("all others"))),
        charging=charging,
        words=words,
        sheet=(STATIC / "css" / "report.css").as_uri(),
        width=pictures.WIDTH,
        height=pictures.HEIGHT,
    )


def page_numbers(language: str) -> str:
    """CSS for the foot of each page, such as Page 2 of 7."""
    template = _translations(language).gettext("Page %(number)s of %(pages)s")
    before, between, after = (template % {"number": "|", "pages": "|"}).split("|")
    foot = f'"{before}" counter(page) "{between}" counter(pages) "{after}"'
    return f"@page {{ @bottom-right {{ content: {foot} }} }}"


class _Words:
    """Figures and dates as the language of the report writes them."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self.zone, self._locale = zone, f"{language}_CH"

    def day(self, day: date) -> str:
        return str(format_date(day, "medium", locale=self._locale))

    def month(self, day: date) -> str:
        return str(format_date(day, "MMMM y", locale=self._locale))

    def moment(self, instant: datetime) -> str:
        local = instant.astimezone(self.zone)
        return f"{format_date(local.date(), 'short', locale=self._locale)} {local:%H:%M}"

    def kwh(self, energy_wh: int, digits: int = 3) -> str:
        pattern = "#,##0." + "0" * digits if digits else "#,##0.###"
        return str(format_decimal(Decimal(energy_wh).scaleb(-3), pattern, locale=self._locale))

    def money(self, rappen: int) -> str:
        return str(format_decimal(Decimal(rappen).scaleb(-2), "#,##0.00", locale=self._locale))

    def percent(self, permille: int) -> str:
        return f"{format_decimal(Decimal(permille).scaleb(-1), '0.#', locale=self._locale)} %"

    def number(self, value: int) -> str:
        return str(format_decimal(value, locale=self._locale))


@lru_cache(maxsize=8)
def _translations(language: str) -> NullTranslations:
    return Translations.load(ROOT / "portal" / "translations", [language])


@lru_cache(maxsize=8)
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates" / "reports" / "pdf"),
        autoescape=True,
        extensions=["jinja2.ext.i18n"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(_translations(language), newstyle=True)  # type: ignore[attr-defined]  # the extension's
    return environment


def _renderer() -> Renderer:
    """WeasyPrint, which may reach our own static files and nothing else. Loaded late: it looks for Pango then."""
    try:
        import weasyprint
        from weasyprint.urls import FatalURLFetchingError, URLFetcher
    except (ImportError, OSError) as error:
        raise CannotSet from error
    logging.getLogger("weasyprint").setLevel(logging.ERROR)  # it warns of CSS that is the browser's alone

    class OwnFiles(URLFetcher):  # type: ignore[misc]  # WeasyPrint ships no types
        def fetch(self, url: str, headers: Any = None) -> Any:
            path = Path(url.removeprefix("file://")).resolve()
            if not url.startswith("file:///") or not path.is_relative_to(STATIC):
                raise FatalURLFetchingError("a report reaches for nothing outside of static/")
            return super().fetch(url, headers)

    def render(text: str, css: str) -> bytes:
        fetcher = OwnFiles(allowed_protocols={"file"})
        document = weasyprint.HTML(string=text, base_url=STATIC.as_uri(), url_fetcher=fetcher)
        sheet = weasyprint.CSS(string=css, url_fetcher=fetcher)
        made: bytes = document.write_pdf(stylesheets=[sheet], pdf_variant="pdf/ua-1")
        return made

    return render
