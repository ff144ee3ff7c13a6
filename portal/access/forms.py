"""Forms about special users and price rules."""

from collections.abc import Iterable
from datetime import date

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import DateField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from portal.access import offers
from portal.access.offers import Offer
from portal.stations import opening

_DECIMAL = {"inputmode": "decimal", "autocomplete": "off"}


class OfferForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """A price and days of the reader, who is the owner."""

    price_per_kwh = StringField(_l("Price per kWh in CHF"), description=_l("Such as 0.375"), render_kw=_DECIMAL)
    price_per_hour = StringField(_l("Price per hour in CHF"), description=_l("Such as 1.20"), render_kw=_DECIMAL)
    price_per_session = StringField(
        _l("Price per session in CHF"), description=_l("For each started one, such as 0.50"), render_kw=_DECIMAL
    )
    starts_on = DateField(_l("First day"), [Optional()], description=_l("Leave empty to begin at once."))
    ends_on = DateField(_l("Last day"), [Optional()], description=_l("Leave empty for no end."))

    def offer(self) -> Offer:
        """What the form asks for; RuleBroken for what cannot be read."""
        texts = (self[name].data or "" for name in offers.PRICES)
        return Offer(offers.price(*texts), self.starts_on.data, self.ends_on.data)


def of_offer(offer: Offer) -> dict[str, str | date | None]:
    """What stands in the form."""
    prices = (None, None, None) if offer.price is None else offer.price
    texts = {name: "" if one is None else opening.francs(one) for name, one in zip(offers.PRICES, prices, strict=True)}
    return texts | {"starts_on": offer.first_day, "ends_on": offer.last_day}


class FileForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    file = FileField(
        _l("CSV file"),
        [FileRequired(_l("Choose a file."))],
        description=_l("At most 10,000 rows and 1 MB."),
        render_kw={"accept": ".csv,.txt,text/csv,text/plain"},
    )


class SpecialUserForm(OfferForm):
    user_group = SelectField(_l("User group"), [Optional()], filters=[lambda chosen: (chosen or "").strip()])
    email = TextAreaField(
        _l("E-mail addresses"),
        [Optional(), Length(max=200_000)],
        description=_l("One or many, separated by lines, commas, semicolons or blanks. None needs an account."),
        render_kw={"rows": 3, "autocomplete": "off", "spellcheck": "false"},
    )

    def offer_user_groups(self, names: Iterable[tuple[int, str]]) -> None:
        """Name the user groups that may be chosen."""
        self.user_group.choices = [("", _l("– none –")), *((str(row_id), name) for row_id, name in names)]


class PriceRuleForm(OfferForm):
    user_group = SelectField(_l("User group"), [InputRequired(_l("Choose a user group."))])
    station_group = SelectField(_l("Station group"), [Optional()], filters=[lambda chosen: (chosen or "").strip()])

    def offer_groups(self, user_groups: Iterable[tuple[int, str]], station_groups: Iterable[tuple[int, str]]) -> None:
        """Name the user groups and the station groups that may be chosen."""
        self.user_group.choices = [(str(row_id), name) for row_id, name in user_groups]
        every = ("", _l("all stations"))
        self.station_group.choices = [every, *((str(row_id), name) for row_id, name in station_groups)]
