"""Many stations and connectors changed at once: chosen, looked at, applied together or not at all."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.bulk import applying, choosing, judging
from portal.bulk.judging import Wish
from portal.core import authz, clock
from portal.core.audit import AuditEntry
from portal.licences.models import Kind
from portal.stations import queries
from portal.stations.models import Connector, ConnectorTerms, Grant, Station
from portal.stations.operations import ConnectorValues, Meanwhile, changes, edit_connector, stations, writing
from tests import world
from tests.statements import recorded
from tests.stations.scene import Scene
from tests.stations.test_list_at_scale import many_stations

LogIn = Callable[[Account], FlaskClient]
ROLES = ("owner", "administrate", "manage", "display", "stranger", "unlicensed")


def address(*rows: Station, **query: str) -> str:
    return "/stations/change?" + "&".join(
        [*(f"station={row.id}" for row in rows), *(f"{k}={v}" for k, v in query.items())]
    )


def look(browser: FlaskClient, url: str, **texts: Any) -> str:
    """Choose what is to change, and the preview."""
    answer = browser.post(url, data=texts)
    assert answer.status_code == 302, answer.text
    assert answer.location == "/stations/changes"
    return browser.get("/stations/changes").text


def save(browser: FlaskClient, page: str) -> str:
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen, "there is nothing to save"
    return browser.post("/stations/changes/apply", data={"seen": seen[1]}, follow_redirects=True).text


def entries(session: Session, action: str) -> list[AuditEntry]:
    found = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id))
    return [*found]


def test_it_is_shown_before_and_after_and_saved_together(scene: Scene, session: Session, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    page = look(
        browser, address(scene.station, scene.lonely), support_contact="pikett@x.example", access="public",
        price_per_kwh="0.385", empty=["max_power_kw"],
    )  # fmt: skip
    assert "To be changed: 2 stations, 3 connectors" in page
    assert re.search(r"Price per kWh in CHF:</span> 0.00 .*<strong>0.385</strong>", page, re.DOTALL)
    session.rollback()
    assert session.get_one(Station, scene.lonely.id).support_contact == ""
    assert "Saved: 2 stations, 3 connectors." in save(browser, page)
    session.expire_all()
    assert {row.support_contact for row in session.scalars(sa.select(Station))} == {"pikett@x.example"}
    found = [(row.access, row.price_per_kwh, row.max_power_w) for row in session.scalars(sa.select(Connector))]
    assert found == [("public", 3850, None)] * 3


def test_each_is_recorded_with_its_values_before_and_after(scene: Scene, session: Session, logged_in: LogIn) -> None:
    browser = logged_in(scene.manage)
    save(browser, look(browser, address(scene.station), address="Via Nassa 1", price_per_hour="1.2"))
    (edit,) = entries(session, "station:edit")
    assert (edit.actor_id, edit.owner_id, edit.subject) == (
        scene.manage.id, scene.owner.id, f"station/{scene.station.id}",
    )  # fmt: skip
    assert edit.detail["changed"] == {"address": ["", "Via Nassa 1"]}
    told = [entry.detail["changed"] for entry in entries(session, "connector:edit")]
    assert told == [{"price_per_hour": [0, 12000]}] * 2


def test_what_connectors_said_until_then_is_kept(scene: Scene, session: Session, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    save(browser, look(browser, address(scene.station), price_per_kwh="0.5", plug_type="ccs"))
    save(browser, look(browser, address(scene.station), max_power_kw="50"))
    kept = session.execute(sa.select(ConnectorTerms.connector_id, ConnectorTerms.price_per_kwh)).all()
    ids = [connector.id for connector in scene.station.connectors]
    assert sorted(kept) == sorted((id_, price) for id_ in ids for price in (0, 5000))


def test_only_connectors_with_a_plug_type(scene: Scene, session: Session, logged_in: LogIn) -> None:
    scene.connector.plug_type = "ccs"
    browser = logged_in(scene.owner)
    page = look(browser, address(scene.station), only_plug_type="ccs", max_power_kw="150")
    assert "To be changed: 1 connector<" in page
    save(browser, page)
    session.expire_all()
    assert [row.max_power_w for row in scene.station.connectors] == [150_000, 22_000]


def test_all_of_a_search_beyond_the_page(session: Session, logged_in: LogIn) -> None:
    owner = world.account(session, "owner@x.example")
    many_stations(session, owner, 120)
    browser = logged_in(owner)
    assert "Change all of this search" in browser.get("/stations?q=charger").text
    page = look(browser, address(all="1", q="Charger 100001"), address="Depot")
    assert "To be changed: 10 stations" in page  # 1000010 to 1000019
    assert "To be changed: 120 stations" in look(browser, address(all="1"), address="Depot")


def test_the_filter_counts_not_what_is_in_others_groups(scene: Scene, logged_in: LogIn) -> None:
    assert logged_in(scene.stranger).get(address(all="1", group=str(scene.group.id))).status_code == 404


@pytest.mark.parametrize("who", ROLES)
def test_who_may_change_what(scene: Scene, session: Session, logged_in: LogIn, who: str) -> None:
    """The station of the group, for whoever may edit it; the lonely one for the owner alone."""
    browser = logged_in(getattr(scene, who))
    answer = browser.post(address(scene.station, scene.lonely), data={"address": "Elsewhere"})
    if who in ("stranger", "unlicensed"):
        assert answer.location == "/stations"
        assert browser.post("/stations/changes/apply").location == "/stations"
    else:
        page = browser.get("/stations/changes").text
        assert ("Depot" in page) == (who == "owner")
        if who == "display":
            assert "You may look at this station, but not change it." in page
            assert 'name="seen"' not in page
            browser.post("/stations/changes/apply", data={"seen": "x"})
        else:
            save(browser, page)
    session.rollback()
    session.expire_all()
    may = who in ("owner", "administrate", "manage")
    assert scene.station.address == ("Elsewhere" if may else "")
    assert scene.lonely.address == ("Elsewhere" if who == "owner" else "")


def test_a_station_of_others_is_as_one_that_does_not_exist(scene: Scene, session: Session, logged_in: LogIn) -> None:
    browser = logged_in(scene.stranger)
    answers = [browser.get(f"/stations/change?station={row_id}") for row_id in (scene.station.id, 999_999)]
    assert [answer.location for answer in answers] == ["/stations", "/stations"]
    wishes = [Wish(1, row_id, None, {"address": "x"}) for row_id in (scene.station.id, 999_999)]
    problems = [str(item.problem) for item in judging.judge(session, scene.stranger, wishes)]
    assert problems == ["There is no such station."] * 2


def test_a_field_that_is_not_his_is_shut_with_the_reason(scene: Scene, logged_in: LogIn) -> None:
    page = logged_in(scene.manage).get(address(scene.station)).text
    field = re.search(r"<input[^>]*name=\"vat_percent\"[^>]*>", page)
    assert field
    assert "disabled" in field[0]
    assert "It is for: Owner, Administrate group" in page
    mine = re.search(
        r"<input[^>]*name=\"vat_percent\"[^>]*>", logged_in(scene.administrate).get(address(scene.station)).text
    )
    assert mine
    assert "disabled" not in mine[0]


def test_a_forged_field_is_refused_and_recorded_and_the_rest_of_it_not_written(
    scene: Scene, session: Session, logged_in: LogIn
) -> None:
    own = world.station(session, scene.manage, "Own", connectors=0)
    browser = logged_in(scene.manage)
    page = look(browser, address(scene.station, own), vat_percent="8.1", address="New")
    assert "Your permission does not include: VAT rate in percent." in page
    save(browser, page)
    session.expire_all()
    assert (own.vat_permille, own.address) == (81, "New")
    assert (scene.station.vat_permille, scene.station.address) == (None, "")
    (refused,) = entries(session, "station:edit_refused")
    assert refused.detail["fields"] == ["vat_percent"]


def test_the_policy_of_fields_decides(
    scene: Scene, session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(authz.POLICIES, tmp_path / "policies")
    file = tmp_path / "policies" / "fields.csv"
    lines = [
        line for line in file.read_text().splitlines() if not line.startswith("p, manage, active, connector.access")
    ]
    file.write_text("\n".join(lines))
    named, writable = authz.decide(tmp_path / "policies", "fields.csv")
    monkeypatch.setattr(authz, "FIELDS", named)
    monkeypatch.setattr(authz, "WRITABLE", writable)
    wish = Wish(0, scene.station.id, 1, {"access": "public", "price_per_kwh": "1"})
    (item,) = judging.judge(session, scene.manage, [wish])
    assert (item.changes, item.refused) == (False, ["access"])


@pytest.mark.parametrize("who", ROLES)
def test_rights_at_many_are_those_at_each(scene: Scene, session: Session, who: str) -> None:
    actor = getattr(scene, who)
    found = judging.rights(session, actor, [scene.station.id, scene.lonely.id, 999_999])
    assert 999_999 not in found
    for station in (scene.station, scene.lonely):
        may, writes = queries.actions(session, actor.id, station), writing.writable_fields(session, actor, station)
        right = found[station.id]
        assert (right.sees, right.edits) == ("station:view" in may, "station:edit" in may)
        assert (right.station, right.connector) == tuple(writes)
        if right.sees:
            assert choosing.writable(session, actor, [station.id]) == writes


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({}, "Fill in what is to change."),
        ({"price_per_kwh": "-1"}, "Enter a number from 0 to 1000."),
        ({"price_per_kwh": "cheap"}, "Enter a number such as 0.375."),
        ({"latitude": "91"}, "Enter degrees from -90 to 90."),
        ({"address": "x", "empty": ["address"]}, "Enter a value, or let it be emptied, not both."),
        ({"empty": ["latitude"]}, "Give both coordinates, or leave both empty."),
        ({"plug_type": "lightning"}, "Not a valid choice"),
    ],
)
def test_what_cannot_be_is_said_at_the_field(scene: Scene, logged_in: LogIn, texts: Any, message: str) -> None:
    answer = logged_in(scene.owner).post(address(scene.station), data=texts)
    assert answer.status_code == 422
    assert message in answer.text


@pytest.mark.parametrize("query", ["", "?station=x", "?station=-1", f"?station={2**70}", "?all=1&q=nowhere"])
def test_without_a_choice_it_says_so(scene: Scene, logged_in: LogIn, query: str) -> None:
    answer = logged_in(scene.owner).get(f"/stations/change{query}", follow_redirects=True)
    assert "Tick the stations first." in answer.text


def test_what_is_so_already_is_counted_and_not_recorded(scene: Scene, session: Session, logged_in: LogIn) -> None:
    scene.station.address = "Here"
    browser = logged_in(scene.owner)
    page = look(browser, address(scene.station, scene.lonely), address="Here")
    assert "To be changed: 1 station<" in page
    assert "1 entry is so already." in page
    save(browser, page)
    assert [entry.subject for entry in entries(session, "station:edit")] == [f"station/{scene.lonely.id}"]


def test_somebody_elses_change_in_between_is_noticed_and_shown(
    scene: Scene, session: Session, logged_in: LogIn
) -> None:
    browser = logged_in(scene.owner)
    page = look(browser, address(scene.station), price_per_kwh="0.5")
    edit_connector(
        session,
        scene.manage,
        scene.connector,
        ConnectorValues(price_per_kwh=judging.entries.amount("", "0.4"), max_power_kw=None),
    )
    session.commit()
    again = save(browser, page)
    assert "Something has changed since you looked: nothing is written yet." in again
    assert "0.40" in again
    session.expire_all()
    assert [row.price_per_kwh for row in scene.station.connectors] == [4000, 0]
    assert "Saved: 2 connectors." in save(browser, again)


@pytest.mark.parametrize("how", ["revoked", "deleted"])
def test_what_was_lost_since_the_look_is_not_written(
    scene: Scene, session: Session, logged_in: LogIn, how: str
) -> None:
    browser = logged_in(scene.manage)
    page = look(browser, address(scene.station), address="New")
    if how == "revoked":
        session.execute(sa.update(Grant).values(revoked_at=clock.now()))
    else:
        stations.delete_station(session, scene.owner, scene.station)
    session.commit()
    again = save(browser, page)
    assert "nothing is written yet" in again
    assert "There is no such station." in again
    assert not entries(session, "station:edit")


def test_nothing_is_half_written(scene: Scene, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    wishes = [Wish(0, row.id, None, {"address": "New"}) for row in (scene.station, scene.lonely)]
    session.commit()
    seen = judging.version(judging.judge(session, scene.owner, wishes))
    record, told = changes.record, []

    def fail_at_the_second(*arguments: Any, **detail: Any) -> None:
        record(*arguments, **detail)
        told.append(arguments)
        if len(told) == 2:
            session.flush()
            raise RuntimeError("the database is gone")

    monkeypatch.setattr(changes, "record", fail_at_the_second)
    with pytest.raises(RuntimeError):
        applying.apply(session, scene.owner, wishes, seen)
    session.rollback()
    assert (scene.station.address, scene.lonely.address) == ("", "")


def test_another_look_is_not_saved_by_this_one(scene: Scene, session: Session) -> None:
    wishes = [Wish(0, scene.station.id, None, {"address": "New"})]
    with pytest.raises(Meanwhile):
        applying.apply(session, scene.owner, wishes, "made up")
    assert scene.station.address == ""


def test_a_choice_is_discarded(scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    look(browser, address(scene.station), address="New")
    assert "Nothing was changed" in browser.post("/stations/changes/discard", follow_redirects=True).text
    assert browser.get("/stations/changes").location == "/stations"


def test_statements_do_not_grow_with_the_stations(session: Session, logged_in: LogIn) -> None:
    counts = []
    for number in (100, 2000):
        owner = world.account(session, f"owner{number}@x.example", Kind.AUTHORISATION)
        many_stations(session, owner, number)
        browser = logged_in(owner)
        with recorded() as choice:
            browser.get(address(all="1"))
        with recorded() as chosen:
            browser.post(address(all="1"), data={"address": "New", "price_per_kwh": "0.4"})
        with recorded() as preview:
            page = browser.get("/stations/changes").text
        with recorded() as saved:
            save(browser, page)
        said = f"{number:,}".replace(",", "’")
        assert f"To be changed: {said} stations, {said} connectors" in page
        if session.get_bind().dialect.name == "sqlite":  # inserts one by one what PostgreSQL takes by the thousand
            saved = [statement for statement in saved if not statement[0].startswith("INSERT")]
        counts.append([len(found) for found in (choice, chosen, preview, saved)])
    assert counts[1][0] == counts[0][0] <= 12
    assert counts[1][2] <= 12
    # Writing goes by batches: of pieces of the file, opening times, audit entries and links of their chain.
    assert counts[1][1] - counts[0][1] <= 3
    assert counts[1][3] - counts[0][3] <= 2 * 2000 / 200
    session.expire_all()
    assert session.scalar(sa.select(sa.func.count()).where(Station.address == "New")) == 2100
