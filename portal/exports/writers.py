"""What each format wants of a run, and how it writes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Final
from zoneinfo import ZoneInfo

from portal.exports.models import Files, Format, Formatter
from portal.formats import csv_cells, csv_file, esl_xml, ise_csv, ise_pair, ise_xml, mscons, sdat, xlsx_file
from portal.formats.errors import SettingsError
from portal.formats.file_names import CSV_PATTERN, ESL_PATTERN, check_pattern, divided
from portal.formats.issue import Issue
from portal.formats.market_ids import metering_code_of
from portal.formats.mscons_settings import PROFILES, MsconsSettings
from portal.formats.packing import SUFFIXES
from portal.formats.rows import Meter, MeterPeriod

OWN: Final = ("file_name", "files", "packing")  # settings of the formatter that its format knows nothing of
DIVIDED_BY: Final[dict[str, tuple[str, ...]]] = {
    Files.TASK: (),
    Files.METER: ("meter",),
    Files.DAY: ("day",),
    Files.METER_AND_DAY: ("meter", "day"),
}


@dataclass(frozen=True, slots=True)
class Writer:
    """A format: the class of its settings, what writes one file (the last argument numbers the files of a run from 0),
    the usual pattern of the file's name, whether these settings need quarter hours or the register, and what the
    writer asks of a meter before anything is written of it (FormatError). A format of several files writes them all by
    `several`, each with its extension, and `write` is the first of them."""

    settings: type[Any]
    write: Callable[[Iterable[MeterPeriod], Any, Issue, int], Iterator[bytes]]
    pattern: str
    quarters: Callable[[Any], bool]
    register: Callable[[Any], bool]
    check: Callable[[Meter, Any], object]
    several: Callable[[Iterable[MeterPeriod], Any, Issue], Iterator[tuple[str, Iterator[bytes]]]] | None = None

    def files(
        self, rows: Iterable[MeterPeriod], settings: Any, issue: Issue, part: int
    ) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The files made of the rows, each to be read before the next one is asked for; a single one needs no
        extension."""
        if self.several:
            yield from self.several(rows, settings, issue)
        else:
            yield "", self.write(rows, settings, issue, part)


def _by_quarter(settings: Any) -> bool:
    return bool(settings.per == "quarter")


def _register_column(settings: Any) -> bool:
    return "register_kwh" in settings.columns


WRITERS: Final[dict[str, Writer]] = {
    Format.ESL_XML: Writer(
        esl_xml.EslSettings,
        lambda rows, settings, issue, _part: esl_xml.write(rows, settings, issue.created),
        ESL_PATTERN,
        lambda settings: bool(settings.per == "day"),
        lambda settings: bool(settings.writes_register),
        esl_xml.meter_element,
    ),
    Format.ISE_PAIR: Writer(
        ise_pair.IsePairSettings,
        lambda rows, settings, _issue, _part: ise_csv.write(rows, settings.as_csv()),
        CSV_PATTERN.replace(".csv", ".{extension}"),
        lambda _settings: True,
        lambda settings: bool(settings.writes_register),
        ise_pair.check_meter,
        lambda rows, settings, issue: ise_pair.write(rows, settings, issue.created),
    ),
    Format.ISE_XML: Writer(
        ise_xml.IseXmlSettings,
        lambda rows, settings, issue, _part: ise_xml.write(rows, settings, issue.created),
        CSV_PATTERN.replace(".csv", ".xml"),
        lambda _settings: True,
        lambda settings: bool(settings.writes_register),
        ise_xml.check_meter,
    ),
    Format.ISE_CSV: Writer(
        ise_csv.IseCsvSettings,
        lambda rows, settings, _issue, _part: ise_csv.write(rows, settings),
        CSV_PATTERN,
        lambda _settings: True,
        lambda _settings: False,
        ise_csv.check_meter,
    ),
    Format.SDAT: Writer(
        sdat.SdatSettings,
        lambda rows, settings, issue, _part: (document.content for document in sdat.write(rows, settings, issue)),
        "",  # its documents have names of their own
        lambda _settings: True,
        lambda _settings: False,
        lambda meter, _settings: metering_code_of(meter),
    ),
    Format.MSCONS: Writer(
        MsconsSettings,
        mscons.write,
        CSV_PATTERN.replace(".csv", ".edi"),
        lambda settings: settings.kind in PROFILES,
        lambda settings: bool(settings.kind == "reading"),
        mscons.codes_of,
    ),
    Format.CSV: Writer(
        csv_file.CsvSettings,
        lambda rows, settings, _issue, _part: csv_file.write(rows, settings),
        CSV_PATTERN,
        _by_quarter,
        _register_column,
        csv_cells.meter_texts,
    ),
    Format.XLSX: Writer(
        xlsx_file.XlsxSettings,
        lambda rows, settings, _issue, _part: xlsx_file.write(rows, settings),
        CSV_PATTERN.replace(".csv", ".xlsx"),
        _by_quarter,
        _register_column,
        xlsx_file.meter_texts,
    ),
}


def settings_of(formatter: Formatter, zone: ZoneInfo) -> Any:
    """The formatter's settings as its format wants them; SettingsError names a wrong or unknown one."""
    kind = WRITERS[formatter.format].settings
    known = {field.name for field in fields(kind)}
    # Of MSCONS each kind of message has a usual code of its own.
    usual = {"identifier": formatter.identifier, "obis": "" if formatter.format == Format.MSCONS else formatter.obis}
    given = usual | {name: value for name, value in formatter.settings.items() if name not in OWN}
    if unknown := formatter.settings.keys() - known - set(OWN):
        raise SettingsError(min(unknown), "This format has no such setting.")
    if formatter.format == Format.SDAT and formatter.identifier != "metering_code":
        raise SettingsError("identifier", "SDAT names a meter by its Metering Code.")
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return kind(**{name: value for name, value in plain.items() if name in known}, zone=zone)


def tells_parts(formatter: Formatter) -> bool:
    """Whether the formatter's files tell quarter hours, or sums of some of a period, such as days. SettingsError."""
    by_day = files_of(formatter) in (Files.DAY, Files.METER_AND_DAY)
    return by_day or WRITERS[formatter.format].quarters(settings_of(formatter, ZoneInfo("UTC")))


def tells_register(formatter: Formatter) -> bool:
    """Whether the formatter's files tell the running register. SettingsError."""
    return WRITERS[formatter.format].register(settings_of(formatter, ZoneInfo("UTC")))


def files_of(formatter: Formatter) -> Files:
    """What the formatter's files are divided by."""
    usual = Files.METER_AND_DAY if formatter.format == Format.SDAT else Files.TASK
    return Files(formatter.settings.get("files") or usual)


def pattern_of(formatter: Formatter) -> str:
    """The pattern of the formatter's file names, the usual one where it has none; "" for SDAT's own names."""
    files = files_of(formatter)
    given = formatter.settings.get("file_name")
    if given:
        return str(given)
    if formatter.format == Format.SDAT:
        return CSV_PATTERN.removesuffix(".csv") if files == Files.TASK else ""
    return divided(WRITERS[formatter.format].pattern, _told_apart(formatter))


def _told_apart(formatter: Formatter) -> tuple[str, ...]:
    """What the names of the formatter's files must tell apart."""
    extension = ("extension",) if WRITERS[formatter.format].several else ()
    return DIVIDED_BY[files_of(formatter)] + extension


def check_files(formatter: Formatter) -> None:
    """SettingsError for files that this format cannot be divided into, or names that these files cannot have."""
    files, packing = files_of(formatter), formatter.settings.get("packing") or ""
    if packing not in SUFFIXES:
        raise SettingsError("packing", "Choose one of %(choices)s.", choices=", ".join(filter(None, SUFFIXES)))
    if formatter.format == Format.SDAT:
        if files not in (Files.TASK, Files.METER_AND_DAY):
            raise SettingsError("files", "SDAT has a document for each meter and day: choose that, or one zip of all.")
        if files == Files.TASK and packing != "zip":
            raise SettingsError("packing", "SDAT has a document for each meter and day: only a zip holds all of them.")
    if pattern := pattern_of(formatter):
        try:
            check_pattern(pattern, _told_apart(formatter))
        except SettingsError as error:
            raise SettingsError("file_name", error.template, **error.params) from None
