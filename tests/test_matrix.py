"""Who gets what from every address: the whole live URL map, every kind of visitor, GET and POST.

The expected answers stand in matrix.txt, one row per address: a new address without a row fails, and so does a row
without an address. Every request meets the same world: what a POST has changed is taken back before the next one. POSTs
carry nothing but the token, so 422 is a form that was let in and found wanting, and 302 an act that was done.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import authz, clock
from portal.licences.models import Kind
from portal.stations.models import StationGroup
from tests import test_guards, world
from tests.test_guards import MISSING, Address, Ids, addresses, answer_to

TABLE = Path(__file__).with_name("matrix.txt")
VISITORS = (
    "anonymous",
    "stranger",
    "display",
    "manage",
    "administrate",
    "owner",
    "operator",
    "expired",  # held administrate until a moment ago
    "unlicensed_sub",  # holds administrate, and has no licence
    "unlicensed_master",  # holds administrate of an owner who has no licence
)
ALIKE = ("display", "manage", "owner", "expired", "unlicensed_master")  # asked for what is not there in the long form
NO_ROW: Ids = {"token": "no-token"}  # arguments that name no row


def rows() -> dict[str, tuple[str, ...]]:
    """Address -> the status for every visitor, from the table; lines that begin with # are headings."""
    lines = [line.split() for line in TABLE.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return {" ".join(line[:2]): tuple(line[2:]) for line in lines}


@dataclass
class Scene:
    app: Flask
    ids: dict[str, Ids]
    foreign: Ids  # rows of an account that none of the visitors has to do with
    browsers: dict[str, FlaskClient]
    live: Path
    kept: Path
    watching: sqlite3.Connection  # to the live database, and writing nothing: it notices what others commit

    def ask(self, visitor: str, address: Address) -> int:
        """The status of the answer; whatever the request changed is taken back."""
        url = address.url(NO_ROW | self.ids[visitor])
        browser = self.browsers[visitor]
        cookies, before = dict(browser._cookies), self._version()
        status = browser.open(url, method=address.method).status_code
        browser._cookies = cookies
        if self._version() != before:
            copy(self.kept, self.live)
        return status

    def _version(self) -> object:
        return self.watching.execute("PRAGMA data_version").fetchone()

    def answers(self, address: Address) -> tuple[str, ...]:
        return tuple(str(self.ask(visitor, address)) for visitor in VISITORS)


def copy(source: Path, target: Path) -> None:
    """The whole SQLite database, under the feet of whoever has it open."""
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


@pytest.fixture
def scene(
    app: Flask, session: Session, logged_in: Callable[[Account], FlaskClient], database_url: str, tmp_path: Path
) -> Iterator[Scene]:
    """On SQLite, which can be put back in a moment; the SQL of the gate is proven on both engines elsewhere."""
    people = {name: world.account(session, f"{name}@x.example", *licences_of(name)) for name in VISITORS[1:]}
    people["operator"].is_operator = True
    poor = world.account(session, "poor@x.example")
    ids, of_poor = test_guards.examples(session, people["owner"]), test_guards.examples(session, poor)
    foreign = test_guards.examples(session, world.account(session, "elsewhere@x.example", *Kind))
    group, poor_group = (session.get_one(StationGroup, some["station_group_id"]) for some in (ids, of_poor))
    for name in ("display", "manage", "administrate"):
        world.grant(session, group, name, people[name].email)
    world.grant(session, group, "administrate", people["expired"].email, ends_at=clock.now() - timedelta(seconds=5))
    world.grant(session, group, "administrate", people["unlicensed_sub"].email)
    world.grant(session, poor_group, "administrate", people["unlicensed_master"].email)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.config["TESTING"] = False
    browsers = {"anonymous": app.test_client(), **{name: logged_in(account) for name, account in people.items()}}
    live, kept = Path(str(sa.make_url(database_url).database)), tmp_path / "kept.db"
    copy(live, kept)
    with closing(sqlite3.connect(live)) as watching:
        ids_of = dict.fromkeys(VISITORS, ids) | {"unlicensed_master": of_poor}
        yield Scene(app, ids_of, foreign, browsers, live, kept, watching)


def licences_of(visitor: str) -> tuple[Kind, ...]:
    return () if visitor == "unlicensed_sub" else tuple(Kind)


def test_every_address_has_a_row_and_every_row_an_address(app: Flask) -> None:
    assert rows().keys() == {str(address) for address in addresses(app, guarded=False)}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_visitor_gets_from_every_address_what_the_table_says(scene: Scene) -> None:
    expected, wrong = rows(), []
    for address in addresses(scene.app, guarded=False):
        found = scene.answers(address)
        if found != expected.get(str(address)):
            wrong.append(f"{address} {' '.join(found)}")
    assert not wrong, "\n".join(["", f"# {' '.join(VISITORS)}", *wrong])


def _is_of_operator(app: Flask, address: Address) -> bool:
    action = app.view_functions[address.rule.endpoint].action  # type: ignore[attr-defined]  # every view names one
    return not authz.platform_may(action, operator=False) and authz.platform_may(action, operator=True)


@pytest.mark.parametrize("visitor", [pytest.param(v, marks=[pytest.mark.deep] * (v in ALIKE)) for v in VISITORS[1:]])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_not_his_answers_byte_for_byte_like_what_is_not_there(scene: Scene, visitor: str) -> None:
    """What the table says is not there for him, and what is somebody else's altogether: with each id of an address in
    turn beside ids that he may open, GET and POST."""
    browser, mine, expected, told = scene.browsers[visitor], scene.ids[visitor], rows(), []
    browser.get("/")  # what a browser's first answer sets is set
    for address in addresses(scene.app, with_ids=True):
        pairs = (
            [(mine, dict.fromkeys(mine, MISSING))] if expected[str(address)][VISITORS.index(visitor)] == "404" else []
        )
        if not _is_of_operator(scene.app, address) or visitor != "operator":
            named = address.rule.arguments - {"position"}  # counts the files of one run, and names no row
            pairs += [(mine | {name: scene.foreign[name]}, mine | {name: MISSING}) for name in sorted(named)]
        for there, gone in pairs:
            answers = [answer_to(browser, address, some) for some in (there, gone)]
            if answers[0] != answers[1] or answers[0].status not in {403, 404}:
                told.append(f"{address}: {answers[0].status} {answers[1].status}")
    assert not told, "\n".join(told)
