"""Forms about destinations."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import IntegerField, PasswordField, RadioField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange

from portal.delivery.models import Login
from portal.delivery.operations import Address

MUST = InputRequired(_l("This must be filled in."))
PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class DestinationForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    name = StringField(
        _l("Name"),
        [MUST, Length(max=120)],
        description=_l("How you find it again, such as the utility's name."),
        render_kw={"autocomplete": "off"},
    )
    host = StringField(_l("Server"), [MUST, Length(max=253)], render_kw={**PLAIN, "placeholder": "sftp.company.ch"})
    port = IntegerField(_l("Port"), [MUST, NumberRange(1, 65535)], default=22)
    username = StringField(_l("User name"), [MUST, Length(max=120)], render_kw=PLAIN)
    login = RadioField(
        _l("Log in with"),
        choices=[(Login.PASSWORD.value, _l("Password")), (Login.KEY.value, _l("Key"))],
        default=Login.PASSWORD.value,
    )
    directory = StringField(
        _l("Directory"),
        [Length(max=250)],
        description=_l("Empty for the directory after log-in. Without a slash in front it begins there."),
        render_kw=PLAIN,
    )

    def address(self) -> Address:
        """What was typed in."""
        return Address(
            name=self.name.data or "",
            host=self.host.data or "",
            port=self.port.data or 0,
            username=self.username.data or "",
            directory=self.directory.data or "",
            login=Login(self.login.data),
        )


class PasswordForm(FlaskForm):  # type: ignore[misc]  # as above
    password = PasswordField(
        _l("Password"),
        [MUST, Length(max=500)],
        description=_l("It is kept encrypted and never shown again."),
        render_kw={"autocomplete": "new-password"},
    )


class KeyForm(FlaskForm):  # type: ignore[misc]  # as above
    private_key = TextAreaField(
        _l("Private key"),
        [MUST, Length(max=20_000)],
        description=_l("OpenSSH, PEM or PKCS#8, pasted as text. It is kept encrypted and never shown again."),
        render_kw={**PLAIN, "rows": 6},
    )
    passphrase = PasswordField(_l("Passphrase"), [Length(max=500)], render_kw={"autocomplete": "new-password"})
