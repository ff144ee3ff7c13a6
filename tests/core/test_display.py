"""Figures in sentences, as the reader writes them."""

from flask import Flask, render_template_string
from flask_babel import force_locale

from portal.core.display import file_size, ngettext

ROWS = "{{ ngettext('%(num)s row of %(file)s', '%(num)s rows of %(file)s', 12345, file=file) }}"


def test_the_number_of_a_sentence_is_grouped(app: Flask) -> None:
    with app.test_request_context(), force_locale("de_CH"):
        assert ngettext("%(num)s thing", "%(num)s things", 12345) == "12’345 things"


def test_what_fills_a_sentence_of_a_page_is_escaped(app: Flask) -> None:
    with app.test_request_context(), force_locale("en_CH"):
        page = render_template_string(ROWS, file="<b>.csv")
    assert page == "12’345 rows of &lt;b&gt;.csv"


def test_the_size_of_a_file_is_in_units_of_the_readers_language(app: Flask) -> None:
    told = {}
    for language in ("en_CH", "fr_CH"):
        with app.test_request_context(), force_locale(language):
            told[language] = [file_size(size).replace("\u202f", " ") for size in (384, 1000, 143_949, 2_050_000)]
    assert told == {"en_CH": ["384 byte", "1 kB", "143.9 kB", "2 MB"], "fr_CH": ["384 o", "1 ko", "143,9 ko", "2 Mo"]}
