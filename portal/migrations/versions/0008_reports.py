"""reports, their files, and reports that are made every month"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _report_schedule()
    _report()
    _report_file()


def _report_schedule() -> None:
    op.create_table(
        "report_schedule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=20), nullable=False),
        sa.Column("station_id", sa.Integer(), nullable=True),
        sa.Column("station_group_id", sa.Integer(), nullable=True),
        sa.Column("driver_id", sa.Integer(), nullable=True),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("vat_permille", sa.Integer(), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.Column("next_month", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_report_schedule_account_id_account")),
        sa.ForeignKeyConstraint(
            ["driver_id"], ["driver.id"], name=op.f("fk_report_schedule_driver_id_driver"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["station_group_id"],
            ["station_group.id"],
            name=op.f("fk_report_schedule_station_group_id_station_group"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["station_id"], ["station.id"], name=op.f("fk_report_schedule_station_id_station"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_schedule")),
    )
    op.create_index("ix_report_schedule_account_id", "report_schedule", ["account_id"], unique=False)
    op.create_index(op.f("ix_report_schedule_driver_id"), "report_schedule", ["driver_id"], unique=False)
    op.create_index("ix_report_schedule_next_month", "report_schedule", ["next_month"], unique=False)
    op.create_index(op.f("ix_report_schedule_station_group_id"), "report_schedule", ["station_group_id"], unique=False)
    op.create_index(op.f("ix_report_schedule_station_id"), "report_schedule", ["station_id"], unique=False)


def _report() -> None:
    op.create_table(
        "report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("ordered_by_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=20), nullable=False),
        sa.Column("station_id", sa.Integer(), nullable=True),
        sa.Column("station_group_id", sa.Integer(), nullable=True),
        sa.Column("driver_id", sa.Integer(), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("time_zone", sa.String(length=60), nullable=False),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("vat_permille", sa.Integer(), nullable=True),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("done_permille", sa.Integer(), nullable=False),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("sums", sa.JSON(), nullable=False),
        sa.Column("error", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("schedule_id", sa.Integer(), nullable=True),
        sa.Column("to_tell", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("last_day >= first_day", name=op.f("ck_report_ends_after_it_starts")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_report_account_id_account")),
        sa.ForeignKeyConstraint(["ordered_by_id"], ["account.id"], name=op.f("fk_report_ordered_by_id_account")),
        sa.ForeignKeyConstraint(
            ["driver_id"], ["driver.id"], name=op.f("fk_report_driver_id_driver"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id"],
            ["report_schedule.id"],
            name=op.f("fk_report_schedule_id_report_schedule"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["station_group_id"],
            ["station_group.id"],
            name=op.f("fk_report_station_group_id_station_group"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["station_id"], ["station.id"], name=op.f("fk_report_station_id_station"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
    )
    op.create_index("ix_report_account_id_created_at", "report", ["account_id", "created_at"], unique=False)
    op.create_index(op.f("ix_report_driver_id"), "report", ["driver_id"], unique=False)
    op.create_index(op.f("ix_report_schedule_id"), "report", ["schedule_id"], unique=False)
    op.create_index("ix_report_state", "report", ["state"], unique=False)
    op.create_index("ix_report_to_tell", "report", ["to_tell", "state"], unique=False)
    op.create_index(op.f("ix_report_station_group_id"), "report", ["station_group_id"], unique=False)
    op.create_index(op.f("ix_report_station_id"), "report", ["station_id"], unique=False)


def _report_file() -> None:
    op.create_table(
        "report_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["stored_file.id"], name=op.f("fk_report_file_file_id_stored_file")),
        sa.ForeignKeyConstraint(
            ["report_id"], ["report.id"], name=op.f("fk_report_file_report_id_report"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_file")),
        sa.UniqueConstraint("report_id", "kind", name=op.f("uq_report_file_report_id_kind")),
    )
    op.create_index(op.f("ix_report_file_file_id"), "report_file", ["file_id"], unique=False)


def downgrade() -> None:
    for table in ("report_file", "report", "report_schedule"):
        op.drop_table(table)
