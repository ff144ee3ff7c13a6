"""Forms about grants and user groups."""

from collections.abc import Iterable

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, Field, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from portal.core import web
from portal.sharing.operations import Offer
from portal.sharing.terms import end_of
from portal.stations.labels import PERMISSIONS
from portal.stations.models import Permission

EXPLANATIONS = {
    Permission.DISPLAY.value: _l(
        "Sees the stations of the group, their charging and the exports, and changes nothing."
    ),
    Permission.MANAGE.value: _l(
        "Also edits stations and charging points: prices, access, opening times. Imports charging and sets up exports."
    ),
    Permission.ADMINISTRATE.value: _l(
        "Also renames the group, adds and removes the owner’s stations, and gives others access, at most this much."
    ),
}
LAST_YEAR = 2199


class TermsForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """What is given, and until when."""

    role = RadioField(_l("Permission"), [InputRequired(_l("Choose a permission."))])
    ends_on = DateField(_l("Last day"), [Optional()], description=_l("Leave empty for access without an end date."))
    hides_drivers = BooleanField(
        _l("Hide the drivers"), description=_l("Charging is shown without the drivers' e-mail addresses.")
    )

    def offer_roles(self, roles: Iterable[Permission]) -> None:
        """Name the permissions that may be chosen."""
        self.role.choices = [(role.value, PERMISSIONS[role]) for role in roles]

    def validate_ends_on(self, field: Field) -> None:
        if field.data and field.data.year > LAST_YEAR:
            raise ValidationError(gettext("Choose an earlier day, or leave it empty."))

    def offer(self, email: str = "", user_group_id: int | None = None) -> Offer:
        """What the form asks for; a day counts in the reader's time zone."""
        ends_at = end_of(self.ends_on.data, web.zone()) if self.ends_on.data else None
        return Offer(Permission(self.role.data), email, user_group_id, ends_at, self.hides_drivers.data)


class GiveForm(TermsForm):
    # Blanks count as nothing chosen, as they do for Optional(): else they would pass for the number of a group.
    user_group = SelectField(_l("User group"), [Optional()], filters=[lambda chosen: (chosen or "").strip()])
    email = StringField(
        _l("E-mail address"),
        [Optional(), Length(max=254)],
        description=_l("The address of one account. It need not exist yet: access opens once it does."),
        render_kw={"autocomplete": "off", "inputmode": "email", "placeholder": "name@company.ch"},
    )

    def offer_user_groups(self, names: Iterable[tuple[int, str]]) -> None:
        """Name the user groups that may be chosen."""
        self.user_group.choices = [("", _l("– none –")), *((str(row_id), name) for row_id, name in names)]

    def validate_email(self, field: Field) -> None:
        if bool(field.data and field.data.strip()) == bool(self.user_group.data):
            raise ValidationError(gettext("Choose a user group or enter an e-mail address, one of the two."))

    def give_offer(self) -> Offer:
        """What the form asks for, with its recipient."""
        chosen = self.user_group.data
        return self.offer("" if chosen else self.email.data or "", int(chosen) if chosen else None)


class NameForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    name = StringField(
        _l("Name"),
        [InputRequired(_l("Give the user group a name.")), Length(max=120)],
        render_kw={"autocomplete": "off"},
    )


class AddressesForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    emails = TextAreaField(
        _l("E-mail addresses"),
        [Optional(), Length(max=200_000)],
        description=_l("One or many, separated by lines, commas, semicolons or blanks. None needs an account."),
        render_kw={"rows": 5, "autocomplete": "off", "spellcheck": "false"},
    )


class UserGroupForm(NameForm, AddressesForm):
    """A new user group, with its first addresses."""
