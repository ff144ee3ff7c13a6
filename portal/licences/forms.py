"""Forms about licences."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import DateField, RadioField, SelectField
from wtforms.validators import InputRequired, Optional

from portal.licences.words import WORDS

NO_DAY = _l("Enter a day.")


class ActivateForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    kind = SelectField(_l("Licence"), choices=[(kind.value, words.name) for kind, words in WORDS.items()])
    first_day = DateField(_l("First day"), [InputRequired(NO_DAY)])
    last_day = DateField(_l("Last day"), [Optional()], description=_l("Leave empty for a licence without end."))


class EndForm(FlaskForm):  # type: ignore[misc]  # as above
    when = RadioField(_l("When"), choices=[("now", _l("Now")), ("day", _l("After a day"))], default="now")
    last_day = DateField(_l("Last day"), [Optional()], description=_l("Only for \u201cAfter a day\u201d."))
