"""what an account is to a station group; search"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# An instant of the statement, in the form in which the engine stores instants. SQLite knows milliseconds, while we store
# microseconds: its millisecond is taken at its end, so that what has just begun acts and what has just ended does not.
NOW = {"sqlite": "strftime('%Y-%m-%d %H:%M:%f999', 'now')", "postgresql": "statement_timestamp()"}

# Accounts with an active licence Authorisation.
LICENSED = """
CREATE VIEW licensed AS
SELECT account_id FROM licence
WHERE kind = 'authorisation' AND starts_at <= {now} AND (ends_at IS NULL OR ends_at > {now})
"""

# What an account is to a station group, and through which grant (none: it owns the group). Only verified addresses.
HOLDING = """
CREATE VIEW holding AS
SELECT owner_id AS account_id, id AS station_group_id, owner_id, 'owner' AS role, CAST(NULL AS integer) AS grant_id
FROM station_group
UNION ALL
SELECT account.id, given.station_group_id, given.owner_id, given.role, given.id
FROM account JOIN station_group_grant AS given ON given.email = account.email
WHERE account.verified_at IS NOT NULL AND given.revoked_at IS NULL
  AND given.starts_at <= {now} AND (given.ends_at IS NULL OR given.ends_at > {now})
UNION ALL
SELECT account.id, given.station_group_id, given.owner_id, given.role, given.id
FROM account
JOIN user_group_member AS member ON member.email = account.email
JOIN station_group_grant AS given ON given.user_group_id = member.user_group_id
WHERE account.verified_at IS NOT NULL AND given.revoked_at IS NULL
  AND given.starts_at <= {now} AND (given.ends_at IS NULL OR given.ends_at > {now})
"""

# EXISTS, not IN: it is asked for the few rows of one account.
STANDING = """
CREATE VIEW standing AS
SELECT held.account_id, held.station_group_id, held.role, held.grant_id,
       CASE WHEN EXISTS (SELECT 1 FROM licensed WHERE licensed.account_id = held.account_id)
             AND EXISTS (SELECT 1 FROM licensed WHERE licensed.account_id = held.owner_id)
            THEN 'active' ELSE 'inactive' END AS licence
FROM holding AS held
"""

TEXT = "{row}name || ' ' || coalesce({row}reference, '') || ' ' || {row}address || ' ' || {row}description"

SQLITE_SEARCH = (
    "CREATE VIRTUAL TABLE station_search USING fts5(text, tokenize = 'trigram')",
    f"""CREATE TRIGGER station_search_added AFTER INSERT ON station BEGIN
        INSERT INTO station_search (rowid, text) VALUES (new.id, {TEXT.format(row="new.")}); END""",
    f"""CREATE TRIGGER station_search_changed AFTER UPDATE OF name, reference, address, description ON station BEGIN
        UPDATE station_search SET text = {TEXT.format(row="new.")} WHERE rowid = new.id; END""",
    """CREATE TRIGGER station_search_removed AFTER DELETE ON station BEGIN
        DELETE FROM station_search WHERE rowid = old.id; END""",
)
POSTGRESQL_SEARCH = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX ix_account_search ON account USING gin ((email || ' ' || name) gin_trgm_ops)",
    f"CREATE INDEX ix_station_search ON station USING gin (({TEXT.format(row='')}) gin_trgm_ops)",
)


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    for view in (LICENSED, HOLDING, STANDING):
        op.execute(view.format(now=NOW[dialect]))
    for statement in SQLITE_SEARCH if dialect == "sqlite" else POSTGRESQL_SEARCH:
        op.execute(statement)


def downgrade() -> None:
    for view in ("standing", "holding", "licensed"):
        op.execute(f"DROP VIEW {view}")
    if op.get_bind().dialect.name == "sqlite":
        for part in (
            "TRIGGER station_search_added",
            "TRIGGER station_search_changed",
            "TRIGGER station_search_removed",
        ):
            op.execute(f"DROP {part}")
        op.execute("DROP TABLE station_search")
    else:
        op.execute("DROP INDEX ix_account_search")
        op.execute("DROP INDEX ix_station_search")
