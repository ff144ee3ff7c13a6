"""Every page of the live URL map, with example ids from the demo's database."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from flask import Flask
from werkzeug.routing import Rule

from portal.core.authz import ALLOWED

# URL argument -> a row of the demo that exists, seen by its owner or the operator.
EXAMPLES = {
    "account_id": "SELECT id FROM account WHERE email = 'manage@demo.example'",
    "card_id": "SELECT min(id) FROM card",
    "charging_session_id": "SELECT max(session.id) FROM charging_session session JOIN account ON account.id = owner_id "
    "WHERE email = 'master@demo.example'",
    "connector_id": "SELECT connector.id FROM connector JOIN station ON station.id = station_id WHERE name = 'Bl2-1'",
    "destination_id": "SELECT min(id) FROM destination",
    "driver_card_id": "SELECT min(id) FROM driver_card",
    "driver_id": "SELECT id FROM driver WHERE label = 'Bl2-5'",
    "formatter_id": "SELECT min(id) FROM formatter",
    "grant_id": "SELECT min(id) FROM station_group_grant WHERE ends_at > '2000' AND email IS NOT NULL",
    "invitation_id": "SELECT min(id) FROM invitation",
    "licence_id": "SELECT min(id) FROM licence WHERE account_id <> (SELECT id FROM account WHERE is_operator)",
    "maintenance_entry_id": "SELECT min(id) FROM maintenance_entry WHERE starts_at > '2000' AND done_at IS NULL",
    "maintenance_recipient_id": "SELECT min(id) FROM maintenance_recipient",
    "member_id": "SELECT min(id) FROM user_group_member",
    "membership_id": "SELECT min(id) FROM user_group_member WHERE email = 'master@demo.example'",
    "message_id": "SELECT min(id) FROM mail_message",
    "own_grant_id": "SELECT min(id) FROM station_group_grant WHERE email = 'master@demo.example'",
    "position": "SELECT min(position) FROM export_file",
    "report_file_id": "SELECT min(id) FROM report_file",
    "report_schedule_id": "SELECT min(id) FROM report_schedule",
    "report_id": "SELECT min(id) FROM report",
    "price_rule_id": "SELECT min(id) FROM price_rule",
    "row_id": "SELECT min(id) FROM flagged_row",
    "run_id": "SELECT min(id) FROM export_run WHERE state = 'delivered'",
    "session_import_id": "SELECT min(id) FROM session_import",
    "special_user_id": "SELECT min(id) FROM special_user",
    "station_group_id": "SELECT id FROM station_group WHERE name = 'Bl2'",
    "station_id": "SELECT id FROM station WHERE name = 'Bl2-1'",
    "task_id": "SELECT min(id) FROM export_task",
    "transfer_id": "SELECT min(id) FROM transfer",
    "user_group_id": "SELECT min(id) FROM user_group",
}

# Pages that lead away when nothing was ticked: the name of the tick boxes, and rows of the demo that are ticked.
GRANT_ON_BL2 = "SELECT min(id) FROM station_group_grant WHERE email = 'display@demo.example'"
REQUEST = "SELECT min(id) FROM licence_request WHERE decided_at IS NULL"
TICKED = {
    "chosen_grants.change": ("grant", GRANT_ON_BL2),
    "chosen_grants.revoke": ("grant", GRANT_ON_BL2),
    "licence_requests.approve": ("request", REQUEST),
    "licence_requests.decline": ("request", REQUEST),
    "station_changes.choose": ("station", "SELECT id FROM station WHERE name = 'Bl2-1'"),
}

# Pages that answer only when they are asked about an address: what is asked of each.
ASKED = {
    "access.person": ("email=manage@demo.example", "email=master@demo.example"),
    "access.view_as_group": ("email=manage@demo.example", "email=master@demo.example", "email=stranger@demo.example"),
    "access.view_as_station": ("email=manage@demo.example", "email=stranger@demo.example"),
    "who_may_charge.show": (
        "email=neighbour@demo.example&at=2026-03-25T23:00",
        "email=neighbour&at=2026-03-25T12:00",
    ),
    "charging.view_as": ("email=manage@demo.example",),
    "drivers.assign_card": ("card=046F218A",),
    "exports.view_as": ("email=manage@demo.example",),
    "station_map.show": ("canton=TI", "where=unplaced", "where=outside", "q=nowhere"),
    "view_as.connector": ("email=manage@demo.example", "email=stranger@demo.example"),
    "view_as.list_groups": ("email=manage@demo.example", "email=stranger@demo.example"),
    "view_as.list_stations": ("email=manage@demo.example",),
    "access.why_group": (
        "email=manage@demo.example",
        "email=display@demo.example&action=export:create",
        "email=master@demo.example&action=export:create",
        "email=stranger@demo.example",
    ),
    "access.why_station": ("email=manage@demo.example&action=export:create", "email=display@demo.example"),
}

NO_PAGES = (
    "static",
    "reports.download",
    "stations.image",
    "exports.missing_quarters",
)  # the last: a file of runs that lack something


def pages(app: Flask, database: Path) -> Iterator[tuple[str, str]]:
    """(who, path) of every GET page: the operator for his, nobody for the public ones, the master for the rest.
    Pages behind a one-time link have their own tests; LookupError for an argument without an example."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    ids = {name: connection.execute(query).fetchone()[0] for name, query in EXAMPLES.items()}
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint in NO_PAGES or "token" in rule.arguments:
            continue
        missing = [argument for argument in rule.arguments if argument not in ids]
        if missing:
            raise LookupError(f"{rule.rule} has an argument without an example: {missing}")
        wanted = {argument: ids[argument] for argument in rule.arguments}
        if None not in wanted.values():
            name, ticked = TICKED.get(rule.endpoint, ("", ""))
            query = f"?{name}={connection.execute(ticked).fetchone()[0]}" if ticked else ""
            yield _who(app, rule), _path(app, rule, wanted) + query
            for asked in ASKED.get(rule.endpoint, ()):
                yield _who(app, rule), f"{_path(app, rule, wanted)}?{asked}"


def _who(app: Flask, rule: Rule) -> str:
    action = app.view_functions[rule.endpoint].action  # type: ignore[attr-defined]  # every view carries its action
    if action == "public":
        return "nobody"
    return "operator" if ("operator", "inactive", action) in ALLOWED else "master"


def _path(app: Flask, rule: Rule, values: dict[str, int]) -> str:
    return app.url_map.bind("localhost").build(rule.endpoint, values)


def wait_for_a_delivery(database: Path, seconds: float = 60) -> None:
    """Until the demo's scheduler has delivered something, so that there is a run to look at."""
    limit = time.monotonic() + seconds
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        while not connection.execute("SELECT 1 FROM export_run WHERE state = 'delivered'").fetchone():
            if time.monotonic() > limit:
                raise TimeoutError("the demo has delivered nothing")
            time.sleep(0.1)
