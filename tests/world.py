"""Rows for tests, in words. Every function adds, flushes and returns; nothing commits."""

from datetime import timedelta
from itertools import count

from sqlalchemy.orm import Session

from portal.accounts import passwords
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import clock
from portal.licences.models import Kind, Licence
from portal.stations.models import Connector, Grant, Station, StationGroup, StationGroupStation

PASSWORD = "piquet-test-password"
_numbers = count(1)
_hashes: dict[str, str] = {}


def account(session: Session, email: str, *licences: Kind, operator: bool = False, verified: bool = True) -> Account:
    """An account that can log in with PASSWORD and holds these licences since yesterday."""
    if PASSWORD not in _hashes:
        _hashes[PASSWORD] = passwords.hashed(PASSWORD)
    row = Account(
        email=email,
        name=email.partition("@")[0].title(),
        password_hash=_hashes[PASSWORD],
        verified_at=clock.now() if verified else None,
        is_operator=operator,
    )
    session.add(row)
    session.flush()
    for kind in licences:
        licence(session, row, kind)
    return row


def licence(session: Session, to: Account, kind: Kind, *, days: int | None = None) -> Licence:
    """A licence since yesterday, without end or for `days` from now (negative: ended)."""
    now = clock.now()
    ends_at = None if days is None else now + timedelta(days=days)
    row = Licence(
        account_id=to.id, kind=kind, starts_at=now - timedelta(days=9), ends_at=ends_at, activated_by_id=to.id
    )
    session.add(row)
    session.flush()
    return row


def station(session: Session, owner: Account, name: str = "", *groups: StationGroup, connectors: int = 1) -> Station:
    row = Station(owner_id=owner.id, name=name or f"Station {next(_numbers)}")
    row.connectors = [Connector(owner_id=owner.id, number=n + 1, max_power_w=22_000) for n in range(connectors)]
    session.add(row)
    session.flush()
    for group in groups:
        session.add(StationGroupStation(station_group_id=group.id, station_id=row.id, owner_id=owner.id))
    session.flush()
    return row


def station_group(session: Session, owner: Account, name: str = "") -> StationGroup:
    row = StationGroup(owner_id=owner.id, name=name or f"Group {next(_numbers)}")
    session.add(row)
    session.flush()
    return row


def user_group(session: Session, owner: Account, name: str, *emails: str) -> UserGroup:
    row = UserGroup(owner_id=owner.id, name=name, members=[UserGroupMember(email=email) for email in emails])
    session.add(row)
    session.flush()
    return row


def grant(session: Session, group: StationGroup, role: str, to: UserGroup | str, **fields: object) -> Grant:
    """The station group opened to a user group or an address, by its owner."""
    whom = {"email": to} if isinstance(to, str) else {"user_group_id": to.id}
    row = Grant(
        station_group_id=group.id,
        owner_id=group.owner_id,
        role=role,
        granted_by_id=group.owner_id,
        **whom,
        **fields,
    )
    session.add(row)
    session.flush()
    return row
