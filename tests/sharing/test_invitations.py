"""Invitations: what is sent to whom, what its link does, and what nothing tells of an address."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.accounts.models import Account, UserGroupMember
from portal.core import audit, clock
from portal.core.mail import MailMessage, may_leave
from portal.licences.models import Kind
from portal.sharing import invitations
from portal.sharing.models import Invitation
from portal.stations.models import Grant
from tests import world
from tests.accounts.post import Letter, present, shown
from tests.statements import recorded

Browser = Callable[[Account], FlaskClient]
TO = Links("secret", "http://piquet.example")


def give(browser: FlaskClient, place: SimpleNamespace, email: str, role: str = "display") -> None:
    answer = browser.post(f"/station-groups/{place.group.id}/sharing/add", data={"email": email, "role": role})
    assert answer.status_code == 302, answer.text


def letters(session: Session, address: str) -> Sequence[Letter]:
    """The letters to an address, oldest first. Ends with a commit, which leaves what the test holds loaded."""
    query = sa.select(MailMessage.subject, MailMessage.body).where(MailMessage.recipient == address)
    found = [Letter(*row) for row in session.execute(query.order_by(MailMessage.id))]
    session.commit()
    return found


def link(session: Session, address: str) -> str:
    """The path of the last invitation's link in the letters to an address."""
    text = "".join(letter.body for letter in letters(session, address))
    return re.findall(r"http://piquet.example(/invitation/\S+)", text)[-1]


def rows(session: Session) -> Sequence[Invitation]:
    found = session.scalars(sa.select(Invitation).order_by(Invitation.id).execution_options(populate_existing=True))
    rows = found.all()
    session.commit()
    return rows


def moved(session: Session, **fields: object) -> None:
    """Every invitation as it is some time later."""
    session.execute(sa.update(Invitation).values(**fields))
    session.commit()


def test_a_grant_to_an_address_sends_a_link_of_which_only_the_hash_is_kept(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    give(master, place, "new@x.example", "manage")
    (letter,), (row,) = letters(session, "new@x.example"), rows(session)
    token = link(session, "new@x.example").rpartition("/")[2]
    assert "Permission: Manage stations" in letter.body
    assert row.token_hash == invitations.hashed(token)
    assert timedelta(days=6.9) < row.expires_at - clock.now() <= timedelta(days=7)
    kept = str(session.execute(sa.text("SELECT * FROM invitation")).all())
    assert token not in kept


def test_the_letter_speaks_the_language_of_who_has_an_account_else_the_owners(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    place.master.language = "de"
    session.commit()
    master = logged_in(place.master)
    give(master, place, "sub@x.example")
    give(master, place, "new@x.example")
    assert letters(session, "sub@x.example")[0].body.startswith("Hello")
    assert letters(session, "new@x.example")[0].body.startswith("Guten Tag")


def test_an_address_with_an_account_logs_in_and_finds_what_was_shared(
    session: Session, place: SimpleNamespace, master: FlaskClient, client: FlaskClient
) -> None:
    give(master, place, "sub@x.example")
    path = link(session, "sub@x.example")
    assert [client.get(path).status_code for _ in range(3)] == [200] * 3
    to_log_in = client.post(path)
    assert 'value="sub@x.example"' in client.get(to_log_in.location).text
    target = f"/station-groups/{place.group.id}"
    assert f'name="next" value="{target}"' in client.get(to_log_in.location).text
    fields = {"email": "sub@x.example", "password": world.PASSWORD, "next": target}
    assert client.post("/log-in", data=fields).location == target
    assert client.get(path).status_code == 410


def test_an_address_without_account_registers_and_is_confirmed_by_the_link(
    session: Session, place: SimpleNamespace, master: FlaskClient, client: FlaskClient
) -> None:
    give(master, place, "new@x.example")
    path = link(session, "new@x.example")
    form = client.post(path).location
    assert form == f"{path}/register"
    assert 'value="new@x.example"' in client.get(form).text
    assert client.post(form, data={"name": "New", "password": "short", "language": "de"}).status_code == 422
    data = {"name": "New", "password": "a long password", "language": "de", "email": "other@x.example"}
    assert client.post(form, data=data).location == "/shared-with-me"
    account = session.scalars(sa.select(Account).where(Account.email == "new@x.example")).one()
    assert (account.verified_at is not None, account.language) == (True, "de")
    session.commit()
    assert client.get("/shared-with-me").status_code == 200
    assert client.get(path).status_code == 410
    assert client.post(form, data=data).status_code == 410


def test_an_unconfirmed_account_is_replaced_by_who_holds_the_link(
    session: Session, place: SimpleNamespace, master: FlaskClient, client: FlaskClient
) -> None:
    squatter = world.account(session, "new@x.example", verified=False)
    session.commit()
    give(master, place, "new@x.example")
    form = client.post(link(session, "new@x.example")).location
    client.post(form, data={"name": "Rightful", "password": "a long password", "language": "en"})
    assert (present(session, squatter).name, squatter.verified_at is not None) == ("Rightful", True)
    old = client.post("/log-in", data={"email": "new@x.example", "password": world.PASSWORD})
    client.post("/log-out")
    refused = client.post("/log-in", data={"email": "new@x.example", "password": world.PASSWORD})
    assert (old.status_code, refused.status_code) == (302, 422)


def test_who_is_logged_in_as_another_is_told_and_may_leave(
    session: Session, place: SimpleNamespace, master: FlaskClient, logged_in: Browser
) -> None:
    give(master, place, "sub@x.example")
    path, stranger = link(session, "sub@x.example"), logged_in(place.stranger)
    assert "You are logged in as stranger@x.example" in stranger.get(path).text
    assert stranger.post(path).location == path
    assert stranger.get("/").status_code == 200
    assert stranger.post(path, data={"leave": "1"}).location.startswith("/log-in?")
    assert stranger.get("/").status_code == 302


def test_who_is_logged_in_with_the_address_goes_straight_on(
    session: Session, place: SimpleNamespace, master: FlaskClient, sub: FlaskClient
) -> None:
    give(master, place, "sub@x.example")
    assert sub.post(link(session, "sub@x.example")).location == f"/station-groups/{place.group.id}"


@pytest.mark.parametrize("why", ["expired", "cancelled", "revoked", "unknown"])
def test_a_dead_link_leads_to_the_log_in_and_opens_nothing(
    session: Session, place: SimpleNamespace, master: FlaskClient, client: FlaskClient, why: str
) -> None:
    give(master, place, "new@x.example")
    path = link(session, "new@x.example") + ("x" if why == "unknown" else "")
    if why == "expired":
        moved(session, expires_at=clock.now())
    elif why == "cancelled":
        moved(session, cancelled_at=clock.now())
    elif why == "revoked":
        session.execute(sa.update(Grant).values(revoked_at=clock.now()))
        session.commit()
    for answer in (client.get(path), client.post(path), client.get(f"{path}/register")):
        assert answer.status_code == 410
        assert "/log-in?next=" in answer.text


def test_sending_again_kills_the_old_link_once_an_hour_and_five_times(
    session: Session, place: SimpleNamespace, master: FlaskClient, client: FlaskClient
) -> None:
    give(master, place, "new@x.example")
    old, resend = link(session, "new@x.example"), f"/invitations/{rows(session)[0].id}/resend"
    assert "less than an hour ago" in master.post(resend, follow_redirects=True).text
    for _ in range(7):
        moved(session, sent_at=clock.now() - timedelta(hours=1, seconds=1))
        last = master.post(resend, follow_redirects=True)
    assert "sent again 5 times" in last.text
    assert len(letters(session, "new@x.example")) == 6
    assert (client.get(old).status_code, client.get(link(session, "new@x.example")).status_code) == (
        410,
        200,
    )


def test_cancelling_shows_the_consequence_and_ends_grant_and_membership(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    give(master, place, "new@x.example")
    master.post(f"/user-groups/{place.users.id}/members", data={"emails": "b@x.example"})
    first, second = (f"/invitations/{row.id}/cancel" for row in rows(session))
    assert "new@x.example loses “Display stations”" in master.get(first).text
    assert "taken out of the user group “Piquet”" in master.get(second).text
    assert [master.post(url).location for url in (first, second)] == ["/invitations"] * 2
    assert session.scalars(sa.select(Grant)).one().revoked_at is not None
    assert "b@x.example" not in session.scalars(sa.select(UserGroupMember.email)).all()
    session.commit()
    assert "No open invitation" in master.get("/invitations").text


def test_the_list_is_for_who_gave_and_for_the_owner(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    world.grant(session, place.group, "administrate", place.sub.email)
    give(logged_in(place.sub), place, "theirs@x.example")
    give(logged_in(place.master), place, "owners@x.example")
    master, sub, stranger = (
        logged_in(one).get("/invitations").text for one in (place.master, place.sub, place.stranger)
    )
    assert ("theirs@x.example" in master, "owners@x.example" in master) == (True, True)
    assert ("theirs@x.example" in sub, "owners@x.example" in sub) == (True, False)
    assert "x.example" not in stranger.partition("<main")[2].partition("</main")[0]


def test_what_was_opened_leaves_the_list_and_the_membership_is_in_use(
    session: Session, place: SimpleNamespace, master: FlaskClient, sub: FlaskClient
) -> None:
    world.grant(session, place.group, "display", place.users)
    other = world.account(session, "b@x.example", Kind.AUTHORISATION)
    session.commit()
    master.post(f"/user-groups/{place.users.id}/members", data={"emails": other.email})
    sub.get(f"/station-groups/{place.group.id}")
    used = dict(session.execute(sa.select(UserGroupMember.email, UserGroupMember.first_used_at)).all())
    session.commit()
    assert (used["sub@x.example"] is not None, used["b@x.example"]) == (True, None)
    assert "b@x.example" in master.get("/invitations").text


def test_a_second_member_is_noted_on_the_same_day(session: Session, place: SimpleNamespace, logged_in: Browser) -> None:
    world.grant(session, place.group, "display", place.users)
    other = world.account(session, "b@x.example", Kind.AUTHORISATION)
    session.add(UserGroupMember(user_group_id=place.users.id, email=other.email))
    for account in (place.sub, other):
        logged_in(account).get(f"/station-groups/{place.group.id}")
    assert None not in session.scalars(sa.select(UserGroupMember.first_used_at)).all()


def test_a_change_sends_a_notice_and_the_link_goes_on_working(
    session: Session, place: SimpleNamespace, master: FlaskClient, client: FlaskClient
) -> None:
    give(master, place, "new@x.example")
    grant = session.scalars(sa.select(Grant)).one()
    session.commit()
    assert master.post(f"/grants/{grant.id}/change", data={"role": "manage"}).status_code == 302
    _first, notice = letters(session, "new@x.example")
    assert "has changed" in notice.subject
    assert "Permission: Manage stations" in notice.body
    assert "/invitation/" not in notice.body
    assert "Manage stations" in client.get(link(session, "new@x.example")).text
    assert len(rows(session)) == 1


def test_beyond_the_days_limit_the_grant_acts_and_the_mail_waits(
    session: Session, place: SimpleNamespace, master: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MOST_A_DAY", 2)
    for number in range(3):
        give(master, place, f"a{number}@x.example")
    assert [row.sent_at is None for row in rows(session)] == [False, False, True]
    assert session.scalar(sa.select(sa.func.count(Grant.id))) == 3
    session.commit()
    assert "1 mail waits" in master.get("/invitations").text
    assert invitations.send_all_waiting(session, TO) == 0
    tomorrow = clock.now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr(clock, "now", lambda: tomorrow)
    assert invitations.send_all_waiting(session, TO) == 1
    session.commit()
    assert len(letters(session, "a2@x.example")) == 1


def test_the_limit_counts_what_was_sent_to_addresses_removed_since(
    session: Session, place: SimpleNamespace, master: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MOST_A_DAY", 2)
    for _ in range(3):
        master.post(f"/user-groups/{place.users.id}/members", data={"emails": "victim@x.example"})
        member = session.scalars(sa.select(UserGroupMember.id).where(UserGroupMember.email == "victim@x.example")).one()
        session.commit()
        master.post(f"/user-groups/members/{member}/remove")
    assert len(letters(session, "victim@x.example")) == 2


def test_the_chore_leaves_alone_what_has_ended(session: Session, place: SimpleNamespace) -> None:
    for revoked_at in (None, clock.now()):
        grant = world.grant(session, place.group, "display", "new@x.example", revoked_at=revoked_at)
        invitations.invite(session, place.master, grant)
    assert invitations.send_all_waiting(session, TO) == 1
    assert [(row.sent_at is None, row.cancelled_at is None) for row in rows(session)] == [(False, True), (True, False)]


def test_nothing_tells_whether_an_address_has_an_account(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    """Pages, list, mail and the statements that were needed are the same; only what differs by itself is taken out."""
    world.account(session, "aaa@x.example", Kind.AUTHORISATION)
    world.account(session, "bbb@x.example", verified=False)
    session.commit()
    told = []
    for email in ("aaa@x.example", "bbb@x.example", "ccc@x.example"):
        with recorded() as statements:
            give(master, place, email)
            master.post(f"/user-groups/{place.users.id}/members", data={"emails": email})
        (of_grant, of_member) = letters(session, email)
        mails = [re.sub(r"/invitation/\S+", "", letter.body) for letter in (of_grant, of_member)]
        told.append(([text for text, _values in statements], mails, of_grant.subject))
    assert told[0] == told[1] == told[2]
    lines = re.findall(r"<tr>.*?</tr>", shown(master.get("/invitations")), re.DOTALL)[1:]
    alike = {re.sub(r"(aaa|bbb|ccc)@x.example|/invitations/\d+/", "", line) for line in lines}
    assert (len(lines), len(alike)) == (6, 2)


def test_what_a_link_did_is_not_told_before_something_is_opened(
    session: Session, place: SimpleNamespace, master: FlaskClient, client: FlaskClient
) -> None:
    give(master, place, "new@x.example")
    master.get("/invitations")  # takes the message that the access is given
    pages = ("/invitations", "/audit", "/audit.csv", "/audit?person=new@x.example")
    before = [shown(master.get(page)) for page in pages]
    form = client.post(link(session, "new@x.example")).location
    client.post(form, data={"name": "New", "password": "a long password", "language": "en"})
    assert [shown(master.get(page)) for page in pages] == before
    assert "Opened the invitation to new@x.example" in client.get("/audit").text


def test_the_list_takes_few_statements(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    for number in range(60):
        grant = world.grant(session, place.group, "display", f"a{number}@x.example")
        invitations.invite(session, place.master, grant)
    session.commit()
    with recorded() as found:
        assert "Page 1 of 2" in master.get("/invitations").text
    assert len(found) <= 12


def test_every_mail_stands_in_the_audit_log_without_its_link(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    give(master, place, "new@x.example")
    token = link(session, "new@x.example").rpartition("/")[2]
    entries = session.scalars(sa.select(audit.AuditEntry).where(audit.AuditEntry.action == "invitation:send")).all()
    assert [(entry.actor_id, entry.detail["email"]) for entry in entries] == [(place.master.id, "new@x.example")]
    assert token not in str([entry.detail for entry in entries])
    assert session.scalar(sa.select(sa.func.count(MailMessage.id))) == 1


@pytest.mark.parametrize("lost", [None, "revoked", "over", "cancelled"])
def test_a_letter_about_what_is_gone_meanwhile_stays_here(
    session: Session, place: SimpleNamespace, master: FlaskClient, lost: str | None
) -> None:
    give(master, place, "new@person.example")
    letter = session.scalars(sa.select(MailMessage).where(MailMessage.recipient == "new@person.example")).one()
    assert may_leave(session, letter)
    grants, past = sa.update(Grant).where(Grant.email == letter.recipient), clock.now() - timedelta(seconds=1)
    if lost == "revoked":
        session.execute(grants.values(revoked_at=past))
    elif lost == "over":
        session.execute(grants.values(ends_at=past))
    elif lost:
        session.execute(sa.update(Invitation).values(cancelled_at=past))
    assert may_leave(session, letter) is (lost is None)


def test_a_letter_about_a_membership_stays_here_without_it(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    master.post(f"/user-groups/{place.users.id}/members", data={"emails": "later@person.example"})
    letter = session.scalars(sa.select(MailMessage).where(MailMessage.recipient == "later@person.example")).one()
    assert may_leave(session, letter)
    session.execute(sa.delete(UserGroupMember))
    assert not may_leave(session, letter)
