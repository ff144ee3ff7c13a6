"""Forms about accounts."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, StringField
from wtforms.validators import InputRequired


class LogInForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    email = StringField(_l("E-mail address"), [InputRequired()], render_kw={"autocomplete": "username"})
    password = PasswordField(_l("Password"), [InputRequired()], render_kw={"autocomplete": "current-password"})
    remember = BooleanField(_l("Keep me logged in on this device"))
