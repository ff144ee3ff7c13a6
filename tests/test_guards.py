"""Every address of the live application is guarded: nothing is open by oversight, an id tells a stranger nothing."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from portal.access import price_rules, special_users
from portal.access.models import Card, SpecialUserRequest
from portal.access.offers import Offer
from portal.access.prices import Price
from portal.accounts.models import Account
from portal.charging.date_text import DateOrder
from portal.charging.mapping import Mapping
from portal.charging.models import ChargingSession, Driver, DriverCard, FlaggedRow, ImportMapping, SessionImport
from portal.charging.table_shape import TableShape
from portal.core import authz, files, mail
from portal.core.db import Base
from portal.delivery.models import Destination, DestinationLoan
from portal.exports.models import ExportFile, ExportGap, ExportRun, ExportTask, Formatter, FormatterLoan, WebhookMessage
from portal.licences.models import Kind
from portal.maintenance.models import MaintenanceEntry, MaintenanceRecipient
from portal.reports.models import Report, ReportFile, ReportSchedule
from portal.sharing.models import Invitation, Transfer
from portal.stations.models import Connector, StationGroup
from tests import world
from tests.core import small_world
from tests.statements import recorded

# What anybody may open, and why.
PUBLIC = {
    "accounts.ask_reset": "who forgot his password cannot log in",
    "accounts.confirm_email": "reached by a link in a mail",
    "accounts.log_in": "the door itself",
    "accounts.register": "opens an account",
    "accounts.reset": "reached by a link in a mail",
    "accounts.send_again": "sends the link for an address that is not verified yet",
    "accounts.set_language": "a choice of this browser",
    "accounts.set_up": "reached by a link in a mail",
    "accounts.verify": "reached by a link in a mail",
    "invitations.register": "reached by a link in a mail",
    "invitations.show": "reached by a link in a mail",
    "invitations.use": "reached by a link in a mail",
    "core.health": "asked by the machine that watches the service",
    "core.set_theme": "a choice of this browser",
}
# What the examples leave empty: a station without image, an import whose file was never read.
NOTHING_TO_SHOW = ("stations.image", "imports.")
COLUMNS = ("Station", "Start", "End", "kWh")
SHAPE = TableShape("csv", "utf-8", ";", '"', ".", header=True, columns=COLUMNS, first_line=1).to_json()
MAPPING = Mapping(
    COLUMNS, station=0, start=1, end=2, energy=3, date_order=DateOrder.ISO, time_zone="Europe/Zurich"
).to_json()
Ids = dict[str, int | str]
TOKEN = re.compile(r"[\w-]{20,}\.[\w-]{6}\.[\w-]{20,}")  # of a form, made anew with every answer
MISSING = 1_000_003
BEYOND = 2**63


class Address(NamedTuple):
    method: str
    rule: Rule

    def __str__(self) -> str:
        return f"{self.method} {self.rule.rule}"

    def url(self, ids: Ids) -> str:
        """The address with these ids; KeyError for an argument without example."""
        url = self.rule.build({name: ids[name] for name in self.rule.arguments}, append_unknown=False)
        assert url is not None
        return url[1]


def addresses(app: Flask, *, guarded: bool = True, with_ids: bool | None = None) -> Iterator[Address]:
    """Every method of every rule: the guarded ones or all but static files; with or without ids in them."""
    for rule in app.url_map.iter_rules():
        public = getattr(app.view_functions[rule.endpoint], "action", None) == "public"
        if rule.endpoint == "static" or (guarded and public):
            continue
        if with_ids is not None and bool(rule.arguments) != with_ids:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Address(method, rule)


class Answer(NamedTuple):
    """All that an answer says but what is made anew for each, and the address that was asked for."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...]
    length: int  # as its head says


def answer_to(browser: FlaskClient, address: Address, ids: Ids) -> Answer:
    """To compare: the answer about one id with that about another is the same, byte for byte, or tells them apart."""
    url = address.url(ids)
    answer = browser.open(url, method=address.method)
    headers = tuple(line for line in answer.headers if line[0] != "Content-Length")
    length = (answer.content_length or 0) - answer.text.count(url) * len(url)
    return Answer(answer.status_code, TOKEN.sub("", answer.text.replace(url, "")), headers, length)


def examples(session: Session, owner: Account) -> Ids:
    """An existing row of the owner for every argument of every address. A new argument needs a line here."""

    def added(row: Base) -> int:
        session.add(row)
        session.flush()
        return row.id  # type: ignore[attr-defined,no-any-return]  # every table here has one

    now, day = datetime.now(UTC), date(2026, 11, 1)
    group = world.station_group(session, owner)
    users = world.user_group(session, owner, "Piquet", "piquet@x.example", owner.email)
    station = world.station(session, owner, "Station", group)
    connector: Connector = station.connectors[0]
    grant = world.grant(session, group, "manage", users)
    licence = world.licence(session, owner, Kind.REPORTS)
    file = files.keep(session, "sessions.csv", [b"Station;Start;End;kWh\n"])
    driver = Driver(owner_id=owner.id, label="Driver", email="driver@x.example")
    imported = SessionImport(
        owner_id=owner.id,
        account_id=owner.id,
        file_id=file.id,
        file_name="a.csv",
        shape=SHAPE,
        mapping=MAPPING,
        state="done",
    )
    import_id, driver_id = added(imported), added(driver)
    charged = ChargingSession(
        owner_id=owner.id,
        connector_id=connector.id,
        driver_id=driver_id,
        started_at=now,
        ended_at=now,
        energy_wh=1000,
        source="file",
        external_id="1",
        import_id=import_id,
    )
    flagged = FlaggedRow(
        owner_id=owner.id,
        import_id=import_id,
        line=2,
        source="file",
        external_id="2",
        cells=["", "", "", ""],
        problems=[],
    )
    destination_id = added(
        Destination(owner_id=owner.id, name="Utility", host="sftp.example", username="piquet", login="password")
    )
    formatter_id = added(
        Formatter(owner_id=owner.id, name="Format", format="esl_xml", identifier="metering_code", settings={})
    )
    task_id = added(
        ExportTask(
            owner_id=owner.id,
            name="Task",
            scope="charging_points",
            user_id=owner.id,
            station_group_id=group.id,
            formatter_id=formatter_id,
            destination_id=destination_id,
            interval="monthly",
            starts_on=day,
        )
    )
    run = {"period_start": day, "period_end": date(2026, 12, 1), "starts_at": now, "ends_at": now}
    sent = files.keep(session, "a.csv", [b"a;b\n"])
    run_id = added(ExportRun(task_id=task_id, interval="monthly", built_at=now, size=sent.size, gap_count=1, **run))
    told = {"name": "a.csv", "file_id": sent.id, "size": sent.size, "sha256": sent.sha256}
    session.add(ExportGap(run_id=run_id, position=0, meter="Centro · 1", starts_at=now, ends_at=now))
    file_id = added(ExportFile(run_id=run_id, position=0, **told))
    offered = Transfer(
        kind="station",
        from_id=owner.id,
        to_email="receiver@x.example",
        station_id=station.id,
        moved={"name": "Station"},
        expires_at=now + timedelta(days=14),
    )
    others = world.station_group(session, world.account(session, f"giver{group.id}@x.example", Kind.AUTHORISATION))
    received = world.grant(session, others, "display", owner.email)
    special_user = special_users.add(session, owner, group, user_group=users, offer=Offer(Price(2500)))
    reported = files.keep(session, "report.csv", [b"Station\n"])
    report_id = added(
        Report(
            account_id=owner.id,
            ordered_by_id=owner.id,
            subject="station",
            station_id=station.id,
            title="Station",
            first_day=day,
            last_day=day,
            time_zone="Europe/Zurich",
            language="en",
            kinds=["csv"],
            state="done",
        )
    )
    price_rule = price_rules.add(session, owner, users.id, None, Offer(Price(3000)))
    scheduled = ReportSchedule(
        account_id=owner.id,
        subject="station",
        station_id=station.id,
        title="Station",
        kinds=["csv"],
        recipients=["reader@x.example"],
        next_month=day,
    )
    letter = mail.post(session, "somebody@x.example", "Subject", "Text")
    session.flush()
    return {
        "account_id": owner.id,
        "card_id": added(Card(number=f"04A2{users.id}", label="Pool car", user_group_id=users.id)),
        "charging_session_id": added(charged),
        "connector_id": connector.id,
        "destination_id": destination_id,
        "destination_loan_id": added(
            DestinationLoan(destination_id=destination_id, email="borrower@x.example", lent_by_id=owner.id)
        ),
        "driver_card_id": added(DriverCard(driver_id=driver_id, number="04A21B7C")),
        "driver_id": driver_id,
        "export_file_id": file_id,
        "export_run_id": run_id,
        "export_task_id": task_id,
        "flagged_row_id": added(flagged),
        "formatter_id": formatter_id,
        "formatter_loan_id": added(
            FormatterLoan(formatter_id=formatter_id, email="borrower@x.example", lent_by_id=owner.id)
        ),
        "grant_id": grant.id,
        "invitation_id": added(
            Invitation(
                owner_id=owner.id, invited_by_id=owner.id, email=users.members[0].email, member_id=users.members[0].id
            )
        ),
        "licence_id": licence.id,
        "maintenance_entry_id": added(
            MaintenanceEntry(
                owner_id=owner.id,
                station_id=station.id,
                text="New fuse",
                starts_at=now + timedelta(days=1),
                ends_at=now + timedelta(days=2),
                written_by_id=owner.id,
            )
        ),
        "maintenance_recipient_id": added(
            MaintenanceRecipient(
                owner_id=owner.id, station_group_id=group.id, email="technician@x.example", added_by_id=owner.id
            )
        ),
        "mapping_id": added(ImportMapping(account_id=owner.id, name="Mapping", mapping={})),
        "member_id": users.members[0].id,
        "membership_id": next(member.id for member in users.members if member.email == owner.email),
        "message_id": letter.id,
        "own_grant_id": received.id,
        "report_file_id": added(ReportFile(report_id=report_id, kind="csv", file_id=reported.id)),
        "report_id": report_id,
        "report_schedule_id": added(scheduled),
        "row_id": flagged.id,
        "position": 0,
        "price_rule_id": price_rule.id,
        "run_id": run_id,
        "session_import_id": import_id,
        "special_user_id": special_user.id,
        "special_user_request_id": added(
            SpecialUserRequest(owner_id=owner.id, station_group_id=group.id, account_id=others.owner_id)
        ),
        "station_group_id": group.id,
        "station_id": station.id,
        "task_id": task_id,
        "transfer_id": added(offered),
        "user_group_id": users.id,
        "webhook_message_id": added(WebhookMessage(account_id=owner.id, event="test", body="{}")),
    }


@pytest.fixture
def ids(session: Session) -> Ids:
    """Examples that belong to a master with every licence."""
    return examples(session, world.account(session, "master@x.example", *Kind))


@pytest.fixture
def own_ids(session: Session) -> Ids:
    """The same kinds of rows, of a stranger."""
    return examples(session, world.account(session, "stranger@x.example", *Kind))


@pytest.fixture
def stranger(session: Session, own_ids: Ids, logged_in: Callable[[Account], FlaskClient]) -> FlaskClient:
    """The browser of an account with every licence and rows of its own, that nobody shares anything with."""
    return logged_in(session.get_one(Account, own_ids["account_id"]))


def test_every_view_names_its_action_and_the_public_ones_are_listed(app: Flask) -> None:
    actions = {name: getattr(view, "action", None) for name, view in app.view_functions.items() if name != "static"}
    assert {name for name, action in actions.items() if action == "public"} == PUBLIC.keys()
    unknown = {name: action for name, action in actions.items() if action not in authz.ACTIONS | {"public"}}
    assert not unknown, "a view without @guard or @public is refused at run time"


def test_every_argument_of_an_address_has_an_example(app: Flask, ids: Ids) -> None:
    lacking = {str(address) for address in addresses(app) if not address.rule.arguments <= ids.keys()}
    assert not lacking, "add an example row to examples() in this file"


def test_the_anonymous_is_sent_to_the_log_in_page_from_everywhere(
    app: Flask, session: Session, client: FlaskClient, ids: Ids
) -> None:
    session.commit()
    for address in addresses(app):
        answer = client.open(address.url(ids), method=address.method)
        assert answer.status_code == 302, address
        assert answer.location.startswith("/log-in"), address


def test_a_stranger_cannot_tell_an_id_that_exists_from_one_that_does_not(
    app: Flask, ids: Ids, stranger: FlaskClient
) -> None:
    stranger.get("/")  # what a browser's first answer sets is set
    for address in addresses(app, with_ids=True):
        there, gone = (answer_to(stranger, address, some) for some in (ids, dict.fromkeys(ids, MISSING)))
        assert there.status == 404, address
        assert there == gone, address


def test_an_id_that_exists_costs_a_stranger_as_many_statements_as_one_that_does_not(
    app: Flask, ids: Ids, stranger: FlaskClient
) -> None:
    differing = []
    for address in addresses(app, with_ids=True):
        counts = []
        for url in (address.url(ids), address.url(dict.fromkeys(ids, MISSING))):
            with recorded() as statements:
                stranger.open(url, method=address.method)
            counts.append(len(statements))
        if counts[0] != counts[1]:
            differing.append(f"{address}: {counts[0]} where it exists, {counts[1]} where not")
    assert not differing, "\n".join(differing)


def test_an_own_id_beside_a_foreign_one_opens_nothing(
    app: Flask, ids: Ids, own_ids: Ids, stranger: FlaskClient
) -> None:
    for address in addresses(app, with_ids=True):
        named = address.rule.arguments - {"position"}  # counts the files of one run, and names no row
        for name in named if len(named) > 1 else ():
            answer = stranger.open(address.url(ids | {name: own_ids[name]}), method=address.method)
            assert answer.status_code == 404, (address, name)


def test_the_owner_does_open_his_examples(app: Flask, own_ids: Ids, stranger: FlaskClient) -> None:
    for address in addresses(app, with_ids=True):
        action = app.view_functions[address.rule.endpoint].action  # type: ignore[attr-defined]  # tested above
        of_operator = ("operator", "inactive", action) in authz.ALLOWED
        if address.method == "GET" and not of_operator and not address.rule.endpoint.startswith(NOTHING_TO_SHOW):
            assert stranger.get(address.url(own_ids)).status_code in {200, 302}, address


def test_who_may_only_look_is_told_so_and_changes_nothing(
    app: Flask, session: Session, ids: Ids, own_ids: Ids, stranger: FlaskClient
) -> None:
    group = session.get_one(StationGroup, ids["station_group_id"])
    world.grant(session, group, "display", "stranger@x.example")
    session.commit()
    for address in addresses(app, with_ids=True):
        action = app.view_functions[address.rule.endpoint].action  # type: ignore[attr-defined]  # tested above
        if action in small_world.OWNER - small_world.DISPLAY:
            # these belong to who made them
            hidden = address.rule.endpoint.startswith(
                ("imports.", "exports.", "maintenance.remove_recipient", "limited.decline")
            )
            status = stranger.open(address.url(ids), method=address.method).status_code
            assert status == 403 or (hidden and status == 404), (address, status)


def test_an_id_that_no_database_holds_is_not_there(app: Flask, ids: Ids, stranger: FlaskClient) -> None:
    for address in addresses(app, with_ids=True):
        answer = stranger.open(address.url(dict.fromkeys(ids, BEYOND)), method=address.method)
        assert answer.status_code == 404, address


@pytest.mark.parametrize("number", ["9" * 30, "-1", "x"])
def test_a_page_that_no_list_has_is_answered(
    app: Flask, session: Session, logged_in: Callable[[Account], FlaskClient], own_ids: Ids, number: str
) -> None:
    operator = session.get_one(Account, own_ids["account_id"])
    operator.is_operator = True
    browser, asked = logged_in(operator), dict.fromkeys(("page", "history"), number)
    for address in addresses(app):
        if address.method == "GET" and not address.rule.endpoint.startswith(
            (*NOTHING_TO_SHOW, "destinations.host_key")
        ):
            assert browser.get(address.url(own_ids), query_string=asked).status_code < 500, address


def test_nobody_but_the_operator_opens_the_platforms_pages(app: Flask, stranger: FlaskClient) -> None:
    for address in addresses(app, with_ids=False):
        action = app.view_functions[address.rule.endpoint].action  # type: ignore[attr-defined]  # tested above
        if not authz.platform_may(action, operator=False):
            assert stranger.open(address.rule.rule, method=address.method).status_code == 404, address


def test_every_form_is_refused_without_its_token(app: Flask, session: Session, ids: Ids, stranger: FlaskClient) -> None:
    session.commit()
    app.config["WTF_CSRF_ENABLED"] = True
    for address in addresses(app, guarded=False):
        if address.method != "GET":
            url = address.url(ids | {"token": "token"})
            assert stranger.open(url, method=address.method).status_code == 400, address
