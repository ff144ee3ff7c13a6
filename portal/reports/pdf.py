"""A report as PDF: HTML of our own set by WeasyPrint, A4, tagged (PDF/UA-1), with pictures and page numbers.

WeasyPrint keeps a document in memory, more than 100 KB a row, so that the sessions are set in parts of ROWS_AT_ONCE and
joined: memory is that of one part, and time grows with the rows alone. A part's last page, which is not full, is set
anew at the beginning of the next. Headers and page numbers are drawn upon all pages when it is known how many there
are. MOST_ROWS bounds the time of one report, and the document says that the tables of the other files hold the rest.
Sums and pictures are of all rows.
"""

import gc
import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from portal.core import clock
from portal.core.errors import N_
from portal.reports import pictures, qr_bill
from portal.reports.billing import Billing, Owed
from portal.reports.joined_pdf import Joined
from portal.reports.models import Report
from portal.reports.rows import ReportRow
from portal.reports.summary import Summary
from portal.reports.tables import charging

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
MOST_ROWS = 10_000
ROWS_AT_ONCE = 300
BILLS_AT_ONCE = 20
ROW = re.compile(r"row-(\d+)")
Told = Callable[[int], None]


class About(NamedTuple):
    """A report, the name of the owner of what it is about, and where drivers get bills how they are made."""

    report: Report
    owner: str
    billing: Billing | None = None


class CannotSet(Exception):
    """This machine lacks what PDFs are made with: WeasyPrint's native library Pango."""


def write(
    about: About, rows: Iterable[ReportRow], summary: Summary, told: Told = lambda _count: None
) -> Iterator[bytes]:
    """The PDF in pieces; `rows` are gone through to their end first, and `summary` gathers them meanwhile. `told` hears
    how many rows are set. CannotSet on a machine without Pango."""
    sheets, coming = _Sheets(), iter(about.billing.of(rows) if about.billing else rows)
    kept = [row._replace(quarters=()) for row in islice(coming, MOST_ROWS)]
    for _row in coming:  # the summary wants them all
        pass
    with _without_collector():
        yield from _set(sheets, about, kept, summary, told)


def _set(sheets: "_Sheets", about: About, kept: Sequence[ReportRow], summary: Summary, told: Told) -> Iterator[bytes]:
    joined, done = Joined(), 0
    while not done or done < len(kept):
        some = kept[done : done + ROWS_AT_ONCE]
        document = sheets.lay_out(html(about, some, summary, shown=len(kept), first=done))
        is_last = done + len(some) >= len(kept)
        pages, count = (document.pages, len(some)) if is_last else _full_pages(document, len(some))
        sheets.draw(document.copy(pages), joined.add)
        yield from joined.pieces()
        done += max(1, count)
        told(done)
    plain = joined.pages
    owed = about.billing.owed if about.billing else []
    for first in range(0, len(owed), BILLS_AT_ONCE):
        sheets.draw(sheets.lay_out(bills(about, owed[first : first + BILLS_AT_ONCE])), joined.add)
        yield from joined.pieces()
    above = sheets.lay_out(margins(about.report, plain, joined.pages - plain), page_numbers(about.report.language))
    sheets.draw(above, joined.draw_on, tagged=False)
    joined.finish()
    yield from joined.pieces()


def _full_pages(document: Any, rows: int) -> tuple[Sequence[Any], int]:
    """All pages but the last one, and how many of the rows stand on them; where there is one page alone, that."""
    numbers = [int(found[1]) for name in document.pages[-1].anchors if (found := ROW.fullmatch(name))]
    if len(document.pages) == 1 or not numbers or min(numbers) == 0:
        return document.pages, rows
    return document.pages[:-1], min(numbers)


def html(about: About, rows: Sequence[ReportRow], summary: Summary, *, shown: int, first: int = 0) -> str:
    """What is set: these rows of `shown` ones, and before the first of them what all add up to."""
    report, owner, billing = about
    environment, translate = _environment(report.language), _translations(report.language).gettext
    words = _Words(report.language, ZoneInfo(report.time_zone))
    return environment.get_template("report.html").render(
        report=report,
        owner=owner,
        billing=billing,
        rows=rows,
        shown=shown,
        is_first=first == 0,
        summary=summary,
        made_on=words.day(clock.now().astimezone(words.zone).date()),
        days=pictures.days(report.first_day, report.last_day, summary.days),
        shares=pictures.drivers(summary.drivers, translate(N_("without a driver")), translate(N_("all others"))),
        charging=charging,
        words=words,
        width=pictures.WIDTH,
        height=pictures.HEIGHT,
    )


def bills(about: About, some: Sequence[Owed]) -> str:
    """A page for each of these with a QR-bill at its foot."""
    report, _owner, billing = about
    words = _Words(report.language, ZoneInfo(report.time_zone))
    days = {"first": words.day(report.first_day), "last": words.day(report.last_day)}
    text = _translations(report.language).gettext("Charging from %(first)s to %(last)s") % days
    made = [(one, billing.bill(one, report.id, text)) for one in some] if billing else []
    template = _environment(report.language).get_template("bills.html")
    page = template.render(report=report, bills=made, text=text, words=words)
    for place, (_one, bill) in enumerate(made):  # a tag: what somebody typed is escaped, and never is one
        page = page.replace(f"<picture-{place}>", qr_bill.svg(bill, report.language))
    return page


def margins(report: Report, pages: int, bill_pages: int) -> str:
    """So many pages with nothing on them but what stands above and below the text; below bills stands nothing."""
    found = _environment(report.language).get_template("margins.html")
    return found.render(report=report, pages=pages, bill_pages=bill_pages)


def page_numbers(language: str) -> str:
    """CSS for the foot of each page, such as Page 2 of 7."""
    template = _translations(language).gettext("Page %(number)s of %(pages)s")
    before, between, after = (template % {"number": "|", "pages": "|"}).split("|")
    foot = f'"{before}" counter(page) "{between}" counter(pages) "{after}"'
    return f"@page margins {{ @bottom-right {{ content: {foot} }} }}"


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


@contextmanager
def _without_collector() -> Iterator[None]:
    """Python's collector of cycles looks through a part's million boxes again and again while none of them is garbage:
    a fifth of the time. Each part is collected at its end instead."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Sheets:
    """WeasyPrint, which may reach our own static files and nothing else, with its fonts and sheets read once. Loaded
    late: it looks for Pango then. CannotSet where that is missing."""

    def __init__(self) -> None:
        try:
            import weasyprint
            from weasyprint.text.fonts import FontConfiguration
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

        self._weasyprint, self._fetcher = weasyprint, OwnFiles(allowed_protocols={"file"})
        self._fonts = FontConfiguration()
        self._sheet = self._css(filename=STATIC / "css" / "report.css")

    def lay_out(self, text: str, css: str = "") -> Any:
        """A WeasyPrint document of this HTML, set after static/css/report.css and further CSS."""
        gc.collect()
        found = self._weasyprint.HTML(string=text, base_url=STATIC.as_uri(), url_fetcher=self._fetcher)
        sheets = [self._sheet, *([self._css(string=css)] if css else [])]
        return found.render(font_config=self._fonts, stylesheets=sheets)

    def draw(self, document: Any, take: Callable[[Any], None], *, tagged: bool = True) -> None:
        """Hand the document's PDF, not yet written, to `take`, which leaves nothing of it."""
        options = {"pdf_variant": "pdf/ua-1"} if tagged else {}
        document.write_pdf(io.BytesIO(), finisher=lambda _document, pdf: take(pdf), **options)

    def _css(self, **source: Any) -> Any:
        return self._weasyprint.CSS(url_fetcher=self._fetcher, font_config=self._fonts, **source)
