"""Forms about stations, connectors and station groups; and the values that operations take from them."""

from collections.abc import Collection, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import (
    BooleanField,
    FieldList,
    Form,
    FormField,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # the types are of an older version
from wtforms.validators import InputRequired

from portal.core import forms
from portal.core.errors import RuleBroken
from portal.stations import entries, labels, opening, week_picture
from portal.stations.models import IDENTIFIERS, Access, Connector, Station
from portal.stations.operations import ConnectorValues, StationValues
from portal.stations.operations.connectors import windows_of

BLANK_ROWS = 2  # offered below the opening times there are; saving brings new ones
_DECIMAL = {"inputmode": "decimal", "autocomplete": "off"}


def choices(words: Mapping[str, Any]) -> list[SelectChoice]:
    """Values and their words, for a field that offers a choice."""
    return [SelectChoice(str(value), word) for value, word in words.items()]


class SeenForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """A form that several people may have open at once. `seen`: the version of the row that it was filled from."""

    seen = HiddenField()

    def show_present(self, present: Mapping[str, Any], names: Collection[str], version: str) -> None:
        """Say at each of these fields what is stored there now. Sent once more, the form changes just that."""
        for name in names:
            stands = present.get(name)
            if name in self and isinstance(stands, str):
                field = self[name]
                words = dict(getattr(field, "choices", None) or ()).get(stands, stands)
                field.errors = [*field.errors, gettext("Stored now: %(value)s", value=words or "–")]
        self.seen.data = version


class LockingForm(SeenForm):
    """A form some of whose fields its reader may not write."""

    def lock(self, names: Collection[str], present: Mapping[str, Any]) -> list[str]:
        """Let these fields stand as they are at `present`, whatever was sent. Says which were sent with another
        value: a browser sends none of them, because it shows them disabled."""
        otherwise = []
        for name in names:
            field, stands = self[name], present.get(name)
            if self.is_submitted() and _sent_otherwise(field, stands):
                otherwise.append(name)
            _put(field, stands)
        return otherwise


def _sent_otherwise(field: Any, stands: Any) -> bool:
    if isinstance(field, FieldList):
        sent = [entry.form.row()._asdict() for entry in field if entry.form.filled()]
        return bool(sent) and sent != list(stands or ())
    if isinstance(field, FileField):
        return bool(field.data)
    if isinstance(field, BooleanField):
        return bool(field.raw_data) and bool(field.data) != bool(stands)
    return any(_bare(text) != _bare(stands or "") for text in field.raw_data or ())


def _bare(text: Any) -> str:
    return str(text).replace("\r\n", "\n").strip()


def _put(field: Any, stands: Any) -> None:
    if isinstance(field, FieldList):
        while field.entries:
            field.pop_entry()
        for row in stands or ():
            field.append_entry(row)
    else:
        field.data, field.raw_data = stands, [stands]


class StationForm(LockingForm):
    name = StringField(_l("Name"), [InputRequired()], render_kw={"maxlength": 120})
    reference = StringField(
        _l("Reference"),
        description=_l("The station's id in other systems, such as the charge box id; files are matched by it."),
        render_kw={"maxlength": 80},
    )
    description = TextAreaField(_l("Description"), render_kw={"rows": 3})
    address = StringField(_l("Address"), render_kw={"maxlength": 250})
    latitude = StringField(_l("Latitude"), description=_l("Degrees such as 47.376888"), render_kw=_DECIMAL)
    longitude = StringField(_l("Longitude"), description=_l("Degrees such as 8.541694"), render_kw=_DECIMAL)
    canton = SelectField(
        _l("Canton"),
        choices=[SelectChoice("", "–"), *(SelectChoice(canton, canton) for canton in entries.CANTONS)],
        validate_choice=False,
        description=_l("Opening times of public holidays follow the holidays of this canton."),
    )
    support_contact = StringField(
        _l("Support contact"),
        description=_l("Telephone or e-mail for drivers in trouble"),
        render_kw={"maxlength": 200},
    )
    vat_percent = StringField(_l("VAT rate in percent"), description=_l("Such as 8.1"), render_kw=_DECIMAL)
    image = FileField(
        _l("Picture"),
        description=_l("PNG, JPEG or WebP up to 5 MB; the place and date kept inside a photo are removed."),
        render_kw={"accept": "image/png,image/jpeg,image/webp"},
    )
    remove_image = BooleanField(_l("Remove the picture"))

    def values(self) -> StationValues:
        """What was filled in; RuleBroken for what cannot be read."""
        return StationValues(
            name=self.name.data or "",
            reference=self.reference.data or "",
            description=self.description.data or "",
            address=self.address.data or "",
            latitude=entries.amount("latitude", self.latitude.data),
            longitude=entries.amount("longitude", self.longitude.data),
            canton=self.canton.data or "",
            support_contact=self.support_contact.data or "",
            vat_percent=entries.amount("vat_percent", self.vat_percent.data),
        )


STATION_FIELDS = (*(field.name for field in fields(StationValues)), "image", "remove_image")
CONNECTOR_FIELDS = (
    "plug_type", "max_power_kw", "out_of_service", "access", "price_per_kwh", "price_per_hour", *IDENTIFIERS,
    "opening_times",
)  # fmt: skip


def of_station(station: Station) -> dict[str, Any]:
    """What stands in the form of a station."""
    vat = station.vat_permille
    return {
        "name": station.name,
        "reference": station.reference or "",
        "description": station.description,
        "address": station.address,
        "latitude": "" if station.latitude is None else f"{station.latitude:.6f}".rstrip("0").rstrip("."),
        "longitude": "" if station.longitude is None else f"{station.longitude:.6f}".rstrip("0").rstrip("."),
        "canton": station.canton or "",
        "support_contact": station.support_contact,
        "vat_percent": "" if vat is None else str(Decimal(vat) / 10),
    }


_DAYS = {
    "": _l("–"),
    "weekdays": _l("Mon – Fri"),
    "weekend": _l("Sat – Sun"),
    "daily": _l("Every day"),
    **{str(number): name for number, name in enumerate(labels.WEEKDAYS)},
}


class OpeningRow(Form):
    """One row of opening times. Its rules are those of opening.py, which name the row."""

    days = SelectField(_l("Day"), choices=choices(_DAYS), validate_choice=False)
    opens = StringField(_l("From"))
    closes = StringField(_l("To"))
    access = SelectField(_l("Access"), choices=choices(labels.ACCESSES), validate_choice=False)
    price_per_kwh = StringField(_l("CHF per kWh"), render_kw=_DECIMAL)
    price_per_hour = StringField(_l("CHF per hour"), render_kw=_DECIMAL)
    remove = BooleanField(_l("Remove"))

    def filled(self) -> bool:
        typed = (self.days, self.opens, self.closes, self.price_per_kwh, self.price_per_hour)
        return not self.remove.data and any((one.data or "").strip() for one in typed)

    def row(self) -> opening.Row:
        return opening.Row(
            self.days.data or "",
            self.opens.data or "",
            self.closes.data or "",
            self.access.data or "",
            self.price_per_kwh.data or "",
            self.price_per_hour.data or "",
        )


def _price_so_far(field: StringField) -> int:
    try:
        return entries.price(field.name, entries.amount(field.name, field.data))
    except RuleBroken:
        return 0


class ConnectorForm(LockingForm):
    plug_type = SelectField(_l("Plug type"), choices=choices(labels.PLUG_TYPES))
    max_power_kw = StringField(_l("Maximum power in kW"), description=_l("Such as 22 or 3.7"), render_kw=_DECIMAL)
    out_of_service = BooleanField(_l("Out of service"))
    access = RadioField(_l("Access"), choices=choices(labels.ACCESSES))
    price_per_kwh = StringField(_l("Price per kWh in CHF"), description=_l("Such as 0.375"), render_kw=_DECIMAL)
    price_per_hour = StringField(_l("Price per hour in CHF"), description=_l("Such as 1.20"), render_kw=_DECIMAL)
    device_location_id = StringField(
        _l("DeviceLocationID"), description=_l("The id in IS-E"), render_kw={"maxlength": 80}
    )
    factory_no = StringField(_l("FactoryNo"), description=_l("Manufacturing number"), render_kw={"maxlength": 80})
    internal_no = StringField(_l("InternalNo"), description=_l("Internal number"), render_kw={"maxlength": 80})
    metering_code = StringField(
        _l("Metering Code"),
        description=_l("A code of your choice, or the Swiss one: CH and 31 characters"),
        render_kw={"maxlength": 80},
    )
    opening_times = FieldList(FormField(OpeningRow), _l("Opening times"), max_entries=opening.MOST_WINDOWS + BLANK_ROWS)

    def values(self) -> ConnectorValues:
        """What was filled in; RuleBroken for what cannot be read."""
        return ConnectorValues(
            plug_type=self.plug_type.data or "",
            max_power_kw=entries.amount("max_power_kw", self.max_power_kw.data),
            access=self.access.data or "",
            price_per_kwh=entries.amount("price_per_kwh", self.price_per_kwh.data),
            price_per_hour=entries.amount("price_per_hour", self.price_per_hour.data),
            out_of_service=bool(self.out_of_service.data),
            identifiers={name: self[name].data or "" for name in IDENTIFIERS},
            opening_times=self.rows(),
        )

    def rows(self) -> list[opening.Row]:
        """The rows of opening times that were filled in."""
        return [entry.form.row() for entry in self.opening_times if entry.form.filled()]

    def picture(self) -> week_picture.Picture:
        """The week as it would be if the form were saved now: what cannot be read is left out, and said."""
        windows, wrong = opening.readable(self.rows())
        access = self.access.data if self.access.data in list(Access) else Access.PRIVATE.value
        prices = _price_so_far(self.price_per_kwh), _price_so_far(self.price_per_hour)
        return week_picture.Picture(
            week_picture.columns(access, prices, windows), [forms.words(broken) for broken in wrong]
        )

    def offer_blank_rows(self) -> None:
        """Rows to fill in below the opening times."""
        for _number in range(BLANK_ROWS):
            self.opening_times.append_entry()


def of_connector(connector: Connector) -> dict[str, Any]:
    """What stands in the form of a connector."""
    power = connector.max_power_w
    return {
        "plug_type": connector.plug_type,
        "max_power_kw": "" if power is None else f"{Decimal(power) / 1000:f}",
        "out_of_service": connector.out_of_service,
        "access": connector.access,
        "price_per_kwh": opening.francs(connector.price_per_kwh),
        "price_per_hour": opening.francs(connector.price_per_hour),
        **{name: getattr(connector, name) or "" for name in IDENTIFIERS},
        "opening_times": [row._asdict() for row in opening.rows(windows_of(connector))],
    }


class GroupForm(SeenForm):
    name = StringField(_l("Name"), [InputRequired()], render_kw={"maxlength": 120})
    description = TextAreaField(_l("Description"), render_kw={"rows": 3})


class AddStationsForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Ticked boxes named station_ids; the page draws them from its list."""

    def chosen(self, values: list[str]) -> list[int]:
        """The ids among the values sent; anything else is left out."""
        return [int(value) for value in values if value.isascii() and value.isdigit() and len(value) < 10]
