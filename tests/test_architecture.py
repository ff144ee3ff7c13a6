"""Rules of the code base that no type checker knows, each with its reason."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source import parsed

ROOT = Path(__file__).parents[1]
TEMPLATES = sorted((ROOT / "templates").rglob("*.*"))
CODE = sorted((ROOT / "portal").rglob("*.py"))
# A name that says nothing attracts what belongs nowhere.
SAYING_NOTHING = {"utils", "util", "helpers", "helper", "common", "services", "service", "manager", "misc"}
# Inline code is refused by the Content-Security-Policy, so it would fail in silence.
INLINE = {
    "an inline style": re.compile(r"<[a-z][^>]*\sstyle\s*=|<style", re.IGNORECASE),
    "an inline script": re.compile(r"<script(?![^>]*\s(src=|type=.application/json))", re.IGNORECASE),
    "an inline handler": re.compile(r"<[a-z][^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "a javascript address": re.compile(r"(href|action)\s*=\s*[\"']?\s*javascript:", re.IGNORECASE),
}
COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [path for path in CODE if SAYING_NOTHING & {path.stem, path.parent.name}]


def test_casbin_is_imported_in_one_place() -> None:
    importing = {path for path in CODE if any(name.split(".")[0] == "casbin" for name in imports(path))}
    assert importing == {ROOT / "portal" / "core" / "authz.py"}


def test_the_view_of_standings_is_named_in_one_place() -> None:
    naming = {path for path in CODE if re.search(r"table\(\s*[\"']standing[\"']", path.read_text())}
    assert naming == {ROOT / "portal" / "core" / "authz.py"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_escapes_everything_and_holds_no_inline_code(path: Path) -> None:
    text = COMMENT.sub("", path.read_text())
    assert not re.search(r"\|\s*safe\b|autoescape\s+false|Markup\(", text), "escaping is switched off"
    for what, pattern in INLINE.items():
        assert not pattern.search(text), what


def test_no_code_marks_text_as_safe_html() -> None:
    marking = [path for path in CODE if re.search(r"\bMarkup\(", path.read_text())]
    assert not marking, "markup is written in templates, where it is escaped"


def test_a_cell_with_a_detail_keeps_its_parts_below_each_other_on_a_phone() -> None:
    """On a phone a cell lays out what stands in it side by side: several parts are one, in a `<div>`."""
    for path in TEMPLATES:
        cells = re.findall(r"<(?:td|th scope=\"row\")[^>]*>(.*?)</t[dh]>", COMMENT.sub("", path.read_text()), re.DOTALL)
        for cell in cells:
            assert 'class="detail"' not in cell or cell.lstrip().startswith("<div"), f"{path}: {cell}"


def test_every_form_that_posts_carries_its_token() -> None:
    for path in TEMPLATES:
        forms = re.findall(r"<form\b[^>]*method=\"post\".*?</form>", COMMENT.sub("", path.read_text()), re.DOTALL)
        assert all("csrf_token" in form for form in forms), path
