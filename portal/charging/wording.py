"""The sentences for what can be wrong with a file, a row or an import: English gettext keys."""

from collections.abc import Mapping

from portal.charging.date_text import DateOrder
from portal.charging.storing import DIFFERS
from portal.charging.table_files import FileFault, FileProblem
from portal.core.errors import N_, RuleBroken

FILE_FAULTS: Mapping[str, str] = {
    FileFault.EMPTY: N_("This file is empty."),
    FileFault.TOO_LARGE: N_("This file is too large. Up to 100 MB are accepted: divide it and import the parts."),
    FileFault.UNPACKS_TOO_LARGE: N_("This file becomes too large when it is unpacked. Divide it."),
    FileFault.BINARY: N_("This is not a table. Save it as CSV or as an Excel workbook (.xlsx)."),
    FileFault.OLD_EXCEL: N_("This is an old Excel file (.xls). Save it as .xlsx or CSV."),
    FileFault.PASSWORD: N_("This workbook is locked with a password. Save it without one."),
    FileFault.NOT_A_WORKBOOK: N_("This file is named like an Excel workbook, but is none."),
    FileFault.DAMAGED: N_("This file is damaged. Export it again."),
    FileFault.UNSAFE_XML: N_("This workbook holds XML that is not accepted. Save it anew."),
    FileFault.NO_SHEET: N_("There is no such sheet in this workbook."),
    FileFault.NO_TABLE: N_("No table was found in this file."),
    FileFault.TOO_MANY_ROWS: N_("This file has too many rows. At most %(limit)s are accepted: divide it."),
    FileFault.TOO_MANY_COLUMNS: N_("This file has %(columns)s columns. At most %(limit)s are accepted."),
    FileFault.CELL_TOO_LONG: N_("A cell in line %(line)s is too long. A quotation mark may be missing there."),
    FileFault.UNCLOSED_QUOTE: N_("The quotation mark that opens in line %(line)s is never closed."),
    FileFault.UNKNOWN_ENCODING: N_("This encoding is not known."),
    FileFault.UNDECODABLE: N_("Line %(line)s cannot be read as %(encoding)s. Choose another encoding."),
}

PROBLEMS: Mapping[str, str] = {
    "unknown_station": N_("Unknown station"),
    "missing_start": N_("Start is missing"),
    "unreadable_start": N_("Start cannot be read"),
    "missing_end": N_("End is missing"),
    "unreadable_end": N_("End cannot be read"),
    "nonexistent_hour": N_("In the hour that the clock skips in spring"),
    "ambiguous_hour": N_("In the hour that occurs twice in autumn"),
    "end_before_start": N_("Ends before it starts"),
    "future": N_("Lies in the future"),
    "missing_energy": N_("Energy is missing"),
    "unreadable_energy": N_("Energy cannot be read"),
    "negative_energy": N_("Negative energy"),
    "impossible_power": N_("More power than the charging point has"),
    "unreadable_register": N_("Meter reading cannot be read"),
    "register_mismatch": N_("Meter readings do not fit the energy"),
    "too_many_cells": N_("More cells than columns"),
    "duplicate": N_("Repeats another row"),
    DIFFERS: N_("Differs from the stored session of this number"),
}

WARNINGS: Mapping[str, str] = {
    "hour_decided_by_order": N_("In the hour that occurs twice in autumn; decided by the order of start and end"),
    "hour_decided_by_duration": N_("In the hour that occurs twice in autumn; decided by the duration"),
    "hour_decided_by_setting": N_("In the hour that occurs twice in autumn; decided by your choice"),
    "duration_differs": N_("The stated duration differs from start and end"),
    "too_long": N_("Longer than 31 days"),
    "too_few_cells": N_("Fewer cells than columns"),
    "overlapping": N_("Begins before an earlier session at this charging point has ended"),
}

IMPORT_ERRORS: Mapping[str, str] = {f"file_{fault}": text for fault, text in FILE_FAULTS.items()} | {
    "gave_up": N_(
        "The import stopped three times at the same place. What was read before is stored. Tell the operator; the "
        "file can be imported again, rows that are known are not counted twice."
    ),
}

DATE_ORDERS: Mapping[str, str] = {
    DateOrder.ISO: N_("Year-month-day with hyphens (2019-08-31)"),
    DateOrder.YEAR_MONTH_DAY: N_("Year, month, day (2019/8/31)"),
    DateOrder.YEAR_DAY_MONTH: N_("Year, day, month (2019-31-08)"),
    DateOrder.DAY_MONTH_YEAR: N_("Day, month, year (31.08.2019)"),
    DateOrder.MONTH_DAY_YEAR: N_("Month, day, year (08/31/2019)"),
    DateOrder.SWAPPED_WHEN_AMBIGUOUS: N_(
        "Year-month-day, but day and month are swapped wherever the day is 12 or less"
    ),
    DateOrder.EXCEL: N_("Dates of a spreadsheet"),
    DateOrder.EPOCH_SECONDS: N_("Seconds since 1970"),
    DateOrder.EPOCH_MILLISECONDS: N_("Milliseconds since 1970"),
}

FIELDS: Mapping[str, str] = {
    "station": N_("Station"),
    "connector": N_("Connector number"),
    "start": N_("Start"),
    "start_time": N_("Time of the start, where it has its own column"),
    "end": N_("End"),
    "end_time": N_("Time of the end, where it has its own column"),
    "duration": N_("Duration"),
    "energy": N_("Energy"),
    "register_start": N_("Meter reading at the start"),
    "register_end": N_("Meter reading at the end"),
    "driver": N_("Driver"),
    "card": N_("Card"),
    "external_id": N_("Number of the session"),
}

MAPPING_FAULTS: Mapping[str, str] = {
    "unknown_column": N_("This column does not exist in the file."),
    "required": N_("This must be filled in."),
    "either_or": N_("Choose a column, or one station for the whole file, not both."),
    "unknown": N_("This is not known."),
}


def refuse_file(problem: FileProblem, field: str = "file") -> RuleBroken:
    """What the file's reader refuses, as a broken rule at the form's field."""
    return RuleBroken(field, FILE_FAULTS[problem.message_key], **problem.params)
