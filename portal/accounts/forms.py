"""Forms about accounts."""

from babel.numbers import get_currency_name
from flask_babel import get_locale
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, IntegerField, PasswordField, RadioField, SelectField, StringField
from wtforms.validators import InputRequired, Length, Optional

from portal.accounts import time_zones
from portal.accounts.charging_costs import CURRENCIES
from portal.core.languages import LANGUAGES

MUST = InputRequired(_l("This must be filled in."))
PASSWORD_RULE = _l("10 characters or more. A sentence is easy to remember.")


def text(field: Field) -> str:
    """What was typed into the field."""
    return field.data or ""


def _email(label: str, autocomplete: str = "email") -> StringField:
    attributes = {"type": "email", "autocomplete": autocomplete, "inputmode": "email", "spellcheck": "false"}
    return StringField(label, [MUST, Length(max=254)], render_kw=attributes)


def _name() -> StringField:
    return StringField(
        _l("Name"),
        [MUST],
        description=_l("Yours, or that of your company: it is shown to those with whom you share."),
        render_kw={"autocomplete": "name", "maxlength": 120},
    )


def _new_password(label: str) -> PasswordField:
    attributes = {"autocomplete": "new-password", "minlength": 10, "maxlength": 200}
    return PasswordField(label, [MUST], description=PASSWORD_RULE, render_kw=attributes)


def _present_password(label: str) -> PasswordField:
    return PasswordField(label, [MUST], render_kw={"autocomplete": "current-password"})


def _language() -> SelectField:
    return SelectField(_l("Language"), choices=list(LANGUAGES.items()))


class LogInForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    email = _email(_l("E-mail address"), "username")
    password = _present_password(_l("Password"))
    remember = BooleanField(_l("Keep me logged in on this device"))


class RegisterForm(FlaskForm):  # type: ignore[misc]  # as above
    name = _name()
    email = _email(_l("E-mail address"), "username")
    password = _new_password(_l("Password"))
    language = _language()


class VerifyForm(FlaskForm):  # type: ignore[misc]  # as above
    """Asks for the password only where the link is opened in another browser than the one that registered."""

    password = PasswordField(
        _l("Password"),
        description=_l("The one that was chosen at registration."),
        render_kw={"autocomplete": "current-password"},
    )


class AskResetForm(FlaskForm):  # type: ignore[misc]  # as above
    email = _email(_l("E-mail address"), "username")


class ResetForm(FlaskForm):  # type: ignore[misc]  # as above
    password = _new_password(_l("New password"))


class ConfirmForm(FlaskForm):  # type: ignore[misc]  # as above
    """A button only: a link in a mail must not be used up by a program that reads mails."""


class ProfileForm(FlaskForm):  # type: ignore[misc]  # as above
    name = _name()
    language = _language()
    time_zone = SelectField(
        _l("Time zone"),
        choices=time_zones.by_region,
        description=_l("Times are shown in it. New exports begin and end at its midnight."),
    )
    theme = RadioField(
        _l("Appearance on this device"),
        choices=[("auto", _l("As the system")), ("light", _l("Light")), ("dark", _l("Dark"))],
    )


class DurationsForm(FlaskForm):  # type: ignore[misc]  # as above
    """For how long others get access to what is the account's own."""

    grant_default_days = IntegerField(
        _l("Usual duration in days"),
        [Optional()],
        description=_l("Proposed when access is given. Leave empty to propose no end."),
        render_kw={"min": 1, "max": 3650},
    )
    grant_most_days = IntegerField(
        _l("Longest duration in days"),
        [Optional()],
        description=_l("Nobody gives access for longer, administrators included. Leave empty for no limit."),
        render_kw={"min": 1, "max": 3650},
    )


def _currencies() -> list[tuple[str, str]]:
    return [(code, f"{code} – {get_currency_name(code, locale=get_locale())}") for code in CURRENCIES]


class CostsForm(FlaskForm):  # type: ignore[misc]  # as above
    """In what charging at the account's stations costs."""

    currency = SelectField(_l("Currency"), choices=_currencies)
    five_rappen = BooleanField(
        _l("Round the total of a session to five Rappen"), description=_l("In other currencies to five hundredths.")
    )


class ChangePasswordForm(FlaskForm):  # type: ignore[misc]  # as above
    present = _present_password(_l("Present password"))
    password = _new_password(_l("New password"))


class ChangeEmailForm(FlaskForm):  # type: ignore[misc]  # as above
    new_email = _email(_l("New e-mail address"))
    present = _present_password(_l("Present password"))
