"""Forms about licences."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import DateField, RadioField, SelectField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from portal.licences.words import WORDS

NO_DAY = _l("Enter a day.")
WITHOUT_END = _l("Leave empty for a licence without end.")
MOST_LETTERS = 1000


class DaysForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    first_day = DateField(_l("First day"), [InputRequired(NO_DAY)])
    last_day = DateField(_l("Last day"), [Optional()], description=WITHOUT_END)


class ActivateForm(DaysForm):
    kind = SelectField(_l("Licence"), choices=[(kind.value, words.name) for kind, words in WORDS.items()])


class EndForm(FlaskForm):  # type: ignore[misc]  # as above
    when = RadioField(_l("When"), choices=[("now", _l("Now")), ("day", _l("After a day"))], default="now")
    last_day = DateField(_l("Last day"), [Optional()], description=_l("Only for \u201cAfter a day\u201d."))


class RequestForm(FlaskForm):  # type: ignore[misc]  # as above
    kind = SelectField(_l("Licence"), choices=[(kind.value, words.name) for kind, words in WORDS.items()])
    message = TextAreaField(_l("Message to the operator"), [Optional(), Length(max=MOST_LETTERS)])


class DeclineForm(FlaskForm):  # type: ignore[misc]  # as above
    reason = TextAreaField(
        _l("Reason"),
        [InputRequired(_l("Say why: the account is told.")), Length(max=MOST_LETTERS)],
        description=_l("The account reads it in its mail and on its page."),
        render_kw={"rows": 4},
    )


class ListForm(FlaskForm):  # type: ignore[misc]  # as above
    file = FileField(
        _l("File"),
        [FileRequired(_l("Choose a file."))],
        description=_l("CSV, at most 10,000 rows and 1 MB."),
        render_kw={"accept": ".csv,.txt,text/csv,text/plain"},
    )
