"""energy and sessions of each connector, local day and driver, kept up to date by triggers"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KEY = "connector_id, day, driver_id"
COLUMNS = f"{KEY}, owner_id, energy_wh, sessions"
ADD = f"""ON CONFLICT ({KEY}) DO UPDATE
SET energy_wh = daily_total.energy_wh + excluded.energy_wh, sessions = daily_total.sessions + excluded.sessions"""


def day_on_sqlite(at: str) -> str:
    """The local day in Europe/Zurich of an instant stored as text in UTC: the next one from 23:00 on, in summer time from
    22:00 on. Summer time begins on the last Sunday of March and ends on the last one of October, until 1995 of
    September; there is none before 1981. Most instants are decided by their hour alone: this is asked for each quarter
    hour that is written."""
    day, hour, year = f"substr({at}, 1, 10)", f"substr({at}, 12, 2)", f"substr({at}, 1, 4)"
    begins = f"date({year} || '-03-25', 'weekday 0')"
    ends = f"date({year} || CASE WHEN {year} < '1996' THEN '-09-24' ELSE '-10-25' END, 'weekday 0')"
    summer = f"{year} >= '1981' AND {day} >= {begins} AND {day} < {ends}"
    return f"CASE WHEN {hour} >= '22' AND ({hour} = '23' OR ({summer})) THEN date({day}, '+1 day') ELSE {day} END"


def day_on_postgresql(at: str) -> str:
    return f"({at} AT TIME ZONE 'Europe/Zurich')::date"


DAY = {"sqlite": day_on_sqlite, "postgresql": day_on_postgresql}

# What is there already.
FILL = """
INSERT INTO daily_total ({columns})
SELECT found.connector_id, found.day, found.driver_id, connector.owner_id, sum(found.energy_wh), sum(found.sessions)
FROM (
    SELECT quarter.connector_id, {day_of_quarter} AS day, coalesce(charged.driver_id, 0) AS driver_id,
           sum(quarter.energy_wh) AS energy_wh, 0 AS sessions
    FROM quarter_hour AS quarter JOIN charging_session AS charged ON charged.id = quarter.session_id
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT connector_id, {day_of_session}, coalesce(driver_id, 0), 0, count(*) FROM charging_session GROUP BY 1, 2, 3
) AS found JOIN connector ON connector.id = found.connector_id
GROUP BY 1, 2, 3, 4
"""


def _upsert(energy: str, sessions: str, driver: str, at: str, source: str, connector: str) -> str:
    """SQLite's addition to the totals of one key."""
    return f"""INSERT INTO daily_total ({COLUMNS})
        SELECT {connector}, {day_on_sqlite(at)}, coalesce({driver}, 0), connector.owner_id, {energy}, {sessions}
        FROM {source} {ADD}"""


def _quarter(row: str, sign: str) -> str:
    charged = f"connector JOIN charging_session AS charged ON charged.id = {row}.session_id"
    here = f"{charged} WHERE connector.id = {row}.connector_id"
    wh = f"{sign}{row}.energy_wh"
    return _upsert(wh, "0", "charged.driver_id", f"{row}.starts_at", here, f"{row}.connector_id")


def _session(row: str, count: int) -> str:
    here = f"connector WHERE connector.id = {row}.connector_id"
    return _upsert("0", str(count), f"{row}.driver_id", f"{row}.started_at", here, f"{row}.connector_id")


def _all_quarters(row: str, sign: str) -> str:
    """The energy of a whole session, where its driver was another one."""
    source = "quarter_hour AS quarter JOIN connector ON connector.id = quarter.connector_id"
    where = f"{source} WHERE quarter.session_id = new.id AND old.driver_id IS NOT new.driver_id"
    wh = f"{sign}quarter.energy_wh"
    return _upsert(wh, "0", f"{row}.driver_id", "quarter.starts_at", where, "quarter.connector_id")


OTHER_KEY = (
    "old.driver_id IS NOT new.driver_id OR old.connector_id <> new.connector_id OR old.started_at <> new.started_at"
)
# What is deleted is taken off before, while the session still says whose it was. With a charging point its totals go.
ON_SQLITE = {
    "quarter_hour_added AFTER INSERT ON quarter_hour": (_quarter("new", "+"),),
    "quarter_hour_removed BEFORE DELETE ON quarter_hour": (_quarter("old", "-"),),
    "quarter_hour_changed AFTER UPDATE ON quarter_hour": (_quarter("old", "-"), _quarter("new", "+")),
    "charging_session_added AFTER INSERT ON charging_session": (_session("new", 1),),
    "charging_session_removed BEFORE DELETE ON charging_session": (
        "DELETE FROM quarter_hour WHERE session_id = old.id",
        _session("old", -1),
    ),
    f"charging_session_moved AFTER UPDATE OF driver_id, connector_id, started_at ON charging_session WHEN {OTHER_KEY}": (
        _session("old", -1),
        _session("new", 1),
        _all_quarters("old", "-"),
        _all_quarters("new", "+"),
    ),
    "connector_given AFTER UPDATE OF owner_id ON connector WHEN old.owner_id <> new.owner_id": (
        "UPDATE daily_total SET owner_id = new.owner_id WHERE connector_id = new.id",
    ),
}

# On PostgreSQL a statement adds once for all of its rows, in the order of the key. Those who write the totals of one
# owner take turns until their transactions end: two imports that touch the same days in different orders would else
# wait for each other.
FUNCTIONS = {
    "daily_total_add": """(totals daily_total[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({lock}, owner_id)
    FROM (SELECT DISTINCT owner_id FROM unnest(totals) ORDER BY owner_id) AS owner;
    INSERT INTO daily_total ({columns})
    SELECT {key}, max(owner_id), sum(energy_wh), sum(sessions) FROM unnest(totals)
    GROUP BY {key} ORDER BY {key}
    {add};
END $$""",
    "quarter_hours_written": """() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE totals daily_total[];
BEGIN
    IF TG_OP <> 'INSERT' THEN
        totals := ARRAY(
            SELECT (quarter.connector_id, {day_of_quarter}, coalesce(charged.driver_id, 0), connector.owner_id,
                    -sum(quarter.energy_wh), 0)::daily_total
            FROM removed AS quarter JOIN charging_session AS charged ON charged.id = quarter.session_id
            JOIN connector ON connector.id = quarter.connector_id
            GROUP BY quarter.connector_id, {day_of_quarter}, coalesce(charged.driver_id, 0), connector.owner_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        totals := totals || ARRAY(
            SELECT (quarter.connector_id, {day_of_quarter}, coalesce(charged.driver_id, 0), connector.owner_id,
                    sum(quarter.energy_wh), 0)::daily_total
            FROM added AS quarter JOIN charging_session AS charged ON charged.id = quarter.session_id
            JOIN connector ON connector.id = quarter.connector_id
            GROUP BY quarter.connector_id, {day_of_quarter}, coalesce(charged.driver_id, 0), connector.owner_id);
    END IF;
    PERFORM daily_total_add(totals);
    RETURN NULL;
END $$""",
    "charging_sessions_added": """() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM daily_total_add(ARRAY(
        SELECT (charged.connector_id, {day_of_charged}, coalesce(charged.driver_id, 0), connector.owner_id,
                0, count(*))::daily_total
        FROM added AS charged JOIN connector ON connector.id = charged.connector_id
        GROUP BY charged.connector_id, {day_of_charged}, coalesce(charged.driver_id, 0), connector.owner_id));
    RETURN NULL;
END $$""",
    "charging_session_removed": """() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM quarter_hour WHERE session_id = old.id;
    PERFORM daily_total_add(ARRAY(
        SELECT (old.connector_id, {day_of_old}, coalesce(old.driver_id, 0), connector.owner_id, 0, -1)::daily_total
        FROM connector WHERE connector.id = old.connector_id));
    RETURN old;
END $$""",
    "charging_sessions_moved": """() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE totals daily_total[];
BEGIN
    totals := ARRAY(
        SELECT (charged.connector_id, {day_of_charged}, coalesce(charged.driver_id, 0), connector.owner_id,
                0, charged.sign)::daily_total
        FROM removed AS before JOIN added AS after ON after.id = before.id
        CROSS JOIN LATERAL (VALUES (before.connector_id, before.started_at, before.driver_id, -1),
                                   (after.connector_id, after.started_at, after.driver_id, 1)
        ) AS charged (connector_id, started_at, driver_id, sign)
        JOIN connector ON connector.id = charged.connector_id
        WHERE before.driver_id IS DISTINCT FROM after.driver_id OR before.connector_id <> after.connector_id
           OR before.started_at <> after.started_at);
    totals := totals || ARRAY(
        SELECT (quarter.connector_id, {day_of_quarter}, coalesce(whose.driver_id, 0), connector.owner_id,
                sum(whose.sign * quarter.energy_wh), 0)::daily_total
        FROM removed AS before JOIN added AS after ON after.id = before.id
        CROSS JOIN LATERAL (VALUES (before.driver_id, -1), (after.driver_id, 1)) AS whose (driver_id, sign)
        JOIN quarter_hour AS quarter ON quarter.session_id = before.id
        JOIN connector ON connector.id = quarter.connector_id
        WHERE before.driver_id IS DISTINCT FROM after.driver_id
        GROUP BY quarter.connector_id, {day_of_quarter}, coalesce(whose.driver_id, 0), connector.owner_id);
    PERFORM daily_total_add(totals);
    RETURN NULL;
END $$""",
    "connector_given": """() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE daily_total SET owner_id = new.owner_id WHERE connector_id = new.id;
    RETURN NULL;
END $$""",
}
BOTH = "REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT"
NEW = "REFERENCING NEW TABLE AS added FOR EACH STATEMENT"
OLD = "REFERENCING OLD TABLE AS removed FOR EACH STATEMENT"
ON_POSTGRESQL = {
    f"quarter_hour_added AFTER INSERT ON quarter_hour {NEW}": "quarter_hours_written",
    f"quarter_hour_removed AFTER DELETE ON quarter_hour {OLD}": "quarter_hours_written",
    f"quarter_hour_changed AFTER UPDATE ON quarter_hour {BOTH}": "quarter_hours_written",
    f"charging_session_added AFTER INSERT ON charging_session {NEW}": "charging_sessions_added",
    "charging_session_removed BEFORE DELETE ON charging_session FOR EACH ROW": "charging_session_removed",
    f"charging_session_moved AFTER UPDATE ON charging_session {BOTH}": "charging_sessions_moved",
    "connector_given AFTER UPDATE OF owner_id ON connector FOR EACH ROW "
    "WHEN (old.owner_id <> new.owner_id)": "connector_given",
}
LOCK = 0x50697144  # "PiqD": any number that no other lock of two numbers begins with


def upgrade() -> None:
    op.create_table(
        "daily_total",
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("driver_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connector.id"], name=op.f("fk_daily_total_connector_id_connector"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_daily_total_owner_id_account")),
        sa.PrimaryKeyConstraint("connector_id", "day", "driver_id", name=op.f("pk_daily_total")),
        sqlite_with_rowid=False,
    )
    dialect = op.get_bind().dialect.name
    day = DAY[dialect]
    days = {"day_of_quarter": day("quarter.starts_at"), "day_of_session": day("started_at")}
    _execute(FILL.format(columns=COLUMNS, **days))
    op.create_index("ix_daily_total_owner_id_day", "daily_total", ["owner_id", "day"], unique=False)
    _triggers_on_sqlite() if dialect == "sqlite" else _triggers_on_postgresql()


def _triggers_on_sqlite() -> None:
    for head, steps in ON_SQLITE.items():
        _execute(f"CREATE TRIGGER {head} BEGIN {'; '.join(steps)}; END")


def _triggers_on_postgresql() -> None:
    known = {"lock": LOCK, "key": KEY, "columns": COLUMNS, "add": ADD}
    days = {f"day_of_{name}": day_on_postgresql(f"{name}.starts_at") for name in ("quarter",)}
    days |= {f"day_of_{name}": day_on_postgresql(f"{name}.started_at") for name in ("charged", "old")}
    for name, body in FUNCTIONS.items():
        _execute(f"CREATE FUNCTION {name} {body.format(**known, **days)}")
    for head, function in ON_POSTGRESQL.items():
        _execute(f"CREATE TRIGGER {head} EXECUTE FUNCTION {function}()")


def _execute(statement: str) -> None:
    """Past SQLAlchemy's own signs for values."""
    op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for head in ON_SQLITE:
            op.execute(f"DROP TRIGGER {head.split()[0]}")
    else:
        for head in ON_POSTGRESQL:
            name, table = head.split()[0], head.partition(" ON ")[2].split()[0]
            op.execute(f"DROP TRIGGER {name} ON {table}")
        op.execute("DROP FUNCTION " + ", ".join(FUNCTIONS))
    op.drop_table("daily_total")
