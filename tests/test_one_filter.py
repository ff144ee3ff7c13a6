"""One filter everywhere: whatever address is opened, what is not shared with the reader does not appear in it, and a
driver whom a grant hides is nowhere more than a number."""

import ast
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroup
from portal.charging.models import ChargingSession, Driver, FlaggedRow, SessionImport
from portal.core import clock, files
from portal.delivery.models import Destination
from portal.exports.models import ExportFile, ExportRun, ExportTask, Formatter
from portal.licences.models import Kind
from portal.stations.models import IDENTIFIERS, Connector, Station, StationGroup
from tests import world
from tests.source import parsed
from tests.test_guards import TOKEN, Ids, addresses, examples

LogIn = Callable[[Account], FlaskClient]
PORTAL = Path(__file__).parents[1] / "portal"
# Manage opens all of Display and nothing that Administrate does not open: it is asked in the long form.
IN_TURNS = ("display", pytest.param("manage", marks=pytest.mark.deep), "administrate")
DERIVED = "5ec7e7" * 10 + "abcd"  # what a session is called that has no number in its file: the hash of its content
SECRETS = ("SECRETNAME", "secretname@x.example", "SECRETCARD", DERIVED[:20])
OTHER = "OTHERGROUP"
# Asks a server that is not there.
OUTSIDE = ("destinations.host_key",)
# What the permission Administrate group opens of the owner's besides the group, and why.
OPEN_TO_ADMINISTRATE = {
    "sharing.add": "grants are given to the owner's user groups, by their names",
    "station_groups.add_stations": "the owner's stations that are not in the group yet are offered by their names",
}


def opened(app: Flask, browser: FlaskClient, ids: Ids, **query: Any) -> Iterator[tuple[str, str, str]]:
    """Endpoint, address and answer of everything that can be looked at."""
    for address in addresses(app):
        if address.method == "GET" and not address.rule.endpoint.startswith(OUTSIDE):
            url = address.url(ids)
            answer = browser.get(url, query_string=query)
            yield address.rule.endpoint, url, _text(answer.data) + str(answer.headers)


def _text(content: bytes) -> str:
    """What an answer says; of a workbook what its parts say, which are packed."""
    if not content.startswith(b"PK"):
        return content.decode(errors="replace")
    with zipfile.ZipFile(BytesIO(content)) as book:
        return "".join(book.read(name).decode() for name in book.namelist())


def a_run(session: Session, owner: Account, group_id: int, **fields: Any) -> ExportRun:
    """A run of a further task of the account on the group, with a file that holds SECRETNAME."""
    task = ExportTask(
        owner_id=owner.id, station_group_id=group_id, starts_on=date(2026, 11, 1), interval="monthly", **fields
    )
    task.formatter = Formatter(owner_id=owner.id, name="Own", format="csv", identifier="metering_code", settings={})
    task.destination = Destination(owner_id=owner.id, name="Lent", host="h.example", username="p", login="password")
    file = files.keep(session, "b.csv", [b"SECRETNAME;1\n"])
    now = datetime.now(UTC)
    days = {"period_start": date(2026, 11, 1), "period_end": date(2026, 12, 1), "starts_at": now, "ends_at": now}
    run = ExportRun(task=task, interval="monthly", built_at=now, size=file.size, state="waiting", **days)
    run.files = [ExportFile(position=0, name="b.csv", file_id=file.id, size=file.size, sha256=file.sha256)]
    session.add_all([task, run])
    session.flush()
    return run


@pytest.fixture
def owner(session: Session) -> Account:
    return world.account(session, "master@x.example", *Kind)


@pytest.fixture
def driven(session: Session, owner: Account) -> list[Ids]:
    """Examples of the owner in which a driver stands wherever one can stand."""
    ids = examples(session, owner)
    driver = session.get_one(Driver, ids["driver_id"])
    driver.label, driver.email, driver.metering_code = "SECRETNAME Jones", "secretname@x.example", "CH-SECRETNAME"
    charged = session.get_one(ChargingSession, ids["charging_session_id"])
    charged.card, charged.external_id = "SECRETCARD", DERIVED
    session.get_one(FlaggedRow, ids["row_id"]).cells = ["SECRETNAME", "SECRETCARD", "", ""]
    session.get_one(SessionImport, ids["session_import_id"]).file_name = "SECRETNAME.csv"
    person = world.account(session, "secretname@x.example")
    run = a_run(
        session, owner, int(ids["station_group_id"]),
        name="On SECRETNAME", scope="driver", user_id=person.id,
    )  # fmt: skip
    run.reason = {"code": "identifier", "identifier": "metering_code", "meter": "SECRETNAME Jones", "of": 1}
    session.flush()
    return [ids, {**ids, "task_id": run.task_id, "run_id": run.id}]


@pytest.mark.parametrize("role", IN_TURNS)
def test_a_hidden_driver_is_nowhere_more_than_a_number(
    app: Flask, session: Session, driven: list[Ids], logged_in: LogIn, role: str
) -> None:
    sub = world.account(session, "sub@x.example", *Kind)
    group = session.get_one(StationGroup, driven[0]["station_group_id"])
    world.grant(session, group, role, sub.email, hides_drivers=True)
    browser, number = logged_in(sub), f"#{driven[0]['driver_id']}"
    met = ""
    for ids in driven:
        for _endpoint, url, text in opened(app, browser, ids):
            found = [secret for secret in SECRETS if secret.lower() in text.lower()]
            assert not found, url
            met += text
    assert number in met, "he does see that somebody charged"


def test_the_owner_does_read_them(app: Flask, session: Session, driven: list[Ids], logged_in: LogIn) -> None:
    browser = logged_in(session.get_one(Account, driven[0]["account_id"]))
    text = "".join(text for ids in driven for _endpoint, _url, text in opened(app, browser, ids))
    assert all(secret in text for secret in SECRETS)


@pytest.mark.parametrize("secret", ["SECRETNAME", "SECRETCARD", DERIVED, "secretname@x.example"])
def test_nothing_is_found_out_by_searching(session: Session, driven: list[Ids], logged_in: LogIn, secret: str) -> None:
    sub = world.account(session, "sub@x.example", *Kind)
    world.grant(
        session, session.get_one(StationGroup, driven[0]["station_group_id"]), "manage", sub.email, hides_drivers=True
    )
    browser, other = logged_in(sub), "x" * len(secret)
    for page in ("/sessions", "/stations", "/station-groups", "/drivers"):
        guessed, wrong = (TOKEN.sub("", browser.get(page, query_string={"q": text}).text) for text in (secret, other))
        assert guessed.replace(secret, other) == wrong, page
    chosen = [
        TOKEN.sub("", browser.get("/sessions", query_string={"driver": number}).text)
        for number in (driven[0]["driver_id"], 999)
    ]
    assert chosen[0].replace(f"driver={driven[0]['driver_id']}", "driver=999") == chosen[1]


def test_a_second_standing_counts_only_where_it_lets_him_see_the_sessions(
    app: Flask, session: Session, driven: list[Ids], logged_in: LogIn
) -> None:
    sub = world.account(session, "sub@x.example", *Kind)
    group = session.get_one(StationGroup, driven[0]["station_group_id"])
    world.grant(session, group, "administrate", sub.email, hides_drivers=True)
    second = world.grant(session, group, "display", sub.email)
    page = f"/sessions/{driven[0]['charging_session_id']}"
    browser = logged_in(sub)
    assert "SECRETNAME" in browser.get(page).text
    second.ends_at = clock.now() - timedelta(seconds=1)
    session.commit()
    assert "SECRETNAME" not in browser.get(page).text


def test_a_task_on_a_driver_made_before_he_was_hidden_names_him_no_more(
    app: Flask, session: Session, driven: list[Ids], logged_in: LogIn
) -> None:
    sub = world.account(session, "sub@x.example", *Kind)
    group = session.get_one(StationGroup, driven[0]["station_group_id"])
    world.grant(session, group, "manage", sub.email, hides_drivers=True)
    mine = session.get_one(ExportTask, driven[1]["task_id"])
    mine.owner_id, mine.name = sub.id, "Mine"
    browser = logged_in(sub)
    for _endpoint, url, text in opened(app, browser, driven[1]):
        assert not [secret for secret in SECRETS if secret in text], url


@pytest.fixture
def parted(session: Session, owner: Account) -> tuple[Ids, Ids]:
    """Two groups of one owner: examples of the one, and of the other whose every name says so."""
    other = examples(session, owner)
    renamed: tuple[tuple[type[Any], str, dict[str, Any]], ...] = (
        (StationGroup, "station_group_id", {"name": f"{OTHER} group", "description": OTHER}),
        (
            Station,
            "station_id",
            {"name": f"{OTHER} station", "address": OTHER, "description": OTHER, "reference": OTHER},
        ),
        (Connector, "connector_id", {name: f"{OTHER} {name}" for name in IDENTIFIERS}),
        (Driver, "driver_id", {"label": f"{OTHER} driver", "email": "othergroup@x.example"}),
        (ChargingSession, "charging_session_id", {"card": OTHER, "external_id": OTHER}),
        (SessionImport, "session_import_id", {"file_name": f"{OTHER}.csv"}),
        (FlaggedRow, "row_id", {"cells": [OTHER] * 4}),
        (ExportTask, "task_id", {"name": f"{OTHER} task"}),
        (ExportFile, "export_file_id", {"name": f"{OTHER}.csv"}),
        (Formatter, "formatter_id", {"name": f"{OTHER} formatter"}),
        (Destination, "destination_id", {"name": f"{OTHER} destination"}),
        (UserGroup, "user_group_id", {"name": f"{OTHER} users"}),
    )
    for kind, name, values in renamed:
        row = session.get_one(kind, other[name])
        for field, value in values.items():
            setattr(row, field, value)
    session.flush()
    return mine(session, owner, other), other


def mine(session: Session, owner: Account, other: Ids) -> Ids:
    """The same kinds of rows in a group of its own, as far as they belong to a group."""
    group = world.station_group(session, owner, "Shared group")
    station = world.station(session, owner, "Shared station", group)
    now = clock.now()
    charged = ChargingSession(
        owner_id=owner.id, connector_id=station.connectors[0].id, started_at=now, ended_at=now, energy_wh=5,
        source="file", external_id="shared",
    )  # fmt: skip
    session.add(charged)
    fields = {"name": "Shared task", "scope": "charging_points", "user_id": owner.id}
    run = a_run(session, owner, group.id, **fields)
    return {
        **other, "station_group_id": group.id, "station_id": station.id, "connector_id": station.connectors[0].id,
        "charging_session_id": charged.id, "task_id": run.task_id, "run_id": run.id, "export_run_id": run.id,
        "export_task_id": run.task_id,
    }  # fmt: skip


@pytest.mark.parametrize("role", IN_TURNS)
def test_nothing_of_the_group_that_is_not_shared_appears(
    app: Flask, session: Session, owner: Account, parted: tuple[Ids, Ids], logged_in: LogIn, role: str
) -> None:
    shared, other = parted
    sub = world.account(session, "sub@x.example", *Kind)
    shared["grant_id"] = world.grant(
        session, session.get_one(StationGroup, shared["station_group_id"]), role, sub.email
    ).id
    lost = session.get_one(StationGroup, other["station_group_id"])
    world.grant(session, lost, "manage", sub.email, revoked_at=clock.now())
    a_run(session, sub, lost.id, name="Of before", scope="charging_points", user_id=owner.id)
    browser, met = logged_in(sub), ""
    crossed = other | {"station_group_id": shared["station_group_id"]}
    asked = {"group": other["station_group_id"], "station": other["station_id"], "driver": other["driver_id"]}
    asked |= {"import": other["session_import_id"], "station_group_id": other["station_group_id"]}
    for ids, query in ((shared, {}), (other, {}), (crossed, {}), (shared, asked)):
        for endpoint, url, text in opened(app, browser, ids, **query):
            if not (endpoint in OPEN_TO_ADMINISTRATE and role == "administrate"):
                assert OTHER.lower() not in text.lower().replace(str(query), ""), (url, query)
            met += text
    assert all(name in met for name in ("Shared group", "Shared station", "Shared task", "Of before"))


def test_the_owner_does_read_both(app: Flask, owner: Account, parted: tuple[Ids, Ids], logged_in: LogIn) -> None:
    text = "".join(text for _endpoint, _url, text in opened(app, logged_in(owner), parted[1]))
    for name in ("group", "station", "driver", "task", "formatter", "destination", "users"):
        assert f"{OTHER} {name}" in text


# Rows of these kinds are loaded by gates and queries, which begin with what the reader may see.
GATED = {
    "Station",
    "Connector",
    "StationGroup",
    "ChargingSession",
    "ExportTask",
    "ExportRun",
    "Grant",
    "FlaggedRow",
    "Driver",
}
LOADING = {"get", "get_one", "select", "query"}
# module: model: why a view loads it all the same
BEHIND_THE_GATE = {
    ("access_views.py", "Station"): "of an id that the gate has opened",
    ("giving_back_views.py", "StationGroup"): "of a grant that the gate has opened",
    ("price_rule_views.py", "StationGroup"): "of a rule that its owner has loaded",
    ("views.py", "StationGroup"): "of a grant that the gate has opened",
    ("views_costs.py", "Station"): "one of the account's own, as the form offers",
    ("views_costs.py", "StationGroup"): "one of the account's own, as the form offers",
    ("views_flagged.py", "Connector"): "of an id that StationLookup found, among those the importer may import to",
    ("views_import_steps.py", "Connector"): "names of ids that StationLookup found",
    ("views_import_steps.py", "Station"): "whether there is one at all, by visible_stations",
}


def loads(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(parsed(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in LOADING:
            for argument in node.args:
                named = {leaf.id for leaf in ast.walk(argument) if isinstance(leaf, ast.Name)}
                yield from ((path.name, model) for model in named & GATED)


def test_no_view_loads_rows_past_the_gates() -> None:
    views = [path for path in PORTAL.rglob("*.py") if re.search("(^|_)views", path.stem)]
    assert len(views) > 10
    found = {load for path in views for load in loads(path)}
    assert found == BEHIND_THE_GATE.keys(), "load it through queries.py, or give the reason here"
