"""Refused actions in the audit log: of things that somebody may see, and no more of them than needed."""

from collections.abc import Callable

import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.audit import AuditEntry, refusals
from portal.core.audit.check import check
from portal.licences.models import Kind
from portal.stations.models import Station
from tests import world

LogIn = Callable[[Account], FlaskClient]


def shared_for_display(session: Session, logged_in: LogIn) -> tuple[Account, Account, Station, FlaskClient]:
    """A master, somebody who may only look at his station, the station, and that one's browser."""
    master = world.account(session, "master@x.example", Kind.AUTHORISATION)
    display = world.account(session, "display@x.example", Kind.AUTHORISATION)
    group = world.station_group(session, master, "Bl2")
    station = world.station(session, master, "Bl2-1", group)
    world.grant(session, group, "display", "display@x.example")
    return master, display, station, logged_in(display)


def refused(session: Session) -> list[AuditEntry]:
    query = sa.select(AuditEntry).where(AuditEntry.action == refusals.ACTION)
    return list(session.scalars(query.order_by(AuditEntry.id)))


def test_an_attempt_is_kept_for_the_owner_with_who_and_what(session: Session, logged_in: LogIn) -> None:
    master, display, station, browser = shared_for_display(session, logged_in)
    assert browser.post(f"/stations/{station.id}/edit", data={"name": "Mine"}).status_code == 403
    (entry,) = refused(session)
    assert (entry.actor_id, entry.owner_id, entry.subject) == (display.id, master.id, f"station/{station.id}")
    assert entry.detail == {"refused": "station:edit", "method": "POST", "path": f"/stations/{station.id}/edit"}
    assert check(session).wrong == 0


def test_a_connector_leads_to_its_owner_too(session: Session, logged_in: LogIn) -> None:
    master, _display, station, browser = shared_for_display(session, logged_in)
    connector = station.connectors[0].id
    assert browser.get(f"/connectors/{connector}/remove").status_code == 403
    assert [(entry.owner_id, entry.subject) for entry in refused(session)] == [(master.id, f"connector/{connector}")]


def test_what_is_not_there_for_somebody_leaves_no_trace(session: Session, logged_in: LogIn) -> None:
    _master, _display, station, _browser = shared_for_display(session, logged_in)
    stranger = logged_in(world.account(session, "stranger@x.example", Kind.AUTHORISATION))
    assert stranger.post(f"/stations/{station.id}/edit").status_code == 404
    assert stranger.post("/stations/1000003/edit").status_code == 404
    assert refused(session) == []


def test_whoever_tries_on_and_on_fills_no_log(session: Session, logged_in: LogIn) -> None:
    _master, display, station, browser = shared_for_display(session, logged_in)
    for _ in range(refusals.MOST + 5):
        assert browser.post(f"/stations/{station.id}/edit").status_code == 403
    kept = refused(session)
    assert len(kept) == refusals.MOST
    assert [entry.detail.get("further_not_recorded") for entry in kept[-2:]] == [None, True]
    refusals.keep(session, display.id + 1, "station:edit", "station/1", None)
    assert len(refused(session)) == refusals.MOST + 1, "another account is counted by itself"


def test_the_platforms_pages_are_told_to_the_operator_alone(session: Session, logged_in: LogIn) -> None:
    """Whether a row is there makes no difference, and the one who asks reads nothing of it either."""
    account = world.account(session, "somebody@x.example", Kind.AUTHORISATION)
    operator = world.account(session, "operator@x.example", operator=True)
    browser, there = logged_in(account), f"/operator/accounts/{operator.id}"
    assert [browser.get(url).status_code for url in ("/operator/audit", there, "/operator/accounts/1000003")] == [
        404
    ] * 3
    kept = refused(session)
    session.commit()
    assert [(entry.actor_id, entry.owner_id, entry.subject) for entry in kept] == [(account.id, None, "")] * 3
    assert [entry.detail["path"] for entry in kept[1:]] == [there, "/operator/accounts/1000003"]
    told = "Was refused “audit:view_all” at /operator/audit"
    assert told not in browser.get("/audit").text
    assert told in logged_in(operator).get("/operator/audit?kind=refused&person=somebody@x.example").text
    assert check(session).wrong == 0


def test_who_fills_the_hour_at_the_platforms_pages_hides_nothing_from_owners(
    session: Session, logged_in: LogIn
) -> None:
    master, _display, station, browser = shared_for_display(session, logged_in)
    for _ in range(refusals.MOST + 2):
        assert browser.get("/operator/audit").status_code == 404
    assert len(refused(session)) == refusals.MOST
    session.commit()
    browser.post(f"/stations/{station.id}/edit")
    assert [entry.owner_id for entry in refused(session)[refusals.MOST :]] == [master.id]


def test_after_an_hour_it_is_recorded_again(session: Session, logged_in: LogIn) -> None:
    _master, display, station, browser = shared_for_display(session, logged_in)
    old = {"at": clock.now() - refusals.SPAN, "action": refusals.ACTION, "subject": "station/1", "detail": {}}
    session.execute(sa.insert(AuditEntry), [old | {"actor_id": display.id}] * refusals.MOST)
    session.commit()
    browser.post(f"/stations/{station.id}/edit")
    assert len(refused(session)) == refusals.MOST + 1


def test_nothing_of_the_refused_request_is_saved_with_it(session: Session) -> None:
    master = world.account(session, "master@x.example")
    session.commit()
    master.name = "Half a change"
    session.flush()
    refusals.keep(session, master.id, "station:edit", "station/1", master.id)
    session.refresh(master)
    assert master.name == "Master"
