"""Forms about imports, flagged rows and drivers."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import DateField, IntegerField, RadioField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from portal.accounts import time_zones
from portal.accounts.models import Account
from portal.charging import wording
from portal.charging.mapping import COLUMN_FIELDS, AmbiguousHour, DurationUnit, EnergyUnit, Mapping
from portal.charging.models import Covers
from portal.charging.previews import Dates
from portal.charging.table_files import ENCODINGS, SEPARATORS, TableRow, TableShape
from portal.core.errors import RuleBroken
from portal.formats.rows import LABELS

NEEDED = _l("This must be filled in.")
ENERGY_UNITS = [(unit.value, unit.value) for unit in EnergyUnit]
SEPARATOR_NAMES = {";": _l("Semicolon ;"), "\t": _l("Tab"), "|": _l("Bar |"), ",": _l("Comma ,")}


COVERS = [
    (Covers.FILE.value, _l("the charging points that it names")),
    (Covers.GROUP.value, _l("all charging points of a station group")),
    (Covers.ALL.value, _l("all charging points")),
    (Covers.NONE.value, _l("none: sessions may be missing")),
]


class UploadForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    owner = SelectField(_l("Whose stations"), coerce=int)
    file = FileField(
        _l("File"),
        [FileRequired(_l("Choose a file."))],
        description=_l("CSV (also packed as .gz) or Excel workbook (.xlsx), up to 100 MB."),
        render_kw={"accept": ".csv,.txt,.tsv,.gz,.xlsx,.xlsm"},
    )

    def offer(self, owners: Iterable[Account]) -> None:
        self.owner.choices = [(owner.id, owner.name or owner.email) for owner in owners]


class ColumnsForm(FlaskForm):  # type: ignore[misc]  # as above
    """How the file is written."""

    separator = SelectField(_l("Separator"))
    encoding = SelectField(_l("Encoding"), choices=[(name, name) for name in ENCODINGS])
    sheet = SelectField(_l("Sheet"))
    decimal_mark = SelectField(_l("Decimal mark"), choices=[(".", _l("Point 0.5")), (",", _l("Comma 0,5"))])
    header = SelectField(
        _l("First row"), choices=[("yes", _l("Names of the columns")), ("no", _l("A session already"))]
    )

    def offer(self, shape: TableShape) -> None:
        """Only what can be chosen for this kind of file."""
        if shape.kind == "xlsx":
            del self.separator, self.encoding
            self.sheet.choices = [(name, name) for name in shape.sheets]
        else:
            del self.sheet
            others = [] if shape.separator in SEPARATORS else [shape.separator]
            self.separator.choices = [(sign, SEPARATOR_NAMES.get(sign, sign)) for sign in [*SEPARATORS, *others]]


class MappingForm(FlaskForm):  # type: ignore[misc]  # as above
    """Which column holds what; "" is none."""

    station = SelectField(_l("Station"))
    constant_station = StringField(
        _l("One station for the whole file"),
        [Length(max=120)],
        description=_l("Its reference or name, where no column names the station."),
    )
    connector = SelectField(
        _l("Connector number"), description=_l("Without a column it is number 1, or the station's only one.")
    )
    start = SelectField(_l("Start"))
    start_time = SelectField(_l("Time of the start"), description=_l("Only where date and time have a column each."))
    end = SelectField(_l("End"))
    end_time = SelectField(_l("Time of the end"), description=_l("Only where date and time have a column each."))
    duration = SelectField(_l("Duration"), description=_l("Needed where there is no end."))
    duration_unit = SelectField(
        _l("Unit of the duration"),
        choices=[
            (DurationUnit.SECONDS.value, _l("Seconds")),
            (DurationUnit.MINUTES.value, _l("Minutes")),
            (DurationUnit.HOURS.value, _l("Hours")),
            (DurationUnit.CLOCK.value, _l("hh:mm:ss")),
        ],
    )
    energy = SelectField(_l("Energy"))
    energy_unit = SelectField(_l("Unit of the energy"), choices=ENERGY_UNITS)
    register_start = SelectField(_l("Meter reading at the start"))
    register_end = SelectField(_l("Meter reading at the end"))
    register_unit = SelectField(_l("Unit of the meter readings"), choices=ENERGY_UNITS)
    driver = SelectField(_l("Driver"), description=_l("A name, number or e-mail address."))
    card = SelectField(_l("Card"))
    external_id = SelectField(
        _l("Number of the session"), description=_l("By it a session that is imported twice is known.")
    )
    source = StringField(
        _l("Name of the system"),
        [Length(max=20)],
        description=_l("Only where several systems count their sessions 1, 2, 3: the numbers of each are its own."),
    )

    def offer(self, shape: TableShape, first_rows: Sequence[TableRow]) -> None:
        """The file's columns, each with an example."""
        first = first_rows[0].cells if first_rows else ()
        columns = [(str(index), _column_label(name, first, index)) for index, name in enumerate(shape.columns)]
        for name in COLUMN_FIELDS:
            self[name].choices = [("", gettext("– not in the file –")), *columns]
        self.start.flags.required = True

    def fill(self, mapping: Mapping, source: str) -> None:
        for name in COLUMN_FIELDS:
            value = getattr(mapping, name)
            self[name].data = "" if value is None else str(value)
        for name in ("constant_station", "duration_unit", "energy_unit", "register_unit"):
            self[name].data = str(getattr(mapping, name))
        self.source.data = "" if source == "file" else source

    def values(self, decimal_mark: str) -> dict[str, Any]:
        """The fields of a Mapping that this form holds."""
        found: dict[str, Any] = {name: int(self[name].data) if self[name].data else None for name in COLUMN_FIELDS}
        for name in ("constant_station", "duration_unit", "energy_unit", "register_unit"):
            found[name] = self[name].data or ""
        return found | {"decimal_mark": decimal_mark}


def _column_label(name: str, first: Sequence[object], index: int) -> str:
    example = str(first[index])[:24] if index < len(first) else ""
    return f"{name[:60]} ({example})" if example else name[:60]


class DatesForm(FlaskForm):  # type: ignore[misc]  # as above
    date_order = RadioField(
        _l("How the dates are to be read"), [InputRequired(_l("Choose how the dates are to be read."))]
    )
    time_zone = SelectField(
        _l("Time zone"), description=_l("Of the file's local times. A time with its own offset keeps that.")
    )
    ambiguous_hour = RadioField(
        _l("The hour that occurs twice when the clock is set back"),
        choices=[
            (AmbiguousHour.FLAG.value, _l("Flag the row where the file does not tell which one is meant")),
            (AmbiguousHour.FIRST.value, _l("Take the first one (summer time)")),
            (AmbiguousHour.SECOND.value, _l("Take the second one (winter time)")),
        ],
        default=AmbiguousHour.FLAG.value,
    )

    def offer(self, found: Dates) -> None:
        self.time_zone.choices = time_zones.by_region()
        self.date_order.choices = [
            (choice.order.value, gettext(wording.DATE_ORDERS[choice.order])) for choice in found.choices
        ]


class StartForm(FlaskForm):  # type: ignore[misc]  # as above
    covers = RadioField(
        _l("The file holds every session of"),
        [InputRequired(NEEDED)],
        choices=COVERS,
        default=Covers.FILE.value,
    )
    covers_group = SelectField(_l("Station group"), coerce=lambda text: int(text) if text else None)
    covers_from = DateField(_l("First day"), [Optional()])
    covers_to = DateField(_l("Last day"), [Optional()])


class NameForm(FlaskForm):  # type: ignore[misc]  # as above
    name = StringField(_l("Save this mapping as"), [InputRequired(NEEDED), Length(max=120)])


class CorrectForm(FlaskForm):  # type: ignore[misc]  # as above
    station = SelectField(_l("Station"), coerce=lambda text: int(text) if text else 0)
    connector = IntegerField(_l("Connector number"), [InputRequired(NEEDED), NumberRange(1, 999)])
    start = StringField(_l("Start"), [InputRequired(NEEDED)], render_kw={"placeholder": "2026-03-31 14:05"})
    end = StringField(_l("End"), [InputRequired(NEEDED)], render_kw={"placeholder": "2026-03-31 16:40"})
    energy = StringField(_l("Energy in kWh"), [InputRequired(NEEDED)], render_kw={"inputmode": "decimal"})
    driver = StringField(_l("Driver"), [Length(max=120)])
    card = StringField(_l("Card"), [Length(max=80)])

    def energy_wh(self) -> int:
        """Whole Wh; RuleBroken on `energy` for what is no figure."""
        try:
            energy = Decimal((self.energy.data or "").strip().replace(",", ".")) * 1000
        except InvalidOperation:
            energy = Decimal("NaN")
        if not energy.is_finite() or abs(energy) >= 10**12:
            raise RuleBroken("energy", "Enter the energy in kWh, such as 12.5.")
        return int(energy.quantize(Decimal(1), rounding=ROUND_HALF_UP))


class IdentifierListForm(FlaskForm):  # type: ignore[misc]  # as above
    identifier = RadioField(_l("Identifier"), choices=list(LABELS.items()), default="metering_code")
    file = FileField(
        _l("File"),
        [FileRequired(_l("Choose a file."))],
        description=_l("CSV, at most 10,000 rows and 1 MB."),
        render_kw={"accept": ".csv,.txt,text/csv,text/plain"},
    )


class DriverForm(FlaskForm):  # type: ignore[misc]  # as above
    label = StringField(
        _l("Label"), [InputRequired(NEEDED), Length(max=120)], description=_l("As your files name this driver.")
    )
    email = StringField(
        _l("E-mail of the driver's account"),
        [Length(max=254)],
        description=_l("With it the driver can be chosen for an export of their consumption."),
    )
    device_location_id = StringField("DeviceLocationID", [Length(max=80)])
    factory_no = StringField("FactoryNo", [Length(max=80)])
    internal_no = StringField("InternalNo", [Length(max=80)])
    metering_code = StringField(_l("Metering Code"), [Length(max=80)])


class ConfirmForm(FlaskForm):  # type: ignore[misc]  # as above
    """Nothing but the token: for acts without fields."""
