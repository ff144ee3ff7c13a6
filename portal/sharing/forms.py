"""Forms about grants and user groups."""

from collections.abc import Iterable
from datetime import date, datetime

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, Field, HiddenField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from portal.core import clock, web
from portal.sharing.operations import Offer
from portal.sharing.terms import Span, begin_of, end_of, first_day, last_day_of
from portal.stations.labels import PERMISSIONS
from portal.stations.models import Grant, Permission

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


SPANS = {Span.WEEK.value: _l("1 week"), Span.MONTH.value: _l("1 month"), Span.YEAR.value: _l("1 year")}


class DaysForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """From when until when. Days are whole days of the reader."""

    starts_on = DateField(_l("First day"), [Optional()], description=_l("Leave empty to begin at once."))
    lasts = SelectField(_l("Duration"), choices=[("", _l("until the last day")), *SPANS.items()], default="")
    ends_on = DateField(_l("Last day"), [Optional()], description=_l("Leave empty for access without an end date."))

    def validate_ends_on(self, field: Field) -> None:
        if field.data and field.data.year > LAST_YEAR:
            raise ValidationError(gettext("Choose an earlier day, or leave it empty."))

    def validate_starts_on(self, field: Field) -> None:
        if field.data and field.data.year > LAST_YEAR:
            raise ValidationError(gettext("Choose an earlier day, or leave it empty."))

    @property
    def starts_at(self) -> datetime | None:
        """The beginning of the first day; none: at once."""
        first = self.starts_on.data if "starts_on" in self else None
        return begin_of(first, web.zone()) if first and first != self._today() else None

    @property
    def ends_at(self) -> datetime | None:
        """The end of the last day; a chosen duration goes before a day that stands there. None: without end."""
        day = self.ends_on.data
        if self.lasts.data:
            first = first_day(self.starts_at or clock.now(), web.zone())
            day = last_day_of(Span(self.lasts.data), first, planned=self.starts_at is not None)
        return end_of(day, web.zone()) if day else None

    def _today(self) -> date:
        return first_day(clock.now(), web.zone())


class TermsForm(DaysForm):
    """What is given, and from when until when. `seen`: the version of the grant that the form was filled from."""

    role = RadioField(_l("Permission"), [InputRequired(_l("Choose a permission."))])
    hides_drivers = BooleanField(
        _l("Hide the drivers"),
        description=_l("Charging is shown without the drivers’ names, e-mail addresses and cards, in files too."),
    )
    seen = HiddenField()

    def offer_roles(self, roles: Iterable[Permission]) -> None:
        """Name the permissions that may be chosen."""
        self.role.choices = [(role.value, PERMISSIONS[role]) for role in roles]

    def offer(self, email: str = "", user_group_id: int | None = None) -> Offer:
        """What the form asks for."""
        role, hides = Permission(self.role.data), self.hides_drivers.data
        return Offer(role, email, user_group_id, self.ends_at, hides, self.starts_at, self.seen.data or "")


class GiveForm(TermsForm):
    # Blanks count as nothing chosen, as they do for Optional(): else they would pass for the number of a group.
    user_group = SelectField(_l("User group"), [Optional()], filters=[lambda chosen: (chosen or "").strip()])
    email = StringField(
        _l("E-mail address"),
        [Optional(), Length(max=254)],
        description=_l("The address of one account. It need not exist yet: access opens once it does."),
        render_kw={"autocomplete": "off", "inputmode": "email", "placeholder": "name@company.ch"},
    )
    besides = BooleanField(_l("Give it in addition to what is there already"))

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


class ChangeChosenForm(DaysForm):
    """What becomes of many grants at once: each keeps what nothing is chosen for."""

    role = SelectField(_l("Permission"))
    end = RadioField(
        _l("Last day"),
        choices=[("keep", _l("Leave as it is")), ("none", _l("No end date")), ("day", _l("Set for all"))],
        default="keep",
    )

    def offer_roles(self, roles: Iterable[Permission]) -> None:
        """Name the permissions that may be chosen."""
        self.role.choices = [("", _l("Leave as it is")), *((role.value, PERMISSIONS[role]) for role in roles)]

    def validate_end(self, field: Field) -> None:
        if field.data == "day" and not (self.ends_on.data or self.lasts.data):
            raise ValidationError(gettext("Choose a duration or a last day."))
        if field.data == "keep" and not self.role.data:
            raise ValidationError(gettext("Choose what is to change: the permission, the last day or both."))

    def offer_for(self, grant: Grant) -> Offer:
        """What the form makes of this grant."""
        ends_at = {"keep": grant.ends_at, "none": None, "day": self.ends_at}[self.end.data]
        role = Permission(self.role.data or grant.role)
        starts_at = grant.starts_at if grant.starts_at > clock.now() else None
        return Offer(role, ends_at=ends_at, hides_drivers=grant.hides_drivers, starts_at=starts_at)


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
