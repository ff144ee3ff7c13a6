"""The form of a formatter: the fields of every format, of which those of the chosen one count."""

from collections.abc import Mapping
from typing import Any, Final

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, IntegerField, RadioField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from portal.core import forms
from portal.core.errors import RuleBroken
from portal.exports import formatters
from portal.exports.labels import FILES, FORMATS, MSCONS_KINDS, PACKINGS, SCHEMES
from portal.exports.models import Format, Formatter
from portal.formats import ise_csv
from portal.formats.csv_file import CsvSettings
from portal.formats.esl_xml import ATTRIBUTES
from portal.formats.rows import IDENTIFIERS, LABELS

MUST = InputRequired(_l("This must be filled in."))
OFF = {"autocomplete": "off", "spellcheck": "false"}
TAB = "tab"  # a form field cannot hold a tab
SEPARATORS = ((";", _l("Semicolon ;")), (",", _l("Comma ,")), (TAB, _l("Tab")), ("|", _l("Bar |")))
USUAL_QUALIFIER = _l("In the interchange's head. Empty for the usual: 500 with an EIC or BDEW number, 14 with a GLN.")
USUAL_AGENCY = _l("In each message. Empty for the usual: 293 with an EIC or BDEW number, 9 with a GLN.")
LISTS: Final = ("columns", "titles", "status_texts", "further_identifiers")
STAMPS = [
    ("iso_utc", "2026-01-31T23:00:00Z"),
    ("iso_local", "2026-02-01T00:00:00+01:00"),
    ("local", "01.02.2026 00:00"),
    ("plain", "2026-02-01 00:00:00"),
    ("digits", "202602010000"),
]

_TEXT = ("separator", "decimal_mark", "header", "encoding", "stamps", "status_texts", "titles")
_COMPANIES = ("sender", "receiver", "unchecked_ids", "document_prefix")
_ESL = ("system_from", "system_to", "further_identifiers", "attributes")
_MSCONS = (
    "sender_qualifier", "receiver_qualifier", "sender_agency", "receiver_agency", "substitute_method",
    "substitute_reason", "correction_reason",
)  # fmt: skip
SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    Format.ESL_XML: ("values", "register_obis", "esl_per", *_ESL, "esl_status", "status_texts", "decimals"),
    Format.ISE_PAIR: ("value", "ise_columns", "quarter_obis", *_ESL, *_TEXT, "decimals"),
    Format.ISE_XML: ("value", *_ESL, "ise_status", "status_texts", "decimals"),
    Format.ISE_CSV: ("ise_columns", *_TEXT, "decimals"),
    Format.SDAT: (
        "version", *_COMPANIES, "sender_role", "receiver_role", "reason", "point", "product", "community",
        "community_type", "substitute_condition", "missing_condition", "decimals",
    ),
    Format.MSCONS: (
        "kind", "message_obis", *_COMPANIES, "sender_scheme", "receiver_scheme", "swiss_codes", "device_number",
        "decimal_mark", "decimals", "times", "missing", *_MSCONS,
    ),
    Format.CSV: ("per", "columns", *_TEXT, "for_people", "decimals"),
    Format.XLSX: ("per", "columns", "titles", "header"),
}  # fmt: skip
"""Fields that hold the settings of each format."""
FURTHER: Final = (
    "further_identifiers", "attributes", "esl_status", "ise_status", "sender_role", "receiver_role", "reason", "point",
    "product", "community", "community_type", "substitute_condition", "missing_condition", "missing", *_MSCONS,
    "document_prefix",
)  # fmt: skip
"""Those of them that are seldom changed, in the order of the form."""

NAMED: Final = {
    "esl_per": "per",
    "esl_status": "status",
    "ise_status": "status",
    "ise_columns": "columns",
    "message_obis": "obis",
}  # field -> setting, where two formats share the setting
OPTIONAL: Final = (
    "message_obis", "decimals", "titles", "reason", "document_prefix", "further_identifiers", "sender_qualifier",
    "receiver_qualifier", "sender_agency", "receiver_agency",
)  # fmt: skip
"""Fields that say nothing when empty: the format's usual value stands."""


def _text(label: Any, most: int = 40, default: str = "", description: Any = "") -> StringField:
    return StringField(label, [Length(max=most)], default=default, description=description, render_kw=OFF)


class FormatterForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    name = StringField(_l("Name"), [MUST, Length(max=120)], render_kw={"autocomplete": "off"})
    format = RadioField(_l("Format"), choices=list(FORMATS.items()), default=Format.ESL_XML.value)
    identifier = RadioField(
        _l("What stands as the meter's identifier"), choices=list(LABELS.items()), default="device_location_id"
    )
    obis = StringField(_l("OBIS code"), [MUST, Length(max=30)], default="1-1:1.9.0", render_kw=OFF)
    files = SelectField(_l("Files"), choices=list(FILES.items()), default="")
    packing = SelectField(_l("Packed"), choices=list(PACKINGS.items()), default="")
    file_name = _text(
        _l("File name"),
        200,
        description=_l(
            "Empty for the usual one. Placeholders: {task} {sender} {period_start} {period_end} {period_last} "
            "{created} {created_time} {revision} {run}; with several files {meter} {day}, in a pair {extension}."
        ),
    )
    decimals = IntegerField(
        _l("Decimals"),
        [Optional(), NumberRange(3, 6)],
        description=_l("3 to 6. Empty for the usual: 4 in ESLBillingData, else 3."),
    )

    values = RadioField(
        _l("Values"),
        choices=[
            ("advance", _l("Advance in the period")),
            ("register", _l("Running virtual register at its end")),
            ("both", _l("Both")),
        ],
        default="advance",
    )
    register_obis = _text(_l("OBIS code of the register"), 30, "1-1:1.8.0")
    quarter_obis = _text(_l("OBIS code of the quarter hours"), 30, "1-1:1.29.0")
    esl_per = RadioField(
        _l("A value for each"), choices=[("period", _l("Period")), ("day", _l("Local day"))], default="period"
    )
    value = RadioField(
        _l("Value of a day"),
        choices=[("energy", _l("Energy of the day")), ("register", _l("Running virtual register at its end"))],
        default="energy",
    )
    system_from = _text(_l("Sender"), 60, "Piquet")
    system_to = _text(_l("Receiver"), 60, "IS-E")
    further_identifiers = _text(
        _l("Further identifiers"),
        120,
        description=_l("Written where a meter has them: device_location_id, factory_no, internal_no, metering_code."),
    )
    attributes = _text(
        _l("Attribute names"),
        300,
        ", ".join(ATTRIBUTES.values()),
        _l("For DeviceLocationID, FactoryNo, InternalNo and Metering Code, in this order, separated by commas."),
    )

    esl_status = _text(
        _l("Status"),
        20,
        "V",
        _l("Stands beside every value, usually V. Empty for the status text of its worst quarter hour."),
    )
    ise_status = _text(
        _l("Status"),
        20,
        description=_l("Stands beside every value. Empty, as usual, for the status text of its worst quarter hour."),
    )

    per = RadioField(
        _l("One row for each"),
        choices=[("period", _l("Meter and period")), ("quarter", _l("Quarter hour"))],
        default="period",
    )
    columns = _text(
        _l("Columns"),
        300,
        ", ".join(CsvSettings().columns),
        _l("In their order, separated by commas. The list below names them all."),
    )
    ise_columns = _text(
        _l("Columns"),
        300,
        ", ".join(ise_csv.IseCsvSettings().columns),
        _l("In their order, separated by commas. The list below names them all."),
    )
    titles = _text(
        _l("Titles"), 400, description=_l("One for each column, separated by commas. Empty for their names.")
    )
    separator = SelectField(_l("Separator"), choices=SEPARATORS, default=";")
    decimal_mark = SelectField(_l("Decimal mark"), choices=[(".", _l("Point .")), (",", _l("Comma ,"))], default=".")
    header = BooleanField(_l("Titles in the first row"), default=True)
    encoding = SelectField(
        _l("Encoding"),
        choices=[
            ("utf-8", "UTF-8"),
            ("utf-8-sig", _l("UTF-8 with mark, for spreadsheets")),
            ("iso-8859-1", "ISO 8859-1"),
        ],
        default="utf-8",
    )
    stamps = SelectField(_l("Times"), choices=STAMPS, default="iso_local")
    status_texts = _text(_l("Status texts"), 40, "W, E, F", _l("For measured, substitute and missing."))
    for_people = BooleanField(
        _l("For people"),
        default=True,
        description=_l("A name that a spreadsheet would run as a formula gets an apostrophe; without, it is refused."),
    )

    version = SelectField(_l("Version"), choices=[("1.4", "1.4"), ("1.6", "1.6")], default="1.4")
    kind = SelectField(_l("Message"), choices=list(MSCONS_KINDS.items()), default="profile_22e")
    message_obis = _text(_l("OBIS code"), 30, description=_l("Empty for what is usual in this message."))
    sender = _text(_l("Code of the sender"), description=_l("EIC, such as 12X-EXAMPLE----Z."))
    receiver = _text(_l("Code of the receiver"))
    sender_scheme = SelectField(_l("Kind of the sender's code"), choices=list(SCHEMES.items()), default="eic")
    receiver_scheme = SelectField(_l("Kind of the receiver's code"), choices=list(SCHEMES.items()), default="eic")
    unchecked_ids = BooleanField(_l("Do not check the last character of these codes"))
    document_prefix = _text(
        _l("Prefix of document numbers"), 12, description=_l("Letters and digits. Empty for the usual one.")
    )
    sender_role = _text(_l("Role of the sender"), 4, "MDR")
    receiver_role = _text(_l("Role of the receiver"), 4, "DEC")
    reason = _text(_l("Business reason"), 3, description=_l("Empty for the usual one: E88 in 1.4, C40 in 1.6."))
    point = SelectField(
        _l("Metering point"),
        choices=[("consumption", _l("Consumption")), ("production", _l("Production"))],
        default="consumption",
    )
    product = _text(_l("Product"), 13, "8716867000030")
    community = _text(_l("Local electricity community"), 35, description=_l("In version 1.6, where there is one."))
    community_type = _text(
        _l("Kind of the community"), 6, "CT01", _l("Usually CT01. Written where a community is named.")
    )
    substitute_condition = _text(_l("Condition of a substitute value"), 2, "56")
    missing_condition = _text(_l("Condition of a missing value"), 2, "21")
    swiss_codes = BooleanField(
        _l("Only Swiss metering codes"),
        default=True,
        description=_l("CH and 31 characters, where Metering Code is sent."),
    )
    device_number = BooleanField(_l("A reading names the FactoryNo"), default=True)
    times = SelectField(
        _l("Time"),
        choices=[
            ("", _l("As usual for the message")),
            ("utc", _l("UTC")),
            ("local", _l("Local time")),
            ("winter", _l("Winter time all year")),
        ],
        default="",
    )

    missing = SelectField(
        _l("Status of a missing value"),
        choices=[
            ("Z18", _l("Z18 provisional, as usual")),
            ("Z30", _l("Z30 missing")),
            ("20", _l("20 not usable")),
        ],
        default="Z18",
        description=_l("Of a quarter hour in a load profile."),
    )
    sender_qualifier = _text(_l("Qualifier of the sender"), 4, description=USUAL_QUALIFIER)
    receiver_qualifier = _text(_l("Qualifier of the receiver"), 4, description=USUAL_QUALIFIER)
    sender_agency = _text(_l("Code list of the sender"), 3, description=USUAL_AGENCY)
    receiver_agency = _text(_l("Code list of the receiver"), 3, description=USUAL_AGENCY)
    substitute_method = _text(
        _l("How a substitute value was made"), 3, "Z92", _l("Usually Z92. Written by messages of version 2.4c.")
    )
    substitute_reason = _text(
        _l("Why there is a substitute value"), 3, "Z75", _l("Usually Z75. Written by messages of version 2.4c.")
    )
    correction_reason = _text(
        _l("Why a value is corrected"), 3, "ZA4", _l("Usually ZA4. Written by messages of version 2.4c.")
    )

    def wanted(self) -> formatters.Wanted:
        """What was typed in: of the settings those of the chosen format. ValueError without a format."""
        kind = Format(self.format.data)
        settings: dict[str, Any] = {}
        for name in SHOWN[kind]:
            value = _setting(name, self[name].data)
            if name not in OPTIONAL or value not in (None, "", []):
                settings[NAMED.get(name, name)] = value
        for name in ("file_name", "files", "packing"):
            if chosen := (self[name].data or "").strip():
                settings[name] = chosen
        fields = (self.identifier.data, (self.obis.data or "").strip())
        return formatters.Wanted(self.name.data or "", kind, *fields, settings)

    def show(self, broken: RuleBroken) -> None:
        """Put the rule's message at the field that holds the setting."""
        forms.show(self, RuleBroken(self._holds(broken.field), broken.message, **broken.params))

    def words(self, broken: RuleBroken) -> str:
        """The rule's message, with the field that holds the setting in front."""
        text, name = forms.words(broken), self._holds(broken.field)
        return gettext("%(label)s: %(error)s", label=self[name].label.text, error=text) if name in self else text

    def _holds(self, setting: str) -> str:
        shown = SHOWN.get(self.format.data, ())
        return next((name for name, named in NAMED.items() if named == setting and name in shown), setting)

    @property
    def further(self) -> tuple[str, ...]:
        """The fields that are seldom changed."""
        return FURTHER

    def formats(self, *names: str) -> str:
        """The formats that have one of the fields, separated by blanks."""
        if "obis" in names:
            return " ".join(kind for kind in FORMATS if kind not in (Format.SDAT, Format.MSCONS))
        return " ".join(kind for kind in FORMATS if set(names) & set(SHOWN[kind]))


def _setting(name: str, value: Any) -> Any:
    """A field's value as the format has it."""
    if name == "separator" and value == TAB:
        return "\t"
    if NAMED.get(name, name) in LISTS:
        return [part.strip() for part in (value or "").replace(";", ",").split(",") if part.strip()]
    if name == "attributes":
        return dict(zip(IDENTIFIERS, (part.strip() for part in (value or "").split(",")), strict=False))
    return value.strip() if isinstance(value, str) and name != "separator" else value


def fields_of(row: Formatter) -> dict[str, Any]:
    """A formatter as its form shows it."""
    shown = {NAMED.get(name, name): name for name in SHOWN[row.format]}
    values = {shown.get(name, name): value for name, value in row.settings.items()}
    for name, value in values.items():
        if isinstance(value, dict):
            values[name] = ", ".join(value.get(identifier, "") for identifier in IDENTIFIERS)
        elif isinstance(value, list):
            values[name] = ", ".join(value)
        elif name == "separator" and value == "\t":
            values[name] = TAB
    return {**values, "name": row.name, "format": row.format, "identifier": row.identifier, "obis": row.obis}
