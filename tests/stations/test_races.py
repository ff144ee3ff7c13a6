"""Two people at once, and a revocation while somebody edits: nothing is lost, and no right comes back."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Barrier
from time import sleep

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.models import Account
from portal.core.audit import AuditEntry, AuditSeal
from portal.core.errors import NotAllowed, NotThere, RuleBroken
from portal.sharing import operations as sharing
from portal.stations import operations
from portal.stations.models import Connector, Grant, Station, StationGroup
from portal.stations.operations import connectors, groups, stations, writing
from tests.stations.scene import Scene
from tests.stations.test_fields import connector_page, present, station_page

LogIn = Callable[[Account], FlaskClient]
ROUNDS = 15
A_MOMENT = 0.4  # seconds, in which whoever waits for nobody is long done


@pytest.fixture(autouse=True)
def _seen_by_others(session: Session, scene: Scene) -> None:
    session.commit()


def grant_of(session: Session, account_id: int) -> Grant:
    email = session.get_one(Account, account_id).email
    return session.scalars(sa.select(Grant).where(Grant.email == email, Grant.revoked_at.is_(None))).one()


def rename_station(session: Session, account_id: int, station_id: int, name: str) -> None:
    station = session.get_one(Station, station_id)
    values = replace(stations.entered(station), name=name)
    operations.edit_station(session, session.get_one(Account, account_id), station, values)


def test_an_edit_waits_for_a_revocation_and_is_refused(
    session: Session, scene: Scene, sessions: sessionmaker[Session]
) -> None:
    manage, station_id = scene.manage.id, scene.station.id

    def edit() -> None:
        with sessions() as own:
            rename_station(own, manage, station_id, "Mine")
            own.commit()

    with ThreadPoolExecutor(1) as threads, sessions() as revoking:
        sharing.revoke(revoking, revoking.get_one(Account, scene.owner.id), grant_of(revoking, manage))
        waiting: Future[None] = threads.submit(edit)
        sleep(A_MOMENT)
        assert not waiting.done(), "it would be written after the revocation"
        revoking.commit()
        with pytest.raises(writing.FieldsRefused):
            waiting.result()
    assert session.get_one(Station, station_id, populate_existing=True).name == "Via Nassa"


def test_a_revocation_waits_for_an_edit_and_then_stands(
    session: Session, scene: Scene, sessions: sessionmaker[Session]
) -> None:
    manage, owner, station_id = scene.manage.id, scene.owner.id, scene.station.id

    def revoke() -> None:
        with sessions() as own:
            sharing.revoke(own, own.get_one(Account, owner), grant_of(own, manage))
            own.commit()

    with ThreadPoolExecutor(1) as threads, sessions() as editing:
        rename_station(editing, manage, station_id, "Saved in time")
        waiting: Future[None] = threads.submit(revoke)
        sleep(A_MOMENT)
        assert not waiting.done()
        editing.commit()
        waiting.result()
    assert session.get_one(Station, station_id, populate_existing=True).name == "Saved in time"
    with pytest.raises(writing.FieldsRefused):
        rename_station(session, manage, station_id, "Too late")


def test_no_edit_stands_behind_the_revocation_in_the_log(
    session: Session, scene: Scene, sessions: sessionmaker[Session]
) -> None:
    """Whatever comes first at the same moment: of a connector, and of a group that an administrator renames."""
    owner, manage, administrate = scene.owner.id, scene.manage.id, scene.administrate.id
    connector_id, group_id = scene.connector.id, scene.group.id
    for number in range(ROUNDS):

        def edit(own: Session, number: int = number) -> None:
            connector = own.get_one(Connector, connector_id)
            values = replace(connectors.entered(connector), identifiers={"factory_no": f"F{number}"})
            operations.edit_connector(own, own.get_one(Account, manage), connector, values)

        def rename(own: Session, number: int = number) -> None:
            group = own.get_one(StationGroup, group_id)
            operations.edit_group(own, own.get_one(Account, administrate), group, f"Name {number}")

        def revoke(own: Session) -> None:
            ending = [grant_of(own, manage), grant_of(own, administrate)]
            sharing.revoke_all(own, own.get_one(Account, owner), ending)

        race(sessions, edit, rename, revoke)
        assert late_edits(session) == []
        for account in (scene.manage, scene.administrate):
            role = "manage" if account is scene.manage else "administrate"
            session.add(
                Grant(station_group_id=group_id, owner_id=owner, role=role, email=account.email, granted_by_id=owner)
            )
        session.commit()


def race(sessions: sessionmaker[Session], *acts: Callable[[Session], object]) -> None:
    start = Barrier(len(acts))

    def run(act: Callable[[Session], object]) -> None:
        with sessions() as own, suppress(NotAllowed, NotThere, RuleBroken):
            start.wait()
            act(own)
            own.commit()

    with ThreadPoolExecutor(len(acts)) as threads:
        list(threads.map(run, acts))


def late_edits(session: Session) -> list[str]:
    """Edits of the log's last round that are sealed behind the revocation of the right to them."""
    order = sa.select(AuditEntry.action).join(AuditSeal, AuditSeal.entry_id == AuditEntry.id)
    actions = list(session.scalars(order.order_by(AuditSeal.position)))
    session.commit()
    last = len(actions) - actions[::-1].index("grant:revoke")
    return [action for action in actions[last:] if action.endswith(":edit")]


def test_of_two_at_once_the_second_one_is_told_and_nothing_is_lost(
    session: Session, scene: Scene, sessions: sessionmaker[Session]
) -> None:
    group, first, second = scene.group.id, scene.administrate.id, scene.owner.id
    told = []
    for number in range(ROUNDS):
        seen = groups.version(session.get_one(StationGroup, group, populate_existing=True))
        session.commit()

        def rename(own: Session, actor: int, texts: tuple[str, str], seen: str = seen) -> None:
            row = own.get_one(StationGroup, group)
            try:
                operations.edit_group(own, own.get_one(Account, actor), row, *texts, seen)
            except operations.Meanwhile as meanwhile:
                told.append(meanwhile.fields)
                raise

        race(
            sessions,
            lambda own, number=number: rename(own, first, (f"A{number}", "by a")),
            lambda own, number=number: rename(own, second, (f"B{number}", "by b")),
        )
        assert len(told) == number + 1
        row = session.get_one(StationGroup, group, populate_existing=True)
        assert (row.name, row.description) in ((f"A{number}", "by a"), (f"B{number}", "by b"))


def test_a_page_opened_before_somebody_else_saved_undoes_nothing(
    session: Session, scene: Scene, logged_in: LogIn
) -> None:
    manage, owner = logged_in(scene.manage), logged_in(scene.owner)
    pages = {connector_page(scene): ("max_power_kw", "7", "price_per_kwh", "0.70")}
    pages[station_page(scene)] = ("address", "New street 1", "support_contact", "new@x.example")
    for page, (his, his_text, mine, my_text) in pages.items():
        opened = present(manage, page)
        assert owner.post(page, data=present(owner, page) | {his: his_text}).status_code == 302
        answer = manage.post(page, data=opened | {mine: my_text})
        assert answer.status_code == 422
        assert "Somebody else changed this meanwhile" in answer.text
        assert f"Stored now: {his_text}" in answer.text
        assert present(owner, page)[his] == his_text
        version = present(owner, page)["seen"]
        assert f'value="{version}"' in answer.text, "sent once more it is meant"
        once_more = manage.post(page, data=opened | {mine: my_text, his: his_text, "seen": version})
        assert once_more.status_code == 302
        assert (present(owner, page)[his], present(owner, page)[mine]) == (his_text, my_text)


def test_a_group_renamed_meanwhile_is_not_renamed_back(session: Session, scene: Scene, logged_in: LogIn) -> None:
    page = f"/station-groups/{scene.group.id}/edit"
    administrate, owner = logged_in(scene.administrate), logged_in(scene.owner)
    opened = present(administrate, page)
    owner.post(page, data=present(owner, page) | {"name": "Renamed"})
    answer = administrate.post(page, data=opened | {"description": "More"})
    assert answer.status_code == 422
    assert "Stored now: Renamed" in answer.text
    session.refresh(scene.group)
    assert (scene.group.name, scene.group.description) == ("Renamed", "")
