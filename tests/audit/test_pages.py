"""The pages of the audit log: everybody reads what concerns him, the operator everything, in sentences."""

import ast
import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.audit import kinds, queries
from portal.audit.sentences import SENTENCES
from portal.core import audit, clock
from portal.core.audit import AuditEntry
from portal.licences import requests
from portal.licences.models import Kind
from tests import world
from tests.source import parsed
from tests.statements import plan, recorded

LogIn = Callable[[Account], FlaskClient]
PORTAL = Path(__file__).parents[2] / "portal"
RECORDING = {"record", "_record", "assign", "end"}  # what is called to write an entry
MANY = 100_000
SCAN = re.compile(r"SCAN audit_(entry|seal)\b(?!.*USING (COVERING )?INDEX)|Seq Scan on audit_")


@pytest.fixture
def master(session: Session) -> Account:
    return world.account(session, "master@x.example", Kind.AUTHORISATION)


def cells(browser: FlaskClient, url: str) -> list[str]:
    """The page's table as texts, without log-ins."""
    page = browser.get(url)
    assert page.status_code == 200, page.text
    rows = re.findall(r"<tr>(.*?)</tr>", page.text.partition("<tbody>")[2], re.DOTALL)
    texts = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]
    return [text for text in texts if "Logged in" not in text]


def test_an_owner_reads_who_did_what_to_what_is_his(session: Session, master: Account, logged_in: LogIn) -> None:
    piquet = world.account(session, "piquet@x.example")
    group = world.station_group(session, master, "Bl2")
    station = world.station(session, master, "Bl2-1", group)
    connector, members = station.connectors[0], world.user_group(session, master, "On call")
    of_master = {"actor_id": piquet.id, "owner_id": master.id}
    on_group = f"station_group/{group.id}"
    ends = "2026-12-03T23:00:00+00:00"
    audit.record(session, "grant:give_manage", on_group, role="manage", email="a@x.example", until=ends, **of_master)
    audit.record(session, "grant:revoke", on_group, role="display", email=None, user_group=members.id, **of_master)
    changed = {"max_power_w": [22_000, 7400], "price_per_kwh": [None, 3750], "access": ["private", "public"]}
    audit.record(session, "connector:edit", f"connector/{connector.id}", changed=changed, **of_master)
    audit.record(session, "station:edit", f"station/{station.id}", changed={"vat_permille": [77, 81]}, **of_master)
    rows = cells(logged_in(master), "/audit")
    assert "piquet@x.example Gave Manage stations on Bl2 to a@x.example until 3 Dec 2026" in rows[3]
    assert "Revoked Display stations of On call on Bl2" in rows[2]
    assert "Changed the connector Bl2-1 / 1 Maximum power: 22 kW then 7.4 kW" in re.sub(
        " then +", " then ", _then(rows[1])
    )
    assert "Price per kWh: – then CHF 0.375 Access: Private then Public" in _then(rows[1])
    assert "VAT rate in percent: 7.7 then 8.1" in _then(rows[0])


def _then(text: str) -> str:
    """An arrow's label is an attribute, which `cells` drops."""
    return (
        re.sub(r"(?<=\S)  ?(?=\S)", " ", text)
        if " then " in text
        else re.sub(r": (\S+(?: kW)?) (\S)", r": \1 then \2", text)
    )


def test_the_log_of_others_is_not_shown(session: Session, master: Account, logged_in: LogIn) -> None:
    other = world.account(session, "other@x.example")
    audit.record(session, "station:create", "station/1", actor_id=other.id, owner_id=other.id, name="Secret")
    audit.record(session, "station:create", "station/2", actor_id=master.id, owner_id=other.id, name="Secret")
    browser = logged_in(master)
    assert cells(browser, "/audit") == []
    assert "Secret" not in browser.get("/audit?q=secret").text + browser.get("/audit.csv").text
    assert [browser.get(url).status_code for url in ("/operator/audit", "/operator/audit.csv")] == [404, 404]


def test_the_name_of_what_was_transferred_is_not_told_to_who_had_it(
    session: Session, master: Account, logged_in: LogIn
) -> None:
    other = world.account(session, "other@x.example")
    station = world.station(session, other, "Its new name")
    audit.record(session, "station:edit", f"station/{station.id}", actor_id=master.id, owner_id=master.id)
    (row,) = cells(logged_in(master), "/audit")
    assert f"Changed the station station {station.id}" in row


def test_the_operator_reads_everything(session: Session, master: Account, logged_in: LogIn) -> None:
    operator = world.account(session, "operator@x.example", operator=True)
    audit.record(session, "station:create", "station/9", actor_id=master.id, owner_id=master.id, name="Bl2-9")
    browser = logged_in(operator)
    (row,) = cells(browser, "/operator/audit")
    assert "master@x.example Added the station Bl2-9 master@x.example" in row
    assert cells(browser, "/audit") == []


def test_a_failed_log_in_is_told_to_the_holder_of_the_address_and_to_the_operator(
    session: Session, master: Account, logged_in: LogIn, client: FlaskClient
) -> None:
    operator = world.account(session, "operator@x.example", operator=True)
    session.commit()
    for typed in ("Master@x.example", "nobody@x.example"):
        client.post("/log-in", data={"email": typed, "password": "wrong"})
    (own,) = cells(logged_in(master), "/audit")
    assert "A log-in as Master@x.example failed" in own
    assert "nobody@x.example" in " ".join(cells(logged_in(operator), "/operator/audit"))


def test_a_log_out_is_recorded(session: Session, master: Account, logged_in: LogIn) -> None:
    browser = logged_in(master)
    browser.post("/log-out")
    last = sa.select(AuditEntry.action).order_by(AuditEntry.id.desc()).limit(1)
    assert session.scalar(last) == "account:log_out"


def test_a_refused_action_is_told_to_the_owner(session: Session, master: Account, logged_in: LogIn) -> None:
    display = world.account(session, "display@x.example", Kind.AUTHORISATION)
    group = world.station_group(session, master, "Bl2")
    station = world.station(session, master, "Bl2-1", group)
    world.grant(session, group, "display", "display@x.example")
    assert logged_in(display).post(f"/stations/{station.id}/edit").status_code == 403
    assert "display@x.example Was refused “station:edit” at Bl2-1" in cells(logged_in(master), "/audit?kind=refused")[0]


def test_what_nobody_foresaw_is_shown_as_it_was_written(session: Session, master: Account, logged_in: LogIn) -> None:
    audit.record(session, "weather:change", "sky/1", actor_id=None, owner_id=master.id, colour="<b>blue</b>")
    page = logged_in(master).get("/audit").text
    assert "weather:change sky/1 {&#34;colour&#34;: &#34;&lt;b&gt;blue&lt;/b&gt;&#34;}" in page


def test_every_sentence_can_be_told_of_an_entry_that_holds_nothing(
    app: Flask, session: Session, master: Account, logged_in: LogIn
) -> None:
    for action in SENTENCES:
        audit.record(session, action, "thing/1", actor_id=None, owner_id=master.id)
        audit.record(session, action, "", actor_id=10**9, owner_id=master.id, changed="odd", until="odd", stations=[1])
    text = logged_in(master).get("/audit.csv").text
    assert text.count(";thing/1;") == len(SENTENCES)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 4), ("kind=sharing", 1), ("kind=stations", 2), ("kind=log_ins", 0), ("kind=nonsense", 4), ("q=zürich", 1),
        ("q=station%2F", 1), ("q=nothing", 0), ("person=piquet@x.example", 2), ("person=new@x.example", 1),
        ("person=nobody@x.example", 0), ("from=2026-01-01&to=2026-01-31", 0), ("to=2026-12-31", 4),
        ("from=nonsense", 4), ("from=2199-01-01", 0), ("q=Garage", 2), ("before=1-1", 4), ("before=nonsense", 4),
    ],
)  # fmt: skip
def test_the_filters(session: Session, master: Account, logged_in: LogIn, query: str, found: int) -> None:
    piquet = world.account(session, "piquet@x.example")
    station = world.station(session, master, "Garage Zürich")
    his = {"owner_id": master.id}
    audit.record(session, "grant:give_display", "station_group/9", actor_id=master.id, email="new@x.example", **his)
    audit.record(session, "station:edit", f"station/{station.id}", actor_id=piquet.id, **his)
    audit.record(session, "connector:add", "connector/9", actor_id=master.id, station="Garage Zürich", **his)
    audit.record(session, "formatter.deleted", "formatter/9", actor_id=piquet.id, name="x", **his)
    if query == "q=zürich":
        found = 2  # the name of today, and the name that stands in the entry
    if query.startswith("to="):
        query = f"to={clock.now():%Y}-12-31"
    assert len(cells(logged_in(master), f"/audit?{query}")) == found, query


def test_pages_follow_each_other_without_gap_or_repetition(
    session: Session, master: Account, logged_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "WINDOW", 60)
    at = clock.now()  # the same instant for several, as one request writes them
    rows = [
        {"at": at - timedelta(seconds=n // 7), "owner_id": master.id, "action": f"test:{'odd' if n % 9 else 'grant'}"}
        for n in range(200)
    ]
    session.execute(sa.insert(AuditEntry), [row | {"subject": f"n/{n}", "detail": {}} for n, row in enumerate(rows)])
    browser = logged_in(master)
    for query, expected in (("", 200), ("q=n/", 200), ("q=n/7", 11)):
        url, seen = f"/audit?{query}", []
        while url:
            assert len(seen) <= 200, url
            text = browser.get(url).text
            seen += re.findall(r"test:\w+ (n/\d+)", text)
            older = re.search(r'href="([^"]*before=[^"]*)"', text)
            url = older.group(1).replace("&amp;", "&") if older else ""
        assert len(seen) == len(set(seen)) == expected, query
    assert browser.get("/audit.csv?q=n/7").text.count("test:") == 22


def test_the_csv_holds_everything_and_no_formula(session: Session, master: Account, logged_in: LogIn) -> None:
    for n in range(60):
        audit.record(session, "station:create", f"station/{n}", actor_id=None, owner_id=master.id, name="x")
    audit.record(session, "=cmd()", "=1+1", actor_id=None, owner_id=master.id)
    answer = logged_in(master).get("/audit.csv")
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=";"))
    assert len([row for row in rows if row[5] == "station:create"]) == 60
    assert ["'=cmd()", "'=1+1"] in [row[5:7] for row in rows]
    assert all(len(row) == 8 for row in rows)


def recorded_actions() -> set[str]:
    """Every action that the code hands to the audit log, as a text or as a constant of its module."""
    found: set[str] = set()
    for path in PORTAL.rglob("*.py"):
        tree = parsed(path.read_text())
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        verbs = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in RECORDING]
        defaults = [one for verb in verbs for one in verb.args.defaults]
        found |= {str(one.value) for one in defaults if isinstance(one, ast.Constant)}
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in calls:
            if getattr(call.func, "attr", getattr(call.func, "id", "")) in RECORDING:
                values = [constants.get(arg.id, arg) if isinstance(arg, ast.Name) else arg for arg in call.args]
                found |= {str(one.value) for one in values if isinstance(one, ast.Constant)}
    return {text for text in found if re.fullmatch(r"[a-z_]+[:.][a-z_]+", text)}


def test_everything_that_is_recorded_is_told_in_a_sentence() -> None:
    """An entry without one is shown as it was written, which nobody but us can read."""
    found = recorded_actions()
    assert {"grant:revoke", "access:refused", "licence_request.declined", "station:edit", "task.changed"} <= found
    assert found <= SENTENCES.keys()


def test_a_picture_is_told_by_name_size_and_sum(session: Session, master: Account, logged_in: LogIn) -> None:
    image = {"name": "station-1.webp", "size": 512, "sha256": "0a" * 32}
    changed, of_master = {"image": [None, image]}, {"actor_id": master.id, "owner_id": master.id}
    audit.record(session, "station:edit", "station/1", changed=changed, **of_master)
    browser = logged_in(master)
    assert f"Picture: – station-1.webp, 512 B, SHA-256 {'0a' * 8}…" in cells(browser, "/audit")[0]
    assert "0a" * 32 in browser.get("/audit.csv").text


def test_a_declined_request_is_told_with_its_reason(session: Session, master: Account, logged_in: LogIn) -> None:
    operator = world.account(session, "operator@x.example", operator=True)
    request = requests.ask(session, master, Kind.REPORTS)
    requests.decline(session, operator, [request.id], "Comes later.")
    told = "Declined the request for the licence Reports: Comes later."
    assert told in cells(logged_in(master), "/audit?kind=licences")[0]


def test_actions_of_a_kind_have_a_kind(session: Session) -> None:
    """No sentence is about something that no filter finds."""
    beginnings = tuple(text for kind in kinds.KINDS.values() for text in kind.beginnings)
    assert [action for action in SENTENCES if not action.startswith(beginnings)] == []


def test_a_page_costs_few_statements_and_no_scan_among_many_entries(session: Session, logged_in: LogIn) -> None:
    operator = world.account(session, "operator@x.example", operator=True)
    owners = [world.account(session, f"owner{n}@x.example") for n in range(20)]
    now = clock.now()
    for first in range(0, MANY, 10_000):
        rows = [
            {
                "at": now - timedelta(seconds=n),
                "actor_id": owners[n % 20].id,
                "owner_id": owners[n * 7 % 20].id,
                "action": "station:edit" if n % 3 else "grant:give_display",
                "subject": f"station/{n}",
                "detail": {"changed": {"name": ["a", "b"]}},
            }
            for n in range(first, first + 10_000)
        ]
        session.execute(sa.insert(AuditEntry), rows)
    session.commit()
    session.execute(sa.text("ANALYZE"))
    session.commit()
    browsers = {"/audit": logged_in(owners[3]), "/operator/audit": logged_in(operator)}
    asked = (
        "",
        "kind=exports",
        "kind=sharing",
        "q=nothing",
        "person=owner3@x.example",
        "from=2020-01-01&to=2020-02-01",
    )
    for url, browser in browsers.items():
        for query in (*asked, f"person=owner3@x.example&kind=transfers&q=x&before={now.timestamp():.6f}-50"):
            with recorded() as statements:
                assert browser.get(f"{url}?{query}").status_code == 200
            assert len(statements) <= 12, (url, query)
            scans = [text for one in statements if SCAN.search(text := plan(session, one))]
            assert scans == [], (url, query)
