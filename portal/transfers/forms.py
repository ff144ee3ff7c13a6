"""Forms about transfers."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from portal.transfers.operations import LONGEST_MESSAGE


class OfferForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    email = StringField(
        _l("E-mail address of the receiver"),
        [InputRequired(_l("Enter the address of the account that is to own this.")), Length(max=254)],
        description=_l("The account need not exist yet: its holder registers with this address."),
        render_kw={"type": "email", "autocomplete": "off", "inputmode": "email", "placeholder": "name@company.ch"},
    )
    message = TextAreaField(
        _l("Message"),
        [Length(max=LONGEST_MESSAGE)],
        description=_l("Shown to the receiver beside the offer."),
        render_kw={"rows": 3, "maxlength": LONGEST_MESSAGE},
    )


class AccountOfferForm(OfferForm):
    present = PasswordField(
        _l("Your password"),
        [InputRequired(_l("This must be filled in."))],
        description=_l("Everything you own is at stake, so we ask once more that it is you."),
        render_kw={"autocomplete": "current-password"},
    )


class AnswerForm(FlaskForm):  # type: ignore[misc]  # as above
    """A button only."""
