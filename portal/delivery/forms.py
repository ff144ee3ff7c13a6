"""Forms about destinations."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, IntegerField, PasswordField, RadioField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from portal.core.errors import RuleBroken
from portal.delivery.labels import CHECKS, PROTOCOLS, WRITINGS
from portal.delivery.models import CertificateCheck, Login, Protocol, Writing
from portal.delivery.operations import Address
from portal.transports.sftp import LARGEST_KEY_FILE

MUST = InputRequired(_l("This must be filled in."))
PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class DestinationForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    name = StringField(
        _l("Name"),
        [MUST, Length(max=120)],
        description=_l("How you find it again, such as the utility's name."),
        render_kw={"autocomplete": "off"},
    )
    protocol = RadioField(_l("Protocol"), choices=list(PROTOCOLS.items()), default=Protocol.SFTP.value)
    host = StringField(_l("Server"), [MUST, Length(max=253)], render_kw={**PLAIN, "placeholder": "sftp.company.ch"})
    port = IntegerField(
        _l("Port"),
        [Optional(), NumberRange(1, 65535)],
        description=_l("Empty for the usual one: 22, 21 or 990."),
        render_kw=PLAIN,
    )
    username = StringField(_l("User name"), [MUST, Length(max=120)], render_kw=PLAIN)
    login = RadioField(
        _l("Log in with"),
        choices=[(Login.PASSWORD.value, _l("Password")), (Login.KEY.value, _l("Key"))],
        default=Login.PASSWORD.value,
    )
    directory = StringField(
        _l("Directory"),
        [Length(max=250)],
        description=_l(
            "Empty for the directory after log-in. Without a slash in front it begins there. {year}, {month} and {day} "
            "stand for the first day of the period, {task} for the name of the task."
        ),
        render_kw=PLAIN,
    )
    make_directory = BooleanField(_l("Make the directory where it is missing"))
    writing = RadioField(_l("While a file is written"), choices=list(WRITINGS.items()), default=Writing.HIDDEN.value)
    temporary_directory = StringField(
        _l("Directory for unfinished files"),
        [Length(max=250)],
        description=_l("Only where they are written in a directory of their own. On the same disk of the server."),
        render_kw=PLAIN,
    )
    done_suffix = StringField(
        _l("Done-file"),
        [Length(max=20)],
        description=_l("Such as .done: an empty file with this behind its name follows each file. Empty for none."),
        render_kw=PLAIN,
    )
    certificate_check = RadioField(
        _l("Certificate of the server"), choices=list(CHECKS.items()), default=CertificateCheck.SYSTEM.value
    )
    own_ca = TextAreaField(
        _l("Certificates of the own authority"),
        [Length(max=100_000)],
        description=_l("In PEM, pasted as text: they begin with -----BEGIN CERTIFICATE-----."),
        render_kw={**PLAIN, "rows": 5},
    )
    legacy_ssh = BooleanField(
        _l("The server is old and knows SHA-1 alone"),
        description=_l(
            "Today SHA-1 protects too little: whoever can listen on the line may be able to read or change what is "
            "sent. Ask the operator of the server for an update, and tick this only until then."
        ),
    )

    def address(self) -> Address:
        """What was typed in; fields that do not count for the protocol are left out."""
        protocol = Protocol(self.protocol.data)
        return Address(
            name=self.name.data or "",
            host=self.host.data or "",
            port=self.port.data,
            username=self.username.data or "",
            directory=self.directory.data or "",
            login=Login.PASSWORD if protocol.is_ftps else Login(self.login.data),
            protocol=protocol,
            certificate_check=CertificateCheck(self.certificate_check.data),
            own_ca=self.own_ca.data or "",
            legacy_ssh=bool(self.legacy_ssh.data),
            make_directory=bool(self.make_directory.data),
            writing=Writing(self.writing.data),
            temporary_directory=self.temporary_directory.data or "",
            done_suffix=self.done_suffix.data or "",
        )


class PasswordForm(FlaskForm):  # type: ignore[misc]  # as above
    password = PasswordField(
        _l("Password"),
        [MUST, Length(max=500)],
        description=_l("It is kept encrypted and never shown again."),
        render_kw={"autocomplete": "new-password"},
    )


class KeyForm(FlaskForm):  # type: ignore[misc]  # as above
    key_file = FileField(
        _l("File of the private key"),
        description=_l("OpenSSH, PEM or PKCS#8, such as id_ed25519; not the file that ends in .pub."),
    )
    private_key = TextAreaField(
        _l("Or the private key as text"),
        [Length(max=LARGEST_KEY_FILE)],
        description=_l("It is kept encrypted and never shown again."),
        render_kw={**PLAIN, "rows": 4},
    )
    passphrase = PasswordField(
        _l("Passphrase"),
        [Length(max=500)],
        description=_l("Only where the key is protected by one; it is not kept."),
        render_kw={"autocomplete": "new-password"},
    )

    def key(self) -> str | bytes:
        """What was pasted, or the bytes of the file, of one that is too large only so many that it shows. RuleBroken
        where there is neither, or both."""
        file, text = self.key_file.data, (self.private_key.data or "").strip()
        if not file and not text:
            raise RuleBroken("key_file", "Choose the file of the key, or paste the key below.")
        if file and text:
            raise RuleBroken("private_key", "Choose a file or paste the key, not both.")
        return file.stream.read(LARGEST_KEY_FILE + 1) if file else text


class LendForm(FlaskForm):  # type: ignore[misc]  # as above
    email = StringField(
        _l("E-mail address"),
        [MUST, Length(max=254)],
        render_kw={"autocomplete": "off", "inputmode": "email", "spellcheck": "false"},
    )
