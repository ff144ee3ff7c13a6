"""What others have opened to the reader: filtered by state, with his own last use, given back."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroupMember
from portal.core import clock
from portal.core.audit import AuditEntry
from portal.sharing import received
from portal.sharing.reviews import Filter
from portal.stations.models import Grant
from tests import world
from tests.statements import recorded, scans_of

Browser = Callable[[Account], FlaskClient]
DAY = timedelta(days=1)


def give_back(grant: Grant) -> str:
    return f"/shared-with-me/{grant.id}/give-back"


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("", {"new", "opened", "ending", "old"}),
        ("in_use", {"opened"}),
        ("invited", {"new", "ending", "old"}),
        ("ending", {"ending"}),
        ("endless", {"new", "opened", "old"}),
        ("unused", {"old"}),
        ("ended", {"new", "opened", "ending", "old"}),  # what has ended is not told any more
    ],
)
def test_the_list_is_filtered_by_state(session: Session, place: SimpleNamespace, state: str, names: set[str]) -> None:
    now = clock.now()
    fields = {
        "new": {},
        "opened": {"first_used_at": now, "last_used_at": now},
        "ending": {"ends_at": now + 5 * DAY},
        "old": {"granted_at": now - 100 * DAY, "starts_at": now - 100 * DAY},
        "over": {"ends_at": now - DAY},
        "planned": {"starts_at": now + DAY},
    }
    for name, values in fields.items():
        world.grant(session, world.station_group(session, place.master, name), "display", "sub@x.example", **values)
    assert {row.name for row in received.listed(session, place.sub, Filter(state=state)).items} == names


def test_the_state_is_that_of_the_strongest_permission(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "display", place.users)
    strong = world.grant(session, place.group, "manage", "sub@x.example", ends_at=clock.now() + 5 * DAY)
    assert not received.listed(session, place.sub, Filter(state="endless")).items
    rows = received.listed(session, place.sub, Filter(state="ending"))
    assert ([row.grant_id for row in rows.items], rows.total) == ([strong.id], 1)


def test_the_own_last_use_by_a_user_group_is_on_the_page_and_in_the_csv(
    session: Session, place: SimpleNamespace, sub: FlaskClient
) -> None:
    world.grant(session, place.group, "display", place.users, last_used_at=clock.now())
    session.execute(sa.update(UserGroupMember).values(last_used_at=clock.now() - 40 * DAY, first_used_at=clock.now()))
    session.commit()

    def last_use() -> str:
        lines = sub.get("/shared-with-me.csv").data.decode("utf-8-sig").splitlines()
        return next(csv.DictReader(io.StringIO("\n".join(lines)), delimiter=";"))["My last use"]

    before = last_use()
    assert before in sub.get("/shared-with-me?state=in_use").text
    sub.get(f"/station-groups/{place.group.id}")
    assert "" != last_use() != before


def test_giving_back_says_what_is_lost_and_ends_it_with_all_under_it(
    session: Session, place: SimpleNamespace, sub: FlaskClient, master: FlaskClient
) -> None:
    own = world.grant(session, place.group, "administrate", "sub@x.example")
    world.grant(session, place.group, "display", "c@x.example", under_grant_id=own.id)
    session.commit()
    assert give_back(own) in sub.get("/shared-with-me").text
    page = " ".join(sub.get(give_back(own)).text.split())
    assert "give back “Administrate group” on the station group “Lugano Centro”" in page
    assert "2 stations become invisible to you." in page
    assert "c@x.example loses “Display stations”." in page
    answer = sub.post(give_back(own), follow_redirects=True).text
    assert "The authorisation is given back." in answer
    assert "1 authorisation that you gave under it has ended too." in answer
    ended = session.scalars(sa.select(Grant.revoked_by_id).where(Grant.revoked_at.is_not(None))).all()
    actions = session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.id)).all()
    session.commit()
    assert (ended, actions[-2:]) == ([place.sub.id] * 2, ["grant:give_back", "grant:revoke"])
    assert "by Sub" in master.get(f"/station-groups/{place.group.id}/sharing").text
    assert "Gave back Administrate group on Lugano Centro" in master.get("/audit").text
    assert sub.get(f"/station-groups/{place.group.id}").status_code == 404


def test_what_is_seen_by_a_user_group_too_stays(session: Session, place: SimpleNamespace, sub: FlaskClient) -> None:
    world.grant(session, place.group, "display", place.users)
    own = world.grant(session, place.group, "manage", "sub@x.example")
    session.commit()
    assert "All its stations stay visible to you by other authorisations." in sub.get(give_back(own)).text
    sub.post(give_back(own))
    assert sub.get(f"/station-groups/{place.group.id}").status_code == 200


def test_nobody_gives_back_what_is_not_his_or_is_over(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    own = world.grant(session, place.group, "manage", "sub@x.example")
    users = world.grant(session, place.group, "manage", place.users)
    over = world.grant(session, place.group, "display", "sub@x.example", ends_at=clock.now() - DAY)
    for account, grant in ((place.stranger, own), (place.master, own), (place.sub, users), (place.sub, over)):
        for method in ("GET", "POST"):
            assert logged_in(account).open(give_back(grant), method=method).status_code == 404
    assert not session.scalars(sa.select(Grant.id).where(Grant.revoked_at.is_not(None))).all()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_list_reads_no_grant_or_group_of_others(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "display", place.users)
    with recorded() as statements:
        received.listed(session, place.sub, Filter(state="unused", text="lugano"))
    assert len(statements) == 2
    assert not scans_of(session, statements, {"station_group", "station_group_grant", "account"})
