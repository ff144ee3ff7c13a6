"""Letters: the text of a mail from templates/emails, in the recipient's language. Runs without Flask."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.orm import Session

from portal.core import mail

ROOT = Path(__file__).parents[2]


def post(session: Session, recipient: str, language: str, name: str, **values: Any) -> mail.MailMessage:
    """Put templates/emails/<name>.txt, filled with `values`, into the outbox; it leaves once the caller commits.

    A value that the template names and the caller forgot is an error. Text that a stranger typed does not belong into
    a letter to an address that nobody has confirmed.
    """
    subject, body = write(language, name, **values)
    return mail.post(session, recipient, subject, body)


def write(language: str, name: str, **values: Any) -> tuple[str, str]:
    """The subject and the plain text of a letter; English where a translation lacks."""
    template = _environment(language).get_template(f"{name}.txt")
    context = template.new_context(values)
    subject = "".join(template.blocks["subject"](context))
    return " ".join(subject.split()), template.render(values).strip() + "\n"


@lru_cache(maxsize=8)
def _environment(language: str) -> Environment:
    environment = Environment(  # noqa: S701  plain text: escaping would show "&amp;" in a mail
        loader=FileSystemLoader(ROOT / "templates" / "emails"),
        extensions=["jinja2.ext.i18n"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    translations: NullTranslations = Translations.load(ROOT / "portal" / "translations", [language])
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]  # the extension's
    return environment
