"""A report's rows as a file of each kind."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.support import NullTranslations, Translations

from portal.reports import pdf, tables
from portal.reports.models import FileKind, Report
from portal.reports.pdf import About
from portal.reports.rows import ReportRow
from portal.reports.summary import Summary

CATALOGUES = Path(__file__).parents[1] / "translations"
ENDINGS = {FileKind.PDF: "pdf", FileKind.CSV: "csv", FileKind.EXTENDED_CSV: "csv", FileKind.XLSX: "xlsx"}


@lru_cache(maxsize=8)
def _translate(language: str) -> Callable[[str], str]:
    found: NullTranslations = Translations.load(CATALOGUES, [language])
    return found.gettext


def write(about: About, kind: str, rows: Iterable[ReportRow], summary: Summary, told: pdf.Told) -> Iterator[bytes]:
    """The file in pieces, in the language of whose report it is. The rows are gone through once, and `summary` gathers
    them meanwhile; `told` hears how many rows of the PDF are set. pdf.CannotSet where this machine cannot make one."""
    rows, report = summary.of(rows), about.report
    if kind == FileKind.PDF:
        return pdf.write(about, rows, summary, told)
    zone, translate = ZoneInfo(report.time_zone), _translate(report.language)
    if kind == FileKind.XLSX:
        return tables.workbook(rows, zone, translate)
    return tables.csv(rows, zone, translate, extended=kind == FileKind.EXTENDED_CSV)


def file_name(report: Report, kind: str) -> str:
    """Such as report_Garage_2026-03-01_2026-03-31.pdf: nothing in it but letters, digits, dot, hyphen, underscore."""
    title = re.sub(r"[^A-Za-z0-9]+", "-", report.title).strip("-")[:60] or "report"
    extended = "_extended" if kind == FileKind.EXTENDED_CSV else ""
    return f"report_{title}_{report.first_day}_{report.last_day}{extended}.{ENDINGS[FileKind(kind)]}"
