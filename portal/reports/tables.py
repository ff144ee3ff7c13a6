"""Reports as lists: CSV, extended CSV and a workbook, row by row.

The columns of the original's reports in their order; the extended form adds the driver's address, the card and whether
something is to be paid for. Energy price is what charging cost (energy, time, start), parking price what
standing cost afterwards; the total of a row is both and its rounding.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from zoneinfo import ZoneInfo

from portal.core.errors import N_
from portal.formats import csv_download, xlsx_download
from portal.reports.rows import ReportRow
from portal.reports.summary import Sum

Translate = Callable[[str], str]
Cell = str | int | Decimal | None

COLUMNS = (
    N_("Station"), N_("Start"), N_("Charging seconds"), N_("End"), N_("User number"), N_("Energy in kWh"),
    N_("Energy price"), N_("Parking seconds"), N_("Parking price"), N_("Total"), N_("Currency"),
)  # fmt: skip
EXTENDED = (N_("E-mail of the special user"), N_("RFID card"), N_("Payment status"))
OPEN, FREE, UNPRICED = N_("open"), N_("free of charge"), N_("no price applies")


def charging(row: ReportRow | Sum) -> int:
    """What charging itself cost, in Rappen."""
    return row.cost.energy + row.cost.time + row.cost.start


def payment(row: ReportRow) -> str:
    """Whether there is something to be paid for; what has been paid is not the portal's to know."""
    if row.cost.gap:
        return UNPRICED
    return OPEN if row.cost.total else FREE


def cells(row: ReportRow, zone: ZoneInfo, translate: Translate, *, extended: bool) -> Sequence[Cell]:
    """The row's columns; times as local ISO stamps, energy in kWh with three decimals, money with two."""
    found: list[Cell] = [
        row.station,
        row.started_at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
        row.charging_seconds,
        row.ended_at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
        row.driver_no,
        Decimal(row.energy_wh).scaleb(-3),
        Decimal(charging(row)).scaleb(-2),
        row.parking_seconds,
        Decimal(row.cost.parking).scaleb(-2),
        Decimal(row.cost.total).scaleb(-2),
        row.currency,
    ]
    return [*found, row.email, row.card, translate(payment(row))] if extended else found


def csv(rows: Iterable[ReportRow], zone: ZoneInfo, translate: Translate, *, extended: bool) -> Iterator[bytes]:
    """UTF-8 with semicolons, one line a row below the headings."""
    headings = [translate(text) for text in (*COLUMNS, *(EXTENDED if extended else ()))]
    lines = (
        csv_download.line([_text(cell) for cell in cells(row, zone, translate, extended=extended)]) for row in rows
    )
    yield csv_download.BEGINNING
    yield from chain([csv_download.line(headings)], lines)


def workbook(rows: Iterable[ReportRow], zone: ZoneInfo, translate: Translate) -> Iterator[bytes]:
    """The extended form as XLSX, figures as numbers."""
    headings = [translate(text) for text in (*COLUMNS, *EXTENDED)]
    yield from xlsx_download.write(headings, (cells(row, zone, translate, extended=True) for row in rows))


def _text(cell: Cell) -> str:
    return "" if cell is None else f"{cell:f}" if isinstance(cell, Decimal) else str(cell)
