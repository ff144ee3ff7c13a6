"""Forms about many stations at once."""

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # the types are of an older version

from portal.bulk.columns import CONNECTOR, STATION, WORDS
from portal.core.errors import RuleBroken
from portal.stations.entries import CANTONS
from portal.stations.models import IDENTIFIERS

_DECIMAL = {"inputmode": "decimal", "autocomplete": "off"}
# Names, references and identifiers differ from one to the next: the file changes those.
OF_STATION = tuple(name for name in STATION if name not in ("name", "reference"))
OF_CONNECTOR = tuple(name for name in CONNECTOR if name not in IDENTIFIERS)
EMPTIED = (
    "description",
    "address",
    "latitude",
    "longitude",
    "canton",
    "support_contact",
    "vat_percent",
    "max_power_kw",
)


def _choice(name: str, label: Any, nothing: Any) -> SelectField:
    words = WORDS[name].items()
    choices = [SelectChoice("", nothing), *(SelectChoice(code, word) for code, word in words)]
    return SelectField(label, choices=choices, default="")


class ChangeForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """What is to become of all that were chosen. A field that is not filled in stays as it is at each of them."""

    address = StringField(STATION["address"], render_kw={"maxlength": 250})
    description = TextAreaField(STATION["description"], render_kw={"rows": 3})
    support_contact = StringField(STATION["support_contact"], render_kw={"maxlength": 200})
    vat_percent = StringField(STATION["vat_percent"], description=_l("Such as 8.1"), render_kw=_DECIMAL)
    latitude = StringField(STATION["latitude"], description=_l("Degrees such as 47.376888"), render_kw=_DECIMAL)
    longitude = StringField(STATION["longitude"], description=_l("Degrees such as 8.541694"), render_kw=_DECIMAL)
    canton = SelectField(
        STATION["canton"],
        default="",
        choices=[SelectChoice("", _l("stays as it is")), *(SelectChoice(canton, canton) for canton in CANTONS)],
    )
    plug_type = _choice("plug_type", CONNECTOR["plug_type"], _l("stays as it is"))
    max_power_kw = StringField(CONNECTOR["max_power_kw"], description=_l("Such as 22 or 3.7"), render_kw=_DECIMAL)
    out_of_service = _choice("out_of_service", CONNECTOR["out_of_service"], _l("stays as it is"))
    access = _choice("access", CONNECTOR["access"], _l("stays as it is"))
    price_per_kwh = StringField(CONNECTOR["price_per_kwh"], description=_l("Such as 0.375"), render_kw=_DECIMAL)
    price_per_hour = StringField(CONNECTOR["price_per_hour"], description=_l("Such as 1.20"), render_kw=_DECIMAL)
    only_plug_type = _choice("plug_type", _l("Which connectors"), _l("all connectors"))
    empty = SelectMultipleField(choices=[(name, name) for name in EMPTIED], validate_choice=False)

    def texts(self, names: tuple[str, ...]) -> Mapping[str, str]:
        """Those of these fields that are to change, "" where they are to be emptied. RuleBroken for both at once."""
        emptied = set(self.empty.data or ())
        typed = {name: self[name].data.strip() for name in names if (self[name].data or "").strip()}
        for name in typed:
            if name in emptied:
                raise RuleBroken(name, "Enter a value, or let it be emptied, not both.")
        return typed | {name: "" for name in names if name in emptied}


class FileForm(FlaskForm):  # type: ignore[misc]  # as above
    file = FileField(
        _l("File"),
        [FileRequired(_l("Choose a file."))],
        description=_l("CSV or Excel workbook (.xlsx), up to 10 MB."),
        render_kw={"accept": ".csv,.txt,.tsv,.xlsx"},
    )
