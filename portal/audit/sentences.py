"""What an audit entry tells, as a sentence in the reader's language. What is not known here is shown as it was
written: an entry is never left out."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from portal.audit import values
from portal.audit.names import Names
from portal.core import display
from portal.core.audit import AuditEntry, differences
from portal.licences.words import WORDS as LICENCES
from portal.stations.labels import PERMISSIONS

LONGEST = 300

# Every placeholder is filled by `_parts`; what an entry does not hold reads "–".
SENTENCES: Mapping[str, Any] = {
    "access:refused": _l("Was refused “%(refused)s” at %(thing)s"),
    "account:appoint_operator": _l("Became an operator"),
    "account:ask_email_change": _l("Asked for another address: %(new_email)s"),
    "account:ask_reset": _l("A link to set a new password was asked for"),
    "account:change_costs": _l("Changed currency and rounding of costs"),
    "account:change_durations": _l("Changed for how long access is given"),
    "account:change_email": _l("Changed the address from %(old_email)s to %(new_email)s"),
    "account:change_password": _l("Changed the password"),
    "account:change_profile": _l("Changed the profile"),
    "account:end_sessions": _l("Logged out all devices"),
    "account:log_in": _l("Logged in"),
    "account:log_in_failed": _l("A log-in as %(email)s failed"),
    "account:log_out": _l("Logged out"),
    "account:register": _l("Registered"),
    "account:reset_password": _l("Set a new password by a link"),
    "account:verify": _l("Confirmed the address"),
    "account:wrong_password": _l("Typed a wrong present password"),
    "card:add": _l("Registered the card %(thing)s"),
    "card:block": _l("Blocked the card %(thing)s"),
    "card:delete": _l("Deleted the card %(thing)s"),
    "card:replace": _l("Replaced the card %(thing)s by %(by)s"),
    "card:unblock": _l("Unblocked the card %(thing)s"),
    "connector:add": _l("Added connector %(number)s to the station %(station)s"),
    "connector:edit": _l("Changed the connector %(thing)s"),
    "connector:edit_refused": _l("Was refused to change fields of the connector %(thing)s: %(fields)s"),
    "connector:remove": _l("Removed connector %(number)s of the station %(station)s"),
    "destination.certificate_confirmed": _l("Confirmed the certificate %(fingerprint)s of the destination %(thing)s"),
    "destination.changed": _l("Changed the destination %(thing)s"),
    "destination.created": _l("Added the destination %(thing)s"),
    "destination.deleted": _l("Deleted the destination %(thing)s"),
    "destination.host_key_confirmed": _l("Confirmed the host key %(fingerprint)s of the destination %(thing)s"),
    "destination.lent": _l("Lent the destination %(thing)s to %(email)s"),
    "destination.peer_changed": _l("The server of the destination %(thing)s showed another key: %(fingerprint)s"),
    "destination.secret_set": _l("Set the password or key of the destination %(thing)s"),
    "destination.taken_back": _l("Took the destination %(thing)s back from %(email)s"),
    "driver:add": _l("Added the driver %(thing)s"),
    "driver:assign_card": _l("Assigned %(sessions)s sessions of the card %(card)s to the driver %(thing)s"),
    "driver:edit": _l("Changed the driver %(thing)s"),
    "driver:take_card_back": _l("Took %(sessions)s sessions of the card %(card)s back from the driver %(thing)s"),
    "export.digest_chosen": _l("Chose when the digest of exports is sent"),
    "export.webhook_removed": _l("Removed the webhook of exports"),
    "export.webhook_secret_renewed": _l("Made another secret for the webhook of exports"),
    "export.webhook_set": _l("Set the webhook of exports"),
    "flagged_row:dismiss": _l("Dismissed flagged rows"),
    "flagged_row:reopen": _l("Reopened flagged rows"),
    "formatter.changed": _l("Changed the formatter %(thing)s"),
    "formatter.created": _l("Added the formatter %(thing)s"),
    "formatter.deleted": _l("Deleted the formatter %(thing)s"),
    "formatter.lent": _l("Lent the formatter %(thing)s to %(email)s"),
    "formatter.taken_back": _l("Took the formatter %(thing)s back from %(email)s"),
    "grant:change": _l("Changed an authorisation of %(whom)s on %(thing)s"),
    "grant:confirm_need": _l("Still needs %(role)s on %(thing)s"),
    "grant:extend": _l("Extended %(role)s of %(whom)s on %(thing)s"),
    "grant:give_administrate": _l("Gave %(role)s on %(thing)s to %(whom)s"),
    "grant:give_back": _l("Gave back %(role)s on %(thing)s"),
    "grant:give_display": _l("Gave %(role)s on %(thing)s to %(whom)s"),
    "grant:give_manage": _l("Gave %(role)s on %(thing)s to %(whom)s"),
    "grant:review": _l("Confirmed %(role)s of %(whom)s on %(thing)s"),
    "grant:revoke": _l("Revoked %(role)s of %(whom)s on %(thing)s"),
    "import:delete": _l("Deleted the import of %(file)s"),
    "invitation:cancel": _l("Cancelled the invitation of %(email)s"),
    "invitation:open": _l("Opened the invitation to %(email)s"),
    "invitation:resend": _l("Invited %(email)s again"),
    "invitation:send": _l("Invited %(email)s"),
    "licence:activate": _l("Activated the licence %(licence)s, %(days)s"),
    "licence:end": _l("Ended the licence %(licence)s, %(days)s"),
    "licence:request": _l("Requested the licence %(licence)s"),
    "licence_request.declined": _l("Declined the request for the licence %(licence)s: %(reason)s"),
    "licence_request.operators_told": _l("New licence requests of which the operators were told: %(count)s"),
    "licence_request.withdrawn": _l("Withdrew the request for the licence %(licence)s"),
    "maintenance:add_recipient": _l("Entered %(whom)s to receive the maintenance of %(thing)s"),
    "maintenance:cancel": _l("Called off planned work at %(thing)s"),
    "maintenance:finish": _l("Marked planned work at %(thing)s as done by %(who)s"),
    "maintenance:move": _l("Changed planned work at %(thing)s"),
    "maintenance:note": _l("Kept a note on %(thing)s"),
    "maintenance:plan": _l("Planned work at %(thing)s"),
    "maintenance:remove_recipient": _l("Let %(whom)s no longer receive the maintenance of %(thing)s"),
    "price_rule:add": _l("Added a price rule of the user group %(thing)s"),
    "price_rule:change": _l("Changed a price rule of the user group %(thing)s"),
    "price_rule:remove": _l("Removed a price rule of the user group %(thing)s"),
    "report:create": _l("Ordered the report %(title)s, %(days)s"),
    "report:delete": _l("Deleted the report %(title)s"),
    "account:change_payments": _l("Changed to whom and to which account is paid"),
    "driver:change_address": _l("Changed the address of the driver %(label)s"),
    "report_schedule:create": _l("Set up the monthly report %(title)s"),
    "report_schedule:edit": _l("Changed the monthly report %(title)s"),
    "report_schedule:stop": _l("Ended the monthly report %(title)s"),
    "run.confirmed": _l("Let the correction %(revision)s of the export %(thing)s be sent, period from %(period)s"),
    "run.exported_again": _l("Exported %(thing)s anew, period from %(period)s"),
    "run.retried": _l("Tried the export %(thing)s again, period from %(period)s"),
    "run.sent_again": _l("Sent the export %(thing)s again, period from %(period)s"),
    "run.set_aside": _l("Set the correction %(revision)s of the export %(thing)s aside, period from %(period)s"),
    "session:correct": _l("Corrected row %(line)s of an import"),
    "session:import": _l("Imported charging sessions from %(file)s"),
    "session:recalculate": _l("Calculated the costs of %(sessions)s sessions anew; %(different)s are different"),
    "session:replace": _l("Replaced a charging session"),
    "special_user:add": _l("Made %(whom)s a special user at %(thing)s"),
    "special_user:ask": _l("Asked to be a special user at %(thing)s"),
    "special_user:change": _l("Changed the special user %(whom)s at %(thing)s"),
    "special_user:decline": _l("Declined that %(email)s is a special user at %(thing)s"),
    "special_user:remove": _l("Removed the special user %(whom)s at %(thing)s"),
    "station:create": _l("Added the station %(thing)s"),
    "station:delete": _l("Deleted the station %(thing)s"),
    "station:edit": _l("Changed the station %(thing)s"),
    "station:edit_refused": _l("Was refused to change fields of the station %(thing)s: %(fields)s"),
    "station_group:add_station": _l("Added %(count)s stations to the group %(thing)s"),
    "station_group:create": _l("Added the station group %(thing)s"),
    "station_group:delete": _l("Deleted the station group %(thing)s"),
    "station_group:edit": _l("Changed the station group %(thing)s"),
    "station_group:remove_station": _l("Removed the station %(name)s from the group %(group)s"),
    "task.changed": _l("Changed the export %(thing)s"),
    "task.created": _l("Added the export %(thing)s"),
    "task.deleted": _l("Deleted the export %(thing)s"),
    "task.paused": _l("Paused the export %(thing)s"),
    "task.resumed": _l("Resumed the export %(thing)s"),
    "task.run": _l("Started the export %(thing)s"),
    "transfer:accept": _l("Took over %(thing)s, which was offered to %(to)s"),
    "transfer:decline": _l("Declined to take over %(thing)s"),
    "transfer:offer": _l("Offered %(thing)s to %(to)s"),
    "transfer:withdraw": _l("Withdrew the offer of %(thing)s to %(to)s"),
    "user_group:add_member": _l("Added %(email)s to the user group %(thing)s"),
    "user_group:create": _l("Added the user group %(thing)s"),
    "user_group:delete": _l("Deleted the user group %(thing)s"),
    "user_group:edit": _l("Renamed the user group %(before)s to %(name)s"),
    "user_group:leave": _l("Left the user group %(thing)s"),
    "user_group:remove_member": _l("Removed %(email)s from the user group %(thing)s"),
    "vault.rotated": _l("Sealed the secrets of all destinations under the newest key"),
}
UNTIL = ("grant:give_administrate", "grant:give_display", "grant:give_manage", "grant:extend")


class Change(NamedTuple):
    """A field with its value before and after, as the reader writes them."""

    label: str
    before: str
    after: str


class Told(NamedTuple):
    """An entry in words; `person` is the address of who did it, empty for nobody in particular."""

    entry: AuditEntry
    person: str
    owner: str
    sentence: str
    changes: list[Change]


def told(entry: AuditEntry, names: Names) -> Told:
    """The entry in the reader's language."""
    person = names.people.get(entry.actor_id or 0, "")
    if not person and entry.actor_id:
        person = gettext("account %(id)s", id=entry.actor_id)
    owner = names.people.get(entry.owner_id or 0, "")
    return Told(entry, person, owner, _sentence(entry, names), _changes(entry))


def _sentence(entry: AuditEntry, names: Names) -> str:
    template = SENTENCES.get(entry.action)
    if template is None:
        return f"{entry.action} {entry.subject} {_raw(entry.detail)}"
    sentence = str(template) % _parts(entry, names)
    until = entry.detail.get("until")
    if until and entry.action in UNTIL:
        return str(gettext("%(what)s until %(day)s", what=sentence, day=_last_day(until)))
    return sentence


def _parts(entry: AuditEntry, names: Names) -> defaultdict[str, str]:
    detail = entry.detail
    parts = defaultdict(lambda: "–", {name: values.plain(value) for name, value in detail.items()})
    group = names.thing(entry, f"user_group/{detail.get('user_group')}")
    parts["thing"] = _thing(entry, names)
    parts["group"] = names.thing(entry) or entry.subject.replace("/", " ")
    parts["whom"] = detail.get("email") or group or gettext("a user group")
    parts["role"] = str(PERMISSIONS.get(detail.get("role", ""), detail.get("role", "–")))
    kind = detail.get("kind", "")
    parts["licence"] = str(LICENCES[kind].name) if kind in LICENCES else str(kind)
    parts["days"] = _days(detail)
    if isinstance(detail.get("stations"), list):
        parts["count"] = display.number(len(detail["stations"]))
    return parts


def _thing(entry: AuditEntry, names: Names) -> str:
    """What it is called today; else as it was called, else by its id; a page of the platform by its path."""
    account = entry.subject.removeprefix("account/")
    if entry.subject.startswith("account/") and account.isdigit():
        return names.people.get(int(account), entry.subject)
    called = entry.detail.get("name") or entry.subject.replace("/", " ") or entry.detail.get("path", "")
    return names.thing(entry) or values.plain(called)


def _days(detail: Mapping[str, Any]) -> str:
    first, last = detail.get("first_day"), detail.get("last_day")
    if first and last:
        return str(gettext("%(first)s to %(last)s", first=values.day(first), last=values.day(last)))
    if first:
        return str(gettext("from %(day)s on", day=values.day(first)))
    return str(gettext("until %(day)s", day=values.day(last)) if last else gettext("at once"))


def _last_day(instant: str) -> str:
    try:
        return display.local_date(datetime.fromisoformat(instant) - timedelta(microseconds=1))
    except ValueError:
        return instant


def _changes(entry: AuditEntry) -> list[Change]:
    detail = entry.detail
    changed = detail.get("changed")
    if changed is None and isinstance(detail.get("before"), dict) and isinstance(detail.get("after"), dict):
        changed = differences(detail["before"], detail["after"])
    if not isinstance(changed, dict):
        return []
    return [
        Change(values.label(name), *(values.shown(name, value) for value in pair))
        for name, pair in changed.items()
        if isinstance(pair, list) and len(pair) == 2
    ]


def _raw(detail: Mapping[str, Any]) -> str:
    return json.dumps(detail, ensure_ascii=False, sort_keys=True)[:LONGEST] if detail else ""
