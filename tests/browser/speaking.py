"""A page in any of the languages, read and used by the English texts of which its words are translations."""

import re
from collections.abc import Callable, Iterator

from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from playwright.sync_api import Page

from portal.translations.__main__ import ROOT, catalogue_path

PLACEHOLDER = re.compile(r"%\(\w+\)s")
# What a reader sees of a page's own text, piece by piece; figures and what is hidden are none of it.
PIECES = """() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, text = node.data.replace(/\\s+/g, ' ').trim();
    if (/\\p{L}{2}/u.test(text) && node.parentElement.checkVisibility()) found.push(text);
  }
  return found;
}"""


class Words:
    """The words of a language, by the compiled catalogue. `is_english`: whether a text is an English one of the
    portal's and none of this language."""

    def __init__(self, language: str) -> None:
        self.language = language
        own: NullTranslations = NullTranslations()
        if language != "en":
            own = Translations.load(ROOT / "portal" / "translations", [language])
        self._own = own
        self.is_english = _english(language) if language != "en" else lambda _text: False

    def __call__(self, english: str, **params: object) -> str:
        """The text as pages write it. LookupError where it has no translation: a step must not look for English."""
        found = str(self._own.gettext(english))
        if self.language != "en" and found == english and not _known(self._own, english):
            raise LookupError(f"no {self.language} for {english!r}")
        return found % params if params else found

    def many(self, singular: str, plural: str, num: int) -> str:
        return str(self._own.ngettext(singular, plural, num)) % {"num": num}

    def left_in_english(self, page: Page) -> list[str]:
        """The visible pieces of text that are an English text of the portal and no word of this language."""
        return [text for text in page.evaluate(PIECES) if self.is_english(text)]


def _known(translations: NullTranslations, english: str) -> bool:
    return english in getattr(translations, "_catalog", {})


def _english(language: str) -> Callable[[str], bool]:
    with catalogue_path(language).open("rb") as file:
        messages = [one for one in read_po(file, locale=language) if one.id]
    english = {_shape(text) for one in messages for text in _forms(one.id)}
    own = {_shape(text) for one in messages for text in _forms(one.string)}
    # A pattern that is little but placeholders fits everything.
    patterns = [text for text in english - own if len(re.sub(r"\.\+|\W", "", text)) > 4 or ".+" not in text]
    fits = re.compile("|".join(patterns))
    theirs = re.compile("|".join(text for text in own if ".+" in text))
    plain = {re.sub(r"\\(.)", r"\1", text) for text in own if ".+" not in text}

    def foreign(text: str) -> bool:
        return text not in plain and fits.fullmatch(text) is not None and theirs.fullmatch(text) is None

    return foreign


def _forms(text: str | tuple[str, ...] | list[str]) -> Iterator[str]:
    yield from [text] if isinstance(text, str) else text


def _shape(text: str) -> str:
    """A pattern that the text fits whatever stands for its placeholders."""
    return ".+".join(re.escape(part) for part in PLACEHOLDER.split(" ".join(text.replace("%%", "%").split())))
