"""What the documents say is there: commands, settings, paths, links."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.cli import AppGroup

from portal import cli
from portal.core import config
from portal.demo.surroundings import LOGINS, PASSWORD

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT) for folder in (ROOT, ROOT / "deploy", ROOT / "docs") for path in folder.glob("*.md")
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


class Noted(dict[str, str]):
    """An environment that notes which settings are asked for."""

    def __init__(self, **given: str) -> None:
        super().__init__(given)
        self.asked: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]  # only so is it asked
        self.asked.add(name)
        return super().get(name, default)


@pytest.fixture
def settings_asked_for(tmp_path: Path) -> set[str]:
    """The names of all settings that the code reads."""
    environ = Noted(DATA_DIR=str(tmp_path))
    config.from_environment(environ)
    return environ.asked


def text(document: str | Path) -> str:
    return (ROOT / document).read_text()


def section(document: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its rank or above."""
    rank = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{rank}}} |\Z)", text(document), re.MULTILINE | re.DOTALL)
    assert found, f"{document} has no {heading}"
    return found[1]


def first_cells(table: str) -> list[str]:
    return [row.split("|")[1].strip() for row in table.splitlines() if row.startswith("| `")]


def make_targets() -> dict[str, str]:
    """Every target of the Makefile that a person may use, with its description."""
    return dict(re.findall(r"^([a-z-]+):[^#\n]*## (.+)$", text("Makefile"), re.MULTILINE))


def anchors(document: Path) -> set[str]:
    """What a link may name after the #: the headings, as every renderer spells them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text(document)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path) -> Iterator[str]:
    for link in LINK.findall(FENCE.sub("", text(document))):
        url = urlsplit(link)
        if url.scheme:
            continue
        target = (ROOT / document.parent / url.path).resolve() if url.path else ROOT / document
        there = target.exists() and (not url.fragment or url.fragment in anchors(target.relative_to(ROOT)))
        if not there:
            yield link


def test_every_setting_stands_in_the_table_and_the_other_way_round(settings_asked_for: set[str]) -> None:
    table = first_cells(section("README.md", "### Settings"))
    assert sorted(name.strip("`") for name in table) == sorted(settings_asked_for)


@pytest.mark.parametrize("document", ["deploy/piquet.env.example", "deploy/compose.yaml"])
def test_a_settings_file_names_only_settings_that_exist(document: str, settings_asked_for: set[str]) -> None:
    named = set(re.findall(r"^#?\s*([A-Z][A-Z_]+)[=:]", text(document), re.MULTILINE))
    assert named
    assert {name for name in named if not name.startswith("POSTGRES_")} <= settings_asked_for


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_make_command_of_a_document_exists(document: Path) -> None:
    named = re.findall(r"(?:`|^)make (?:-s )?([a-z-]+)", text(document), re.MULTILINE)
    assert set(named) <= set(make_targets())


def test_make_help_lists_every_target() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    shown = subprocess.run(["make", "help"], cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout
    listed = dict(re.findall(r"make ([a-z-]+) +(.+)", shown))
    assert listed == make_targets()


def test_every_path_of_the_recipes_exists() -> None:
    named = re.findall(r"`([\w./-]+/[\w./-]*)`", section("README.md", "## Recipes"))
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_path_of_the_layout_exists_and_no_domain_lacks() -> None:
    lines = FENCE.findall(section("README.md", "## Layout"))[0].splitlines()[1:-1]
    named = [word for line in lines for word in line.split("  ")[0].split() + line.split()[1:2] if "/" in word]
    assert [path for path in named if not (ROOT / path).is_dir()] == []
    domains = {f"portal/{path.parent.name}/" for path in (ROOT / "portal").glob("*/__init__.py")}
    assert domains <= set(named)


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_leads_somewhere(document: Path) -> None:
    assert list(broken_links(document)) == []


def test_every_guide_is_listed() -> None:
    listed = {urlsplit(link).path for link in LINK.findall(text("docs/README.md"))}
    assert {path.name for path in DOCUMENTS if path.parent.name == "docs"} - {"README.md"} <= listed


def test_every_log_in_of_the_demo_stands_in_the_readme() -> None:
    shown = section("README.md", "## Try it")
    assert set(re.findall(r"`([a-z0-9]+@demo\.example)`", shown)) == {login.email for login in LOGINS}
    assert f"`{PASSWORD}`" in shown


def test_the_operators_commands_are_those_that_exist() -> None:
    app = Flask("commands alone")
    cli.create(app)
    groups = {name: group for name, group in app.cli.commands.items() if isinstance(group, AppGroup)}
    existing = {f"{name} {command}" for name, group in groups.items() for command in group.commands}
    described = {
        " ".join(cell.strip("`").split()[:2]) for cell in first_cells(section("docs/operator.md", "## Commands"))
    }
    assert {name for name in described if not name.startswith("db ")} == existing
