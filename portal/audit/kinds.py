"""The kinds of audit entries that a reader can choose among, by the beginnings of their actions."""

from typing import Any, NamedTuple

import sqlalchemy as sa
from flask_babel import lazy_gettext as _l

from portal.core.audit import AuditEntry


class Kind(NamedTuple):
    """A choice of the filter. `beginnings` of actions, or with `endings` those that end so."""

    label: Any
    beginnings: tuple[str, ...]
    endings: tuple[str, ...] = ()


def _of(*resources: str) -> tuple[str, ...]:
    return tuple(f"{resource}{mark}" for resource in resources for mark in ":.")


KINDS = {
    "sharing": Kind(_l("Sharing"), _of("grant", "invitation", "access", "review")),
    "user_groups": Kind(_l("User groups"), _of("user_group", "membership")),
    "cards": Kind(_l("Cards"), _of("card")),
    "transfers": Kind(_l("Transfers"), _of("transfer")),
    "log_ins": Kind(_l("Log-ins"), ("account:log_", "account:wrong_password", "account:end_sessions")),
    "refused": Kind(_l("Refused actions"), ("access:refused",), ("_refused",)),
    "account": Kind(_l("Accounts"), _of("account")),
    "licences": Kind(_l("Licences"), _of("licence", "licence_request")),
    "stations": Kind(
        _l("Stations and groups"), _of("station", "connector", "station_group", "special_user", "price_rule")
    ),
    "maintenance": Kind(_l("Maintenance"), _of("maintenance")),
    "sessions": Kind(_l("Sessions and drivers"), _of("session", "import", "mapping", "flagged_row", "driver")),
    "reports": Kind(_l("Reports"), _of("report", "report_schedule")),
    "exports": Kind(_l("Exports"), _of("destination", "formatter", "task", "run", "export", "vault")),
}


def condition(name: str) -> sa.ColumnElement[bool]:
    """The entries of a kind of KINDS."""
    kind = KINDS[name]
    begin = [AuditEntry.action.startswith(text, autoescape=True) for text in kind.beginnings]
    end = [AuditEntry.action.endswith(text, autoescape=True) for text in kind.endings]
    return sa.or_(*begin, *end)
