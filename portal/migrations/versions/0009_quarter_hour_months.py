"""quarter hours in monthly partitions on PostgreSQL"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# What every table of quarter hours has; its names are those of the first migration.
TABLE = """
CREATE TABLE quarter_hour (
    connector_id integer NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    session_id integer NOT NULL,
    energy_wh bigint NOT NULL,
    quality varchar(1) NOT NULL,
    CONSTRAINT pk_quarter_hour PRIMARY KEY (connector_id, starts_at, session_id),
    CONSTRAINT ck_quarter_hour_quality_is_known CHECK (quality IN ('W', 'E')),
    CONSTRAINT ck_quarter_hour_energy_is_positive CHECK (energy_wh > 0),
    CONSTRAINT fk_quarter_hour_connector_id_connector
        FOREIGN KEY (connector_id) REFERENCES connector (id) ON DELETE CASCADE,
    CONSTRAINT fk_quarter_hour_session_id_charging_session
        FOREIGN KEY (session_id) REFERENCES charging_session (id) ON DELETE CASCADE
)"""

# Runs as the role that migrates, which owns the table: the application's may not change the schema. What it makes is
# decided by no text: two days. Rows are taken out of the rest and put in again through the table, so that whatever
# watches its rows sees both. Nobody may even read meanwhile: which partitions a query looks at is settled before it
# waits for one of them, and a month that came meanwhile is not among them. Rather than to keep everybody waiting for its
# lock it gives up after two seconds (55P03), and is asked again later.
FUNCTION = """
CREATE FUNCTION quarter_hour_months(first_day date, last_day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET lock_timeout = '2s' SET timezone = 'UTC' AS $$
DECLARE
    month timestamptz := date_trunc('month', first_day::timestamptz);
    following timestamptz;
    partition text;
    made integer := 0;
BEGIN
    WHILE month <= last_day LOOP
        following := month + interval '1 month';
        partition := 'quarter_hour_' || to_char(month, 'YYYY_MM');
        IF to_regclass(partition) IS NULL THEN
            LOCK TABLE ONLY quarter_hour IN ACCESS EXCLUSIVE MODE;
        END IF;
        IF to_regclass(partition) IS NULL THEN  -- somebody else may have made it before the lock was free
            EXECUTE format('CREATE TABLE %I (LIKE quarter_hour INCLUDING CONSTRAINTS)', partition);
            CREATE TEMPORARY TABLE moved ON COMMIT DROP AS
                SELECT * FROM quarter_hour_rest WHERE starts_at >= month AND starts_at < following;
            DELETE FROM quarter_hour WHERE starts_at >= month AND starts_at < following;
            EXECUTE format(
                'ALTER TABLE quarter_hour ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                partition, month, following);
            INSERT INTO quarter_hour SELECT * FROM moved ORDER BY connector_id, starts_at, session_id;
            DROP TABLE moved;
            made := made + 1;
        END IF;
        month := following;
    END LOOP;
    RETURN made;
END $$"""


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    schema = connection.dialect.identifier_preparer.quote_identifier(
        str(connection.scalar(sa.text("SELECT current_schema()")))
    )
    op.execute("ALTER TABLE quarter_hour RENAME TO quarter_hour_before")
    for name in ("pk_quarter_hour", "ix_quarter_hour_session_id"):
        op.execute(f"ALTER INDEX {name} RENAME TO {name}_before")
    op.execute(TABLE + " PARTITION BY RANGE (starts_at)")
    op.execute("CREATE INDEX ix_quarter_hour_session_id ON quarter_hour (session_id)")
    op.execute("CREATE TABLE quarter_hour_rest PARTITION OF quarter_hour DEFAULT")
    op.execute(FUNCTION.format(schema=schema))
    op.execute(
        "SELECT quarter_hour_months(day, day) FROM ("
        "  SELECT DISTINCT date_trunc('month', starts_at AT TIME ZONE 'UTC')::date AS day FROM quarter_hour_before"
        "  UNION SELECT (date_trunc('month', now()) + n * interval '1 month')::date FROM generate_series(-1, 2) AS n"
        ") AS months ORDER BY day"
    )
    op.execute("INSERT INTO quarter_hour SELECT * FROM quarter_hour_before ORDER BY connector_id, starts_at")
    op.execute("DROP TABLE quarter_hour_before")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("DROP FUNCTION quarter_hour_months(date, date)")
    op.execute("ALTER TABLE quarter_hour RENAME TO quarter_hour_months")
    for name in ("pk_quarter_hour", "ix_quarter_hour_session_id"):
        op.execute(f"ALTER INDEX {name} RENAME TO {name}_months")
    op.execute(TABLE)
    op.execute("CREATE INDEX ix_quarter_hour_session_id ON quarter_hour (session_id)")
    op.execute("INSERT INTO quarter_hour SELECT * FROM quarter_hour_months ORDER BY connector_id, starts_at")
    op.execute("DROP TABLE quarter_hour_months")
