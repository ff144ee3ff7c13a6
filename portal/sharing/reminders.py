"""The mail before the end of a grant, to who gave it and to who holds it: a chore of the scheduler, without Flask."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from babel.dates import format_date
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import authz, clock, letters, mail
from portal.sharing.terms import BEFORE_LONG, BEFORE_SHORT, LONG, last_day
from portal.stations.models import Grant, StationGroup

SHORTEST = timedelta(days=2)  # who gives for a day or two knows
AT_ONCE = 200


def remind_of_ends(session: Session, links: Links) -> int:
    """Announce every grant that ends within a week, or within a day where it was given for less than two weeks; once
    for each end. Says how many were announced. Another scheduler at work passes by what this one holds."""
    grants = _due(session)
    for grant in grants:
        grant.reminded_at = clock.now()
        _announce(session, links, grant)
    return len(grants)


def address_of(links: Links, page: str, **ids: int) -> str:
    """The address of one of these pages, for mails that no request writes."""
    paths = {"extend": "/grants/%(grant)s/extend", "shared_with_me": "/shared-with-me"}
    return links.page(paths[page] % ids)


def written_day(ends_at: datetime, language: str, time_zone: str) -> str:
    """The last day of a grant, as it is written in a mail."""
    day: date = last_day(ends_at, ZoneInfo(time_zone))
    return str(format_date(day, "long", locale=f"{language}_CH"))


def holders(session: Session, grant: Grant) -> Sequence[tuple[str, str, str]]:
    """Address, language and time zone of everybody whom the grant is given to; those of the owner where the address
    has no account."""
    owner = session.get_one(Account, grant.owner_id)
    if grant.user_group_id is None:
        who = sa.select(sa.literal(grant.email).label("email")).subquery()
    else:
        inside = sa.select(UserGroupMember.email).where(UserGroupMember.user_group_id == grant.user_group_id)
        who = inside.subquery()
    rows = session.execute(
        sa.select(
            who.c.email,
            sa.func.coalesce(Account.language, owner.language),
            sa.func.coalesce(Account.time_zone, owner.time_zone),
        ).outerjoin(Account, Account.email == who.c.email)
    )
    return [(email, language, time_zone) for email, language, time_zone in rows]


def _due(session: Session) -> Sequence[Grant]:
    now = clock.now()
    lasts_long = _lasts(session, LONG)
    due = (
        sa.select(Grant)
        .where(Grant.reminded_at.is_(None), Grant.revoked_at.is_(None))
        .where(Grant.ends_at > now, Grant.ends_at <= now + BEFORE_LONG, Grant.starts_at <= now)
        .where(_lasts(session, SHORTEST), sa.or_(lasts_long, Grant.ends_at <= now + BEFORE_SHORT))
        .order_by(Grant.ends_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(due).all()


def _lasts(session: Session, least: timedelta) -> sa.ColumnElement[bool]:
    """The condition that a grant was given for so long at least."""
    if session.get_bind().dialect.name == "sqlite":
        days = sa.func.julianday(Grant.ends_at) - sa.func.julianday(Grant.starts_at)
        return days >= least.total_seconds() / 86400
    return Grant.ends_at - Grant.starts_at >= sa.literal(least, sa.Interval)


def _announce(session: Session, links: Links, grant: Grant) -> None:
    if grant.ends_at is None:
        return
    name = session.get_one(StationGroup, grant.station_group_id).name
    who = grant.email or session.get_one(UserGroup, grant.user_group_id).name
    keeper = session.get_one(Account, grant.granted_by_id)
    if not authz.may(session, keeper.id, "grant:extend", [grant.station_group_id]):
        keeper = session.get_one(Account, grant.owner_id)
    letter = letters.post(
        session,
        keeper.email,
        keeper.language,
        "grant_ends_soon",
        who=who,
        station_group=name,
        last_day=written_day(grant.ends_at, keeper.language, keeper.time_zone),
        page=address_of(links, "extend", grant=grant.id),
    )
    mail.judge_at_sending(letter, "grant_giver", [grant.id])
    for email, language, time_zone in holders(session, grant):
        letter = letters.post(
            session,
            email,
            language,
            "own_grant_ends_soon",
            giver=keeper.email,
            last_day=written_day(grant.ends_at, language, time_zone),
            page=address_of(links, "shared_with_me"),
        )
        mail.judge_at_sending(letter, "grant_holder", [grant.id])


def may_extend(session: Session, recipient: str, grant_ids: Sequence[int]) -> bool:
    """Whether the grant ends as was announced, and whoever has this address may extend it: judges the mail to him."""
    account = session.scalar(sa.select(Account).where(Account.email == recipient))
    grants = _announced(session, grant_ids)
    return account is not None and all(
        grant is not None and authz.may(session, account.id, "grant:extend", [grant.station_group_id])
        for grant in grants
    )


def still_holds(session: Session, recipient: str, grant_ids: Sequence[int]) -> bool:
    """Whether the grant ends as was announced, and is given to this address: judges the mail to it."""
    return all(
        grant is not None and recipient in {email for email, *_ in holders(session, grant)}
        for grant in _announced(session, grant_ids)
    )


def _announced(session: Session, grant_ids: Sequence[int]) -> Sequence[Grant | None]:
    """These grants as they stand; none for one that is revoked or over, or whose end was moved."""
    live = (Grant.revoked_at.is_(None), Grant.reminded_at.is_not(None), Grant.ends_at > clock.now())
    rows = session.scalars(sa.select(Grant).where(Grant.id.in_(grant_ids), *live))
    found = {row.id: row for row in rows}
    return [found.get(row_id) for row_id in grant_ids]
