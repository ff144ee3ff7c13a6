"""destinations, formatters, export tasks and their runs"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = "0001_charging"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "destination",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("protocol", sa.String(length=10), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(length=120), nullable=False),
        sa.Column("login", sa.String(length=10), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=True),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("directory", sa.String(length=250), nullable=False),
        sa.Column("host_key_type", sa.String(length=60), nullable=True),
        sa.Column("host_key_fingerprint", sa.String(length=120), nullable=True),
        sa.Column("host_key_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("host_key_confirmed_by_id", sa.Integer(), nullable=True),
        sa.Column("tested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("test_steps", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["host_key_confirmed_by_id"], ["account.id"], name=op.f("fk_destination_host_key_confirmed_by_id_account")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_destination_owner_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_destination")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_destination_owner_id_name")),
    )

    op.create_table(
        "formatter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("identifier", sa.String(length=30), nullable=False),
        sa.Column("obis", sa.String(length=30), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_formatter_owner_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_formatter")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_formatter_owner_id_name")),
    )

    op.create_table(
        "export_task",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("scope", sa.String(length=20), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("station_group_id", sa.Integer(), nullable=False),
        sa.Column("formatter_id", sa.Integer(), nullable=False),
        sa.Column("destination_id", sa.Integer(), nullable=False),
        sa.Column("interval", sa.String(length=10), nullable=False),
        sa.Column("trigger", sa.String(length=20), nullable=False),
        sa.Column("hours_after_end", sa.Integer(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("time_zone", sa.String(length=60), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("planned_until", sa.Date(), nullable=True),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name=op.f("ck_export_task_ends_after_start")),
        sa.ForeignKeyConstraint(
            ["destination_id"], ["destination.id"], name=op.f("fk_export_task_destination_id_destination")
        ),
        sa.ForeignKeyConstraint(["formatter_id"], ["formatter.id"], name=op.f("fk_export_task_formatter_id_formatter")),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_export_task_owner_id_account")),
        sa.ForeignKeyConstraint(
            ["station_group_id"],
            ["station_group.id"],
            name=op.f("fk_export_task_station_group_id_station_group"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["account.id"], name=op.f("fk_export_task_user_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_task")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_export_task_owner_id_name")),
    )
    with op.batch_alter_table("export_task", schema=None) as batch_op:
        batch_op.create_index("ix_export_task_next_due_at", ["next_due_at"], unique=False)
        batch_op.create_index("ix_export_task_station_group_id", ["station_group_id"], unique=False)

    op.create_table(
        "export_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.JSON(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worker", sa.String(length=120), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file_id", sa.Integer(), nullable=True),
        sa.Column("file_name", sa.String(length=200), nullable=True),
        sa.Column("temporary_name", sa.String(length=255), nullable=True),
        sa.Column("uploaded_to", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("energy_wh", sa.BigInteger(), nullable=True),
        sa.Column("quarters_measured", sa.Integer(), nullable=True),
        sa.Column("quarters_substitute", sa.Integer(), nullable=True),
        sa.Column("quarters_missing", sa.Integer(), nullable=True),
        sa.Column("started_by_id", sa.Integer(), nullable=True),
        sa.Column("unconfirmed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["file_id"], ["stored_file.id"], name=op.f("fk_export_run_file_id_stored_file"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["started_by_id"], ["account.id"], name=op.f("fk_export_run_started_by_id_account")),
        sa.ForeignKeyConstraint(
            ["task_id"], ["export_task.id"], name=op.f("fk_export_run_task_id_export_task"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_run")),
        sa.UniqueConstraint(
            "task_id", "period_start", "revision", name=op.f("uq_export_run_task_id_period_start_revision")
        ),
    )
    with op.batch_alter_table("export_run", schema=None) as batch_op:
        batch_op.create_index("ix_export_run_file_name", ["file_name"], unique=False)
        batch_op.create_index("ix_export_run_state_not_before", ["state", "not_before"], unique=False)
        batch_op.create_index("ix_export_run_task_id_state", ["task_id", "state", "period_start"], unique=False)

    op.create_table(
        "export_attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("step", sa.String(length=30), nullable=False),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("wording", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["export_run.id"], name=op.f("fk_export_attempt_run_id_export_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_attempt")),
    )
    with op.batch_alter_table("export_attempt", schema=None) as batch_op:
        batch_op.create_index("ix_export_attempt_run_id", ["run_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("export_attempt", schema=None) as batch_op:
        batch_op.drop_index("ix_export_attempt_run_id")

    op.drop_table("export_attempt")

    with op.batch_alter_table("export_run", schema=None) as batch_op:
        batch_op.drop_index("ix_export_run_task_id_state")
        batch_op.drop_index("ix_export_run_state_not_before")
        batch_op.drop_index("ix_export_run_file_name")

    op.drop_table("export_run")

    with op.batch_alter_table("export_task", schema=None) as batch_op:
        batch_op.drop_index("ix_export_task_station_group_id")
        batch_op.drop_index("ix_export_task_next_due_at")

    op.drop_table("export_task")

    op.drop_table("formatter")

    op.drop_table("destination")
