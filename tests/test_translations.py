"""The catalogue holds every text, whole and well formed; pages and letters use it; no text passes it by."""

import ast
import io
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from flask.testing import FlaskClient
from jinja2 import Environment, nodes
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import letters
from portal.core.languages import LANGUAGES as NAMES
from portal.translations.__main__ import LANGUAGES, ROOT, catalogue_path, collected, existing
from portal.transports import DeliveryError
from tests import world
from tests.source import parsed

PLACEHOLDER = re.compile(r"%\(\w+\)\w|%%|\{\w*\}|</?\w+[^>]*>")
WORD = re.compile(r"(?<![#\w])[A-Za-zÀ-ÿ]{3,}\b(?!=)")  # "#history" and "page=" are parts of an address
SENTENCE = re.compile(r"[A-Z][a-z]+([ ,.:].*)?", re.DOTALL)
READ_ALOUD = {"alt", "aria-label", "aria-description", "data-copied", "data-fallback", "label", "placeholder", "title"}
SAME_IN_EVERY_LANGUAGE = {"Piquet", "kWh", "CHF", "CSV", "OBIS", "SFTP", "FTPS", *NAMES.values()}
GETTEXT = {"_", "gettext", "ngettext"}
FOR_BUILDERS = "patterns.html"  # shows every pattern with sample values, and is no page of the product
FIELD_NAMES = {"DeviceLocationID", "FactoryNo", "InternalNo", "Metering Code"}  # as the receiver's system writes them
MODULES = sorted((ROOT / "portal").rglob("*.py"))
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*.*") if path.name != FOR_BUILDERS)
JINJA = Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do", "jinja2.ext.loopcontrols"])


@pytest.fixture(scope="module")
def texts() -> set[object]:
    return {message.id for message in collected() if message.id}


@pytest.fixture(params=LANGUAGES)
def catalogue(request: pytest.FixtureRequest) -> Catalog:
    return existing(request.param)


def translated(catalogue: Catalog) -> Iterator[tuple[Message, list[str], list[str]]]:
    """Every text as it is, its forms in English and its forms translated."""
    for message in catalogue:
        if message.id:
            yield message, forms(message.id), forms(message.string)


def forms(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else list(text or ())


def test_it_holds_every_text_of_the_product_and_no_other(catalogue: Catalog, texts: set[object]) -> None:
    held = {message.id for message in catalogue if message.id}
    assert texts - held == set(), "new texts: run make messages and translate them"
    assert held - texts == set(), "gone texts: run make messages"


def test_nothing_is_empty_or_only_guessed(catalogue: Catalog) -> None:
    for message, _english, own in translated(catalogue):
        assert all(form.strip() for form in own), message.id
        assert not message.fuzzy, message.id
        assert len(own) == (catalogue.num_plurals if message.pluralizable else 1), message.id


def test_placeholders_and_tags_are_those_of_the_english_text(catalogue: Catalog) -> None:
    for message, english, own in translated(catalogue):
        for number, form in enumerate(own):
            wanted = english[min(number, len(english) - 1)]
            assert set(PLACEHOLDER.findall(form)) == set(PLACEHOLDER.findall(wanted)), message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_what_the_written_one_compiles_to(language: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, existing(language))
    assert catalogue_path(language).with_suffix(".mo").read_bytes() == compiled.getvalue()


def test_german_is_spelled_as_in_switzerland() -> None:
    for message, _english, own in translated(existing("de")):
        for form in own:
            assert not set('ß"„“”') & set(form), message.id
            assert form.count("«") == form.count("»"), message.id


def test_french_has_its_spaces_and_apostrophes() -> None:
    for message, _english, own in translated(existing("fr")):
        for form in own:
            assert not re.search(r"\w'\w", form), message.id
            assert not re.search(r"[^\u00a0]:(\s|$)", form), message.id
            assert not re.search(r"[^\u202f?!][;!?](\s|$)", form), message.id
            assert form.count("«\u00a0") == form.count("«") == form.count("\u00a0»") == form.count("»"), message.id


def test_italian_has_its_apostrophes() -> None:
    for message, _english, own in translated(existing("it")):
        for form in own:
            assert not set('"„“”') & set(form), message.id
            assert not re.search(r"\w'\w", form), message.id
            assert form.count("«") == form.count("»"), message.id


@pytest.mark.parametrize(
    ("language", "zone", "leave", "refusal", "subject"),
    [
        ("fr", "Fuseau horaire", "Se déconnecter", "Ce champ doit être rempli.", "Confirmer l’adresse e-mail"),
        ("it", "Fuso orario", "Uscire", "Questo campo deve essere compilato.", "Confermare l’indirizzo e-mail"),
    ],
)
def test_pages_refusals_and_letters_are_french_and_italian(
    session: Session, logged_in: Callable[[Account], FlaskClient], language: str, zone: str, leave: str, refusal: str,
    subject: str,
) -> None:  # fmt: skip
    row = german(session)
    row.language = language
    browser = logged_in(row)
    page = browser.get("/profile").text
    assert f'<html lang="{language}"' in page
    assert zone in page
    assert leave in page
    assert "Time zone" not in page
    assert refusal in browser.post("/profile", data={"name": "", "language": language}).text
    assert letters.write(language, "verify", link="http://piquet.example/link")[0] == subject


def german(session: Session) -> Account:
    row = world.account(session, "haus@verwaltung.example")
    row.language = "de"
    return row


def test_a_page_for_a_german_account_is_german(session: Session, logged_in: Callable[[Account], FlaskClient]) -> None:
    page = logged_in(german(session)).get("/profile").text
    assert '<html lang="de"' in page
    assert "Zeitzone" in page
    assert "Abmelden" in page
    assert "Time zone" not in page


def test_a_refusal_is_german_too(session: Session, logged_in: Callable[[Account], FlaskClient]) -> None:
    page = logged_in(german(session)).post("/profile", data={"name": "", "language": "de"}).text
    assert "Dieses Feld muss ausgefüllt sein." in page


def test_a_letter_to_a_german_account_is_german() -> None:
    subject, body = letters.write("de", "verify", link="http://piquet.example/link")
    assert subject == "E-Mail-Adresse bestätigen"
    assert body.startswith("Guten Tag\n")


def test_why_a_delivery_failed_is_told_in_the_owners_language() -> None:
    named: dict[str, object] = {"task": "T", "destination": "D", "first_day": "1", "last_day": "2", "over": True}
    named["url"] = "http://piquet.example/"
    failed = DeliveryError("write", "The server refused: %(words)s", words="Quota 100%")
    _subject, body = letters.write("de", "export_failed", template=failed.template, params=failed.params, **named)
    assert "Der Server lehnte ab: «Quota 100%»" in body


class Seen(HTMLParser):
    """What a page shows or reads aloud; inline scripts and styles there are none."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts += [value or "" for name, value in attrs if tag and name in READ_ALOUD]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def bare_words(source: str) -> set[str]:
    """The words of a template that stand outside of Jinja's expressions."""
    html = ""
    for _line, kind, text in JINJA.lex(source):
        if kind == "data":
            html += text
        elif kind == "variable_begin":
            html += "x" if html.endswith(("<", "</")) else " "  # an element's name may be a variable
    found = {word for text in Seen(html).texts for word in WORD.findall(text)}
    return found - SAME_IN_EVERY_LANGUAGE


def bare_constants(node: nodes.Node) -> Iterator[str]:
    """Constants in expressions that read as a text and are not handed to gettext."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in GETTEXT:
        return
    if isinstance(node, nodes.Const) and isinstance(node.value, str) and SENTENCE.fullmatch(node.value):
        yield node.value
    for child in node.iter_child_nodes():
        yield from bare_constants(child)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_no_text_of_a_template_passes_gettext_by(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert bare_words(source) == set()
    assert set(bare_constants(JINJA.parse(source))) - SAME_IN_EVERY_LANGUAGE - FIELD_NAMES == set()


@pytest.mark.parametrize(
    "source", ["<p>Hello</p>", '<a title="Hello">{{ x }}</a>', "{% if x %}Hello{% endif %}", "{{ tile('Hello you') }}"]
)
def test_a_text_that_passes_gettext_by_is_noticed(source: str) -> None:
    assert bare_words(source) | set(bare_constants(JINJA.parse(source)))


def bare_arguments(source: str) -> set[str]:
    """Texts of Python code that a reader sees and that are not handed to gettext: of flashes and of form fields."""
    found: set[str] = set()
    for call in ast.walk(parsed(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if call.func.id == "flash" or call.func.id.endswith("Field"):
            shown = call.args[:1] + [word.value for word in call.keywords if word.arg in {"label", "description"}]
            found |= {part.value for part in shown if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return {text for text in found if WORD.search(text)} - FIELD_NAMES


def test_no_text_of_a_form_or_flash_passes_gettext_by() -> None:
    found = {path.name: bare_arguments(path.read_text(encoding="utf-8")) for path in MODULES}
    assert {name: texts for name, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    "source", ["flash('Saved.')", "StringField('Name')", "DateField(_l('Day'), description='Later')"]
)
def test_a_text_of_a_form_or_flash_that_passes_gettext_by_is_noticed(source: str) -> None:
    assert bare_arguments(source)
