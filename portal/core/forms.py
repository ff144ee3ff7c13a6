"""Forms and rules: a broken rule becomes an error at its field, in the reader's language."""

from flask_babel import gettext
from flask_wtf import FlaskForm

from portal.core.errors import RuleBroken


def words(broken: RuleBroken) -> str:
    """The rule's message in the reader's language."""
    return str(gettext(broken.message, **broken.params) if broken.params else gettext(broken.message))


def show(form: FlaskForm, broken: RuleBroken) -> None:
    """Put the rule's message at its field, or at the head of the form."""
    text = words(broken)
    field = form[broken.field] if broken.field in form else None  # noqa: SIM401  forms have no get()
    if field is None:
        form.form_errors.append(text)
    else:
        field.errors = [*field.errors, text]
