"""Who holds a share confirms that he still needs it, and the owner sees it."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import clock
from portal.core.audit import AuditEntry
from portal.sharing import queries, received, reviews, still_needed
from portal.sharing.reviews import Filter
from tests import world
from tests.statements import recorded, scans_of

Browser = Callable[[Account], FlaskClient]
DAY = timedelta(days=1)
CONFIRM = "/shared-with-me/confirm"


def ago(days: int) -> dict[str, object]:
    instant = clock.now() - days * DAY
    return {"granted_at": instant, "starts_at": instant}


def membership(session: Session, users: UserGroup, email: str = "sub@x.example") -> UserGroupMember:
    return session.scalars(
        sa.select(UserGroupMember)
        .where(UserGroupMember.user_group_id == users.id, UserGroupMember.email == email)
        .execution_options(populate_existing=True)
    ).one()


def told(session: Session, reader: Account) -> dict[int, tuple[str, int]]:
    """By whom each grant is said to be needed, and how many addresses have confirmed it."""
    lines = reviews.by_me(session, reader.id, Filter()).items
    return {line.grant.id: (line.need.by, line.need.addresses) for line in lines if line.need}


def first_row(browser: FlaskClient, path: str) -> dict[str, str]:
    text = browser.get(path).data.decode("utf-8-sig")
    return next(csv.DictReader(io.StringIO(text), delimiter=";"))


def test_it_is_noted_with_day_and_name_and_told_to_the_owner(
    session: Session, place: SimpleNamespace, sub: FlaskClient, master: FlaskClient
) -> None:
    grant = world.grant(session, place.group, "display", "sub@x.example", **ago(400))
    session.commit()
    pages = ("/shared-by-me", f"/station-groups/{place.group.id}/sharing")
    assert not [page for page in pages if "Still needed" in master.get(page).text]
    answer = sub.post(CONFIRM, data={"only": grant.id, "back": "/shared-with-me?state=unneeded"})
    assert answer.location == "/shared-with-me?state=unneeded"
    session.refresh(grant)
    assert (grant.needed_by_id, grant.needed_at is not None) == (place.sub.id, True)
    entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "grant:confirm_need")).one()
    assert (entry.actor_id, entry.owner_id, entry.detail["grant"]) == (place.sub.id, place.master.id, grant.id)
    session.commit()
    for page in pages:
        text = " ".join(master.get(page).text.split())
        assert "Still needed, confirmed on" in text
        assert "by Sub" in text
    assert first_row(master, "/shared-by-me.csv")["Need confirmed by"] == "Sub"
    assert first_row(sub, "/shared-with-me.csv")["Need confirmed"] == first_row(master, "/shared-by-me.csv")["Last use"]
    assert "Still needs Display stations on Lugano Centro" in master.get("/audit").text


def test_by_a_user_group_the_membership_keeps_it_and_only_the_owner_reads_whose(
    session: Session, place: SimpleNamespace, sub: FlaskClient, master: FlaskClient, logged_in: Browser
) -> None:
    grant = world.grant(session, place.group, "display", place.users, **ago(400))
    world.grant(session, place.group, "administrate", "stranger@x.example")
    session.commit()
    sub.post(CONFIRM, data={"grant": grant.id})
    session.refresh(grant)
    kept = membership(session, place.users)
    assert (grant.needed_at, kept.needed_by_id, kept.needed_at is not None) == (None, place.sub.id, True)
    session.commit()
    assert "Still needed, confirmed on" in master.get(f"/user-groups/{place.users.id}").text
    administrator = logged_in(place.stranger)
    for page in ("/shared-by-me", f"/station-groups/{place.group.id}/sharing"):
        assert "by Sub (1 address)" in " ".join(master.get(page).text.split())
        text = " ".join(administrator.get(page).text.split())
        assert "by a member (1 address)" in text
        assert "Sub" not in text
    assert "Sub" not in administrator.get("/shared-by-me.csv").text


def test_to_confirm_is_to_use(session: Session, place: SimpleNamespace, sub: FlaskClient) -> None:
    grants = [
        world.grant(session, place.group, "display", place.users),
        world.grant(session, world.station_group(session, place.master), "display", "sub@x.example"),
    ]
    session.commit()
    sub.post(CONFIRM, data={"grant": [grant.id for grant in grants]})
    for row in (*grants, membership(session, place.users)):
        session.refresh(row)
        assert row.first_used_at is not None
        assert row.last_used_at is not None


def test_nobody_confirms_what_is_not_open_to_him(session: Session, place: SimpleNamespace, logged_in: Browser) -> None:
    poor = world.account(session, "poor@x.example")
    grants = [
        world.grant(session, place.group, "display", "sub@x.example"),
        world.grant(session, place.group, "display", place.users),
        world.grant(session, place.group, "display", "poor@x.example"),
        world.grant(session, place.group, "manage", "stranger@x.example", ends_at=clock.now() - DAY),
        world.grant(session, place.group, "manage", "stranger@x.example", revoked_at=clock.now() - DAY),
        world.grant(session, place.group, "manage", "stranger@x.example", starts_at=clock.now() + DAY),
    ]
    session.commit()
    for account in (place.stranger, place.master, poor):
        logged_in(account).post(CONFIRM, data={"grant": [grant.id for grant in grants]})
    for row in (*grants, membership(session, place.users)):
        session.refresh(row)
        assert (row.needed_at, row.first_used_at) == (None, None)
    assert not session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "grant:confirm_need")).all()


def test_another_members_confirmation_is_not_mine(session: Session, place: SimpleNamespace) -> None:
    both = world.user_group(session, place.master, "Both", "sub@x.example", "stranger@x.example")
    grant = world.grant(session, place.group, "display", both, **ago(400))
    session.execute(sa.update(UserGroupMember).values(added_at=clock.now() - 400 * DAY))
    assert still_needed.confirm(session, place.stranger, [grant.id]) == 1
    rows = [received.listed(session, account, Filter()).items[0] for account in (place.sub, place.stranger)]
    assert [(row.needed_at is None, row.is_unneeded) for row in rows] == [(True, True), (False, False)]
    assert told(session, place.master) == {grant.id: ("Stranger", 1)}
    assert still_needed.confirm(session, place.sub, [grant.id]) == 1
    assert told(session, place.master)[grant.id][1] == 2


def test_what_was_confirmed_before_a_grant_was_given_says_nothing_about_it(
    session: Session, place: SimpleNamespace
) -> None:
    member = membership(session, place.users)
    member.needed_at, member.needed_by_id = clock.now() - 10 * DAY, place.sub.id
    old = world.grant(session, world.station_group(session, place.master), "display", place.users, **ago(20))
    new = world.grant(session, place.group, "display", place.users)
    assert told(session, place.master).keys() == {old.id}
    mine = {row.grant_id: row.needed_at is None for row in received.listed(session, place.sub, Filter()).items}
    assert mine == {old.id: False, new.id: True}


def test_what_was_not_confirmed_for_a_year_is_found_by_both_sides(session: Session, place: SimpleNamespace) -> None:
    long_ago = clock.now() - 400 * DAY
    session.execute(sa.update(UserGroupMember).values(added_at=long_ago))
    fields = {
        "never": ago(500),
        "long ago": ago(500) | {"needed_at": long_ago},
        "lately": ago(500) | {"needed_at": clock.now() - DAY},
        "new": {},
    }
    grants = {
        name: world.grant(
            session, world.station_group(session, place.master, name), "display", "sub@x.example", **values
        )
        for name, values in fields.items()
    }
    team = world.grant(session, place.group, "display", place.users, **ago(500))
    due = {grants["never"].id, grants["long ago"].id, team.id}
    wanted = Filter(state="unneeded")

    def found() -> list[set[int]]:
        mine = {row.grant_id for row in received.listed(session, place.sub, wanted).items}
        return [mine, {line.grant.id for line in reviews.by_me(session, place.master.id, wanted).items}]

    assert found() == [due, due]
    still_needed.confirm(session, place.sub, sorted(due))
    assert found() == [set(), set()]


def test_a_new_member_of_an_old_group_is_not_asked_yet(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "display", place.users, **ago(500))
    assert not received.listed(session, place.sub, Filter(state="unneeded")).items


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_to_confirm_reads_no_grant_or_group_of_others(session: Session, place: SimpleNamespace) -> None:
    grant = world.grant(session, place.group, "display", place.users)
    with recorded() as statements:
        still_needed.confirm(session, place.sub, [grant.id])
        queries.listed(session, place.group, reader_id=place.master.id)
        received.listed(session, place.sub, Filter(state="unneeded"))
        reviews.by_me(session, place.master.id, Filter(state="unneeded"))
    assert not scans_of(session, statements, {"station_group", "station_group_grant", "account", "user_group_member"})
