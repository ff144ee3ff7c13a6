"""Two roles on PostgreSQL: one that migrates and owns the tables, and that of the application, which cannot touch what
the audit log holds."""

import io
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from portal.app import create_app
from portal.core import config
from portal.core.audit import AuditEntry
from portal.core.audit.check import check
from portal.core.db import session_factory
from portal.core.web import limiter
from portal.licences.models import Kind
from tests import world
from tests.conftest import ENVIRONMENT
from tests.world import PASSWORD

FORBIDDEN = (
    "UPDATE {} SET {} = 7",
    "DELETE FROM {}",
    "TRUNCATE {}",
    "DROP TABLE {}",
    "ALTER TABLE {} DISABLE TRIGGER ALL",
    "DROP TRIGGER {0}_is_kept ON {0}",
    "ALTER TABLE {} RENAME TO gone",
    "SET session_replication_role = replica",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
)


def test_the_applications_role_only_reads_and_adds(two_roles: tuple[str, str]) -> None:
    engine = sa.create_engine(two_roles[1])
    for table, column in (("audit_entry", "actor_id"), ("audit_seal", "entry_id")):
        for statement in FORBIDDEN:
            with engine.connect() as connection, pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
                connection.execute(
                    sa.text(statement.replace("{}", "{0}", 1).replace("{}", "{1}").format(table, column))
                )
    with engine.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()


def test_the_owner_of_the_schema_is_held_by_the_trigger(two_roles: tuple[str, str]) -> None:
    engine = sa.create_engine(two_roles[0])
    for statement in ("UPDATE audit_entry SET actor_id = 7", "DELETE FROM audit_seal", "TRUNCATE audit_entry"):
        with engine.connect() as connection, pytest.raises(DBAPIError, match="only added to"):
            connection.execute(sa.text(statement))
    engine.dispose()


def test_the_portal_works_with_the_applications_role(two_roles: tuple[str, str], tmp_path: Path) -> None:
    sessions = session_factory(two_roles[1])
    with sessions() as session:
        master = world.account(session, "master@x.example", Kind.AUTHORISATION)
        group = world.station_group(session, master, "Bl2")
        world.station(session, master, "Bl2-1", group)
        session.commit()
        environ = ENVIRONMENT | {
            "DATABASE_URL": two_roles[1],
            "MIGRATION_DATABASE_URL": two_roles[0],
            "DATA_DIR": str(tmp_path),
        }
        app = create_app(config.from_environment(environ))
        app.config.update(TESTING=True, WTF_CSRF_ENABLED=False, PROPAGATE_EXCEPTIONS=True)
        limiter.enabled = False
        browser = app.test_client()
        assert browser.post("/log-in", data={"email": master.email, "password": PASSWORD}).status_code == 302
        offer = {"email": "a@x.example", "role": "manage"}
        given = browser.post(f"/station-groups/{group.id}/sharing/add", data=offer)
        assert given.status_code == 302, given.text
        assert browser.post("/station-groups/create", data={"name": "Garage"}).status_code == 302
        file = (io.BytesIO(b"station;start;end;kWh\nBl2-1;2026-03-01 10:00;2026-03-01 11:00;7\n"), "sessions.csv")
        assert browser.post("/imports/new", data={"owner": master.id, "file": file}).status_code == 302
        found = set(session.scalars(sa.select(AuditEntry.action)))
        assert {"account:log_in", "grant:give_manage", "station_group:create"} <= found
        assert check(session).wrong == 0
    sessions.kw["bind"].dispose()
    assert app.test_cli_runner().invoke(args=["db", "upgrade"]).exit_code == 0, "again, as every release does it"
