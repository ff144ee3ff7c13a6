"""The list of stations as a file: what the page lists, nothing that a spreadsheet runs, flat memory."""

import csv
import io
import tracemalloc
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from openpyxl import load_workbook
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.licences.models import Kind
from portal.stations import station_list
from portal.stations.models import Grant, Station
from tests import world
from tests.statements import recorded
from tests.stations.scene import Scene
from tests.stations.test_list_at_scale import many_stations

LogIn = Callable[[Account], FlaskClient]


def table(browser: FlaskClient, query: str = "") -> list[dict[str, str]]:
    answer = browser.get(f"/stations/list.csv{query}")
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=";"))


def test_each_connector_has_a_row_and_a_station_without_one_too(
    scene: Scene, session: Session, logged_in: LogIn
) -> None:
    bare = world.station(session, scene.owner, "Bare", connectors=0)
    scene.connector.price_per_kwh, scene.connector.access = 3750, "public"
    rows = table(logged_in(scene.owner))
    assert [(row["Name"], row["Connector"]) for row in rows] == [
        ("Bare", ""), ("Depot", "1"), ("Via Nassa", "1"), ("Via Nassa", "2"),
    ]  # fmt: skip
    assert rows[0]["Station ID"] == str(bare.id)
    assert (rows[2]["Price per kWh in CHF"], rows[2]["Access"], rows[2]["Maximum power in kW"]) == (
        "0.375", "Public", "22",
    )  # fmt: skip


def test_the_workbook_holds_figures_as_numbers_and_texts_as_texts(
    scene: Scene, session: Session, logged_in: LogIn
) -> None:
    scene.station.reference, scene.station.latitude, scene.station.longitude = "007", -33.95, 18.4
    scene.station.name = "=1+1"
    answer = logged_in(scene.owner).get("/stations/list.xlsx?q=%3D1")
    sheet = load_workbook(io.BytesIO(answer.data)).active
    head, first, _second = sheet.iter_rows(values_only=True)
    row = dict(zip(head, first, strict=True))
    assert (row["Name"], row["Reference"], row["Latitude"]) == ("=1+1", "007", -33.95)
    assert sheet["C2"].data_type == "s"


def test_a_spreadsheet_runs_nothing_of_it(scene: Scene, logged_in: LogIn) -> None:
    scene.station.name = "=cmd|' /C calc'!A0"
    assert table(logged_in(scene.owner), "?q=calc")[0]["Name"].startswith("'=cmd")


@pytest.mark.parametrize(
    "query", ["", "?show=owned", "?show=managed", "?show=viewed", "?q=nass", "?q=nowhere", "?group={group}"]
)
@pytest.mark.parametrize("who", ["owner", "manage", "display", "stranger", "unlicensed"])
def test_it_holds_what_the_page_lists(scene: Scene, logged_in: LogIn, who: str, query: str) -> None:
    browser, asked = logged_in(getattr(scene, who)), query.format(group=scene.group.id)
    page = browser.get(f"/stations{asked}")
    if page.status_code == 404:
        assert browser.get(f"/stations/list.csv{asked}").status_code == 404
        return
    listed = {name for name in ("Via Nassa", "Depot") if name in page.text.partition("<tbody>")[2]}
    assert {row["Name"] for row in table(browser, asked)} == listed


def test_the_page_offers_both_with_its_filter(scene: Scene, logged_in: LogIn) -> None:
    page = logged_in(scene.owner).get("/stations?q=nass&show=owned").text
    assert 'href="/stations/list.csv?q=nass&amp;show=owned"' in page
    assert 'href="/stations/list.xlsx?q=nass&amp;show=owned"' in page


def test_what_is_revoked_meanwhile_is_no_longer_in_what_follows(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, reader = (world.account(session, f"{name}@x.example", Kind.AUTHORISATION) for name in ("owner", "reader"))
    group = world.station_group(session, owner)
    for number in range(5):
        world.station(session, owner, f"Station {number}", group)
    grant = world.grant(session, group, "display", reader.email)
    session.commit()
    monkeypatch.setattr(station_list, "AT_ONCE", 2)
    batches = station_list.every(session, reader.id)
    assert [station.name for station in next(batches)] == ["Station 0", "Station 1"]
    session.execute(sa.update(Grant).where(Grant.id == grant.id).values(revoked_at=clock.now()))
    assert list(batches) == []


def test_every_station_comes_once_also_where_many_have_one_name(session: Session) -> None:
    owner = world.account(session, "owner@x.example")
    other = world.account(session, "other@x.example", Kind.AUTHORISATION)
    world.licence(session, owner, Kind.AUTHORISATION)
    group = world.station_group(session, other)
    many_stations(session, owner, 1200)
    session.execute(sa.update(Station).values(name="Same"))
    for _number in range(501):
        session.add(Station(owner_id=other.id, name="Same"))
    session.flush()
    session.execute(
        sa.text(
            "INSERT INTO station_group_station (station_group_id, station_id, owner_id) "
            "SELECT :group, id, owner_id FROM station WHERE owner_id = :owner"
        ),
        {"group": group.id, "owner": other.id},
    )
    world.grant(session, group, "display", owner.email)
    found = [station.id for batch in station_list.every(session, owner.id) for station in batch]
    assert len(found) == len(set(found)) == 1701


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_neither_statements_nor_memory_grow_with_the_rows(session: Session, logged_in: LogIn, kind: str) -> None:
    few, many = (world.account(session, f"{name}@x.example", Kind.AUTHORISATION) for name in ("few", "many"))
    many_stations(session, few, 1000)
    many_stations(session, many, 5000)
    peaks, counts = [], []
    for account in (few, many):
        browser = logged_in(account)
        browser.get(f"/stations/list.{kind}?q=nowhere")  # whatever is loaded once is loaded
        tracemalloc.start()
        with recorded() as statements:
            size = sum(len(piece) for piece in browser.get(f"/stations/list.{kind}", buffered=False).iter_encoded())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        counts.append(len(statements))
        assert size > 10_000
    assert counts[1] - counts[0] <= 3 * (5000 - 1000) / station_list.AT_ONCE
    assert peaks[1] < peaks[0] + 4_000_000  # rows in cycles wait for the collector; all of them would be 13 MB
