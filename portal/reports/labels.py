"""Words for what reports are made of."""

from flask_babel import lazy_gettext as _l

from portal.reports.models import FileKind, ReportState, Subject

SUBJECTS = {
    Subject.STATION: _l("Station"),
    Subject.STATION_GROUP: _l("Station group"),
    Subject.DRIVER: _l("Driver"),
}
KINDS = {
    FileKind.PDF: _l("PDF with pictures, totals and sessions"),
    FileKind.CSV: _l("CSV"),
    FileKind.EXTENDED_CSV: _l("Extended CSV: with e-mail, card and payment status"),
    FileKind.XLSX: _l("Excel workbook"),
}
SHORT = {
    FileKind.PDF: _l("PDF"),
    FileKind.CSV: _l("CSV"),
    FileKind.EXTENDED_CSV: _l("Extended CSV"),
    FileKind.XLSX: _l("Excel workbook"),
}
STATES = {
    ReportState.QUEUED: (_l("Waiting"), "blue", "clock"),
    ReportState.RUNNING: (_l("Running"), "blue", "refresh"),
    ReportState.DONE: (_l("Done"), "green", "check"),
    ReportState.FAILED: (_l("Failed"), "red", "alert"),
}
ERRORS = {
    "gave_up": _l("Something went wrong three times. It was recorded; order the report again."),
    "no_pdf": _l(
        "PDFs cannot be made on this machine: the library Pango is missing. The operator can install it; until then"
        " order the other files."
    ),
    "not_allowed": _l(
        "When the report was to be made you could no longer see what it is about, or the licence Reports was missing."
    ),
}
PERIODS = {"last_month": _l("Last month"), "this_month": _l("This month until today"), "days": _l("These days:")}
