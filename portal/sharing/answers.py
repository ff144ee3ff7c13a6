"""What the pages about grants share: who may give what, the page that asks before something shrinks, what is told."""

import hashlib
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.accounts.blueprint import reader, site_links
from portal.accounts.login import current_account
from portal.accounts.models import Account
from portal.core import authz, clock, forms, letters, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.web import limiter
from portal.sharing import invitations, operations, queries, reminders
from portal.sharing.operations import Done
from portal.sharing.shrinking import GIVE
from portal.sharing.terms import first_day, last_day
from portal.stations import queries as stations
from portal.stations.models import Grant, Permission, StationGroup

# Each grant to an address, and each change of one, sends a letter to somebody who has not asked for it.
letters_limit = limiter.shared_limit("120 per hour; 300 per day", "grants", key_func=reader, methods=["POST"])

ONCE = ("csrf_token", "agreed")  # what a page that asks does not send along as it came


def roles(session: Session, group: StationGroup) -> list[Permission]:
    """The permissions that the reader may give on the group."""
    allowed = authz.actions(stations.held_on(session, current_user.id, group.id))
    return [role for role, act in GIVE.items() if act in allowed]


def roles_on_all(session: Session, station_group_ids: Iterable[int]) -> list[Permission]:
    """The permissions that the reader may give on every one of these groups."""
    ids = set(station_group_ids)
    held = authz.standings(session, current_user.id, ids)
    allowed = [authz.actions([one for one in held if one.station_group_id == row_id]) for row_id in ids]
    return [role for role, act in GIVE.items() if all(act in actions for actions in allowed)]


def reason(broken: RuleBroken) -> str:
    """Why nothing was done, with the recipient where the rule is about one of several."""
    if isinstance(broken, operations.RefusedFor):
        who = queries.recipient(db.session(), broken.grant)
        return str(gettext("%(who)s: %(reason)s", who=who, reason=forms.words(broken)))
    return forms.words(broken)


def proposed_end(owner: Account, own_end: datetime | None) -> date | None:
    """The last day that a form proposes: after the owner's usual duration, else his maximum, within the giver's own."""
    days = owner.grant_default_days or owner.grant_most_days
    ends = [first_day(clock.now(), web.zone()) + timedelta(days=days)] if days else []
    if own_end is not None and ends:
        ends.append(last_day(own_end, web.zone()))
    return min(ends, default=None)


def agreed(done: Done) -> bool:
    """Whether the reader has seen just these consequences and agreed."""
    return request.form.get("agreed") == _fingerprint(done)


def ask(session: Session, group: StationGroup | None, done: Done, action: str, back: str = "") -> str:
    """The page that lists what a change would do, with a button that sends the same again; nothing is changed yet.
    Without a group each grant is told with its own, and `back` is where the reader comes from."""
    page = render_template(
        "sharing/consequences.html",
        group=group,
        names={} if group else queries.group_names(session, [row.grant_id for row in done.all]),
        done=done,
        action=action,
        entries=[(name, text) for name, text in request.form.items(multi=True) if name not in ONCE],
        fingerprint=_fingerprint(done),
        back=url_for("sharing.list_grants", station_group_id=group.id) if group else back,
    )
    session.rollback()
    return page


def say_revoked(session: Session, group: StationGroup, ended: int) -> Response:
    """To the list, or out of it for who has ended his own permission."""
    flash(ngettext("%(num)s authorisation has ended.", "%(num)s authorisations have ended.", ended), "success")
    if authz.may(session, current_user.id, "grant:view", [group.id]):
        return redirect(url_for("sharing.list_grants", station_group_id=group.id))
    return redirect(url_for("sharing.shared_with_me"))


def tell(session: Session) -> None:
    """Send the mails about what the reader has just given or changed; says so when some go on waiting."""
    waiting = invitations.send_waiting(session, site_links(), current_user.id)
    if waiting:
        text = ngettext(
            "%(num)s mail waits, for at most %(most)s leave in 24 hours. The access acts without it.",
            "%(num)s mails wait, for at most %(most)s leave in 24 hours. The access acts without them.",
            waiting,
            most=invitations.MOST_A_DAY,
        )
        flash(text, "info")


def tell_extended(session: Session, grant: Grant) -> None:
    """A mail to everybody who holds the grant: it lasts longer now."""
    if grant.ends_at is None:
        return
    page = reminders.address_of(site_links(), "shared_with_me")
    for email, language, time_zone in reminders.holders(session, grant):
        day = reminders.written_day(grant.ends_at, language, time_zone)
        letters.post(session, email, language, "grant_extended", giver=current_account().email, last_day=day, page=page)


def _fingerprint(done: Done) -> str:
    # Without the start: what begins at once begins later when it is sent again.
    terms = [(row.grant_id, row.after and (row.after.role, *row.after[2:]), row.stations) for row in done.all]
    return hashlib.sha256(repr(terms).encode()).hexdigest()[:16]
