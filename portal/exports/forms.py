"""Forms about tasks and formatters."""

from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, IntegerField, RadioField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from portal.accounts import time_zones
from portal.exports import formatters, operations
from portal.exports.labels import COLUMNS, FORMATS, INTERVALS, SCOPES, TRIGGERS
from portal.exports.models import Format, Formatter, Scope, Trigger
from portal.exports.periods import Interval
from portal.formats.csv_file import CsvSettings
from portal.formats.rows import LABELS

MUST = InputRequired(_l("This must be filled in."))
OFF = {"autocomplete": "off"}
TAB = "tab"  # a form field cannot hold a tab
SEPARATORS = ((";", _l("Semicolon ;")), (",", _l("Comma ,")), (TAB, _l("Tab")), ("|", _l("Bar |")))


class TaskForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    name = StringField(_l("Name"), [MUST, Length(max=120)], render_kw=OFF)
    station_group = SelectField(_l("Station group"), [MUST], coerce=int)
    scope = RadioField(_l("Whose consumption"), choices=list(SCOPES.items()), default=Scope.CHARGING_POINTS.value)
    user = StringField(
        _l("User"),
        [MUST, Length(max=254)],
        description=_l("E-mail address of the account: the owner of the station group, or the driver."),
        render_kw={**OFF, "inputmode": "email", "spellcheck": "false"},
    )
    formatter = SelectField(_l("Formatter"), [MUST], coerce=int)
    destination = SelectField(_l("Destination"), [MUST], coerce=int)
    interval = SelectField(_l("Upload interval"), choices=list(INTERVALS.items()), default=Interval.MONTHLY.value)
    trigger = RadioField(_l("Send a period"), choices=list(TRIGGERS.items()), default=Trigger.ALL_VALUES.value)
    hours_after_end = IntegerField(_l("Hours after the end"), [MUST, NumberRange(0, operations.MOST_HOURS)], default=12)
    starts_on = DateField(
        _l("First day"), [MUST], description=_l("A day in the past sends everything since, period by period.")
    )
    ends_on = DateField(_l("Last day"), [Optional()], description=_l("Leave empty to go on without end."))
    time_zone = SelectField(
        _l("Time zone"), choices=time_zones.by_region, description=_l("Periods begin and end at its midnight.")
    )

    def offer(self, groups: Any, parts: Any, destinations: Any) -> None:
        """Name the station groups (with their owners), formatters and destinations that may be chosen."""
        self.station_group.choices = [(group.id, f"{group.name} ({owner.email})") for group, owner in groups]
        self.formatter.choices = [(row.id, row.name) for row, _ in parts]
        self.destination.choices = [(row.id, row.name) for row, _ in destinations]

    def wanted(self) -> operations.Wanted:
        """What was typed in."""
        return operations.Wanted(
            name=self.name.data or "",
            scope=Scope(self.scope.data),
            user=self.user.data or "",
            station_group_id=self.station_group.data,
            formatter_id=self.formatter.data,
            destination_id=self.destination.data,
            interval=Interval(self.interval.data),
            trigger=Trigger(self.trigger.data),
            hours_after_end=self.hours_after_end.data or 0,
            starts_on=self.starts_on.data,  # type: ignore[arg-type]  # required
            ends_on=self.ends_on.data,
            time_zone=self.time_zone.data,
        )


class FormatterForm(FlaskForm):  # type: ignore[misc]  # as above
    name = StringField(_l("Name"), [MUST, Length(max=120)], render_kw=OFF)
    format = RadioField(_l("Format"), choices=list(FORMATS.items()), default=Format.ESL_XML.value)
    identifier = RadioField(
        _l("What stands as the meter's identifier"), choices=list(LABELS.items()), default="device_location_id"
    )
    obis = StringField(_l("OBIS code"), [MUST, Length(max=30)], default="1-1:1.9.0", render_kw=OFF)
    file_name = StringField(
        _l("File name"),
        [Length(max=200)],
        description=_l(
            "Empty for the usual one. Placeholders: {task} {sender} {period_start} {period_end} {period_last} "
            "{created} {created_time} {revision} {run}."
        ),
        render_kw={**OFF, "spellcheck": "false"},
    )
    system_from = StringField(_l("Sender"), [Length(max=60)], default="Piquet", render_kw=OFF)
    system_to = StringField(_l("Receiver"), [Length(max=60)], default="IS-E", render_kw=OFF)
    per = RadioField(
        _l("One row for each"),
        choices=[("period", _l("Meter and period")), ("quarter", _l("Quarter hour"))],
        default="period",
    )
    columns = StringField(
        _l("Columns"),
        [Length(max=300)],
        default=", ".join(CsvSettings().columns),
        description=_l("In their order, separated by commas. The list beside names them all."),
        render_kw={**OFF, "spellcheck": "false"},
    )
    separator = SelectField(_l("Separator"), choices=SEPARATORS, default=";")
    decimal_mark = SelectField(_l("Decimal mark"), choices=[(".", _l("Point .")), (",", _l("Comma ,"))], default=".")
    decimals = IntegerField(_l("Decimals"), [Optional(), NumberRange(3, 6)], default=3)
    header = BooleanField(_l("Column names in the first row"), default=True)
    encoding = SelectField(
        _l("Encoding"),
        choices=[
            ("utf-8", "UTF-8"),
            ("utf-8-sig", _l("UTF-8 with mark, for spreadsheets")),
            ("iso-8859-1", "ISO 8859-1"),
        ],
        default="utf-8",
    )
    stamps = SelectField(
        _l("Times"),
        choices=[
            ("iso_utc", "2026-01-31T23:00:00Z"),
            ("iso_local", "2026-02-01T00:00:00+01:00"),
            ("local", "01.02.2026 00:00"),
        ],
        default="iso_utc",
    )

    def wanted(self) -> formatters.Wanted:
        """What was typed in: of the settings those of the chosen format."""
        kind = Format(self.format.data)
        settings = self._esl() if kind == Format.ESL_XML else self._csv()
        if self.file_name.data:
            settings["file_name"] = self.file_name.data.strip()
        fields = (self.identifier.data, (self.obis.data or "").strip())
        return formatters.Wanted(self.name.data or "", kind, *fields, settings)

    def _esl(self) -> dict[str, Any]:
        return {"system_from": self.system_from.data or "", "system_to": self.system_to.data or ""}

    def _csv(self) -> dict[str, Any]:
        names = (self.columns.data or "").replace(";", ",").split(",")
        return {
            "per": self.per.data,
            "columns": [name.strip() for name in names if name.strip()],
            "separator": "\t" if self.separator.data == TAB else self.separator.data,
            "decimal_mark": self.decimal_mark.data,
            "decimals": self.decimals.data if self.decimals.data is not None else 3,
            "header": self.header.data,
            "encoding": self.encoding.data,
            "stamps": self.stamps.data,
        }


def fields_of(row: Formatter) -> dict[str, Any]:
    """A formatter as its form shows it."""
    settings = dict(row.settings)
    if "columns" in settings:
        settings["columns"] = ", ".join(settings["columns"])
    if settings.get("separator") == "\t":
        settings["separator"] = TAB
    return {**settings, "name": row.name, "format": row.format, "identifier": row.identifier, "obis": row.obis}


__all__ = ["COLUMNS", "FormatterForm", "TaskForm", "fields_of"]
