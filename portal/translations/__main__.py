"""`make messages`: collect the texts of code and templates, bring every catalogue up to date, compile it."""

import os
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from portal.core import languages

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
LANGUAGES = tuple(language for language in languages.LANGUAGES if language != languages.DEFAULT)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
METHODS = [("portal/**.py", "python"), ("templates/**.html", "jinja2"), ("templates/**.txt", "jinja2")]
# The sentence of a broken rule, of a failed delivery or of a step is a text as well: the screens translate it.
KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "_l": None,
    "lazy_gettext": None,
    "N_": None,
    "RuleBroken": (2,),
    "LazyText": None,
    "BadCertificateError": None,
    "BadKeyError": None,
    "DeliveryError": (2,),
    "FormatError": (2,),
    "PassphraseNeededError": None,
    "PassphraseWrongError": None,
    "PeerChangedError": (2,),
    "Sentence": None,
    "SettingsError": (2,),  # of a formatter; that of the environment has one argument and is the operator's
    "Step": (3,),
}


def collected() -> Catalog:
    """Every text of the product, with the places where it stands."""
    catalog = Catalog(project="Piquet", charset="utf-8")
    options = {"**": {"silent": "false"}}
    found = extract_from_dir(
        str(ROOT), METHODS, options, KEYWORDS, comment_tags=("Translators:",), directory_filter=_is_searched
    )
    for name, line, message, comments, context in found:
        catalog.add(message, None, [(name, line)], auto_comments=comments, context=context)
    return catalog


def _is_searched(folder: str | os.PathLike[str]) -> bool:
    """Every folder but hidden ones: Babel by itself would skip templates/_components."""
    return not Path(folder).name.startswith(".")


def catalogue_path(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / "messages.po"


def existing(language: str) -> Catalog:
    """The language's catalogue as it lies there, or an empty one."""
    path = catalogue_path(language)
    if not path.exists():
        return Catalog(locale=language, charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def main() -> None:
    """Write the catalogues: new texts come in empty, gone ones go, nothing is guessed."""
    template = collected()
    for language in LANGUAGES:
        catalog = existing(language)
        catalog.update(template, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        catalog.project, catalog.version, catalog.fuzzy = "Piquet", "", False
        catalog.copyright_holder, catalog.msgid_bugs_address = "the Piquet project", ""
        catalog.header_comment = "# Texts of Piquet; written by `make messages`, translated by hand."
        catalog.last_translator, catalog.language_team = "Piquet", language
        catalog.creation_date = catalog.revision_date = EPOCH  # a date would change every time
        path = catalogue_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(
                file, catalog, width=0, no_location=True, omit_header=False, sort_output=True, include_previous=False
            )
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalog)
        missing = sum(not message.string or not all(message.string) for message in catalog if message.id)
        print(f"{language}: {len(catalog)} texts, {missing} not translated")


if __name__ == "__main__":
    main()
