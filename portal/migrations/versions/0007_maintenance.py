"""who receives maintenance, and its entries"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

OPEN = "starts_at IS NOT NULL AND done_at IS NULL AND cancelled_at IS NULL"


def upgrade() -> None:
    op.create_table(
        "maintenance_recipient",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("station_id", sa.Integer(), nullable=True),
        sa.Column("station_group_id", sa.Integer(), nullable=True),
        sa.Column("user_group_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("added_by_id", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(station_id IS NULL) <> (station_group_id IS NULL)",
            name=op.f("ck_maintenance_recipient_of_a_station_or_a_group"),
        ),
        sa.CheckConstraint(
            "(user_group_id IS NULL) <> (email IS NULL)",
            name=op.f("ck_maintenance_recipient_a_user_group_or_an_email"),
        ),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_maintenance_recipient_email_is_lower_case")),
        sa.ForeignKeyConstraint(
            ["station_id", "owner_id"],
            ["station.id", "station.owner_id"],
            name=op.f("fk_maintenance_recipient_station_id_owner_id_station"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["station_group_id", "owner_id"],
            ["station_group.id", "station_group.owner_id"],
            name=op.f("fk_maintenance_recipient_station_group_id_owner_id_station_group"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_group_id", "owner_id"],
            ["user_group.id", "user_group.owner_id"],
            name=op.f("fk_maintenance_recipient_user_group_id_owner_id_user_group"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["added_by_id"], ["account.id"], name=op.f("fk_maintenance_recipient_added_by_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_recipient")),
        sa.UniqueConstraint("station_id", "email", name=op.f("uq_maintenance_recipient_station_id_email")),
        sa.UniqueConstraint(
            "station_id", "user_group_id", name=op.f("uq_maintenance_recipient_station_id_user_group_id")
        ),
        sa.UniqueConstraint("station_group_id", "email", name=op.f("uq_maintenance_recipient_station_group_id_email")),
        sa.UniqueConstraint(
            "station_group_id", "user_group_id", name=op.f("uq_maintenance_recipient_station_group_id_user_group_id")
        ),
    )
    op.create_index("ix_maintenance_recipient_owner_id", "maintenance_recipient", ["owner_id"])
    op.create_index("ix_maintenance_recipient_user_group_id", "maintenance_recipient", ["user_group_id"])
    op.create_table(
        "maintenance_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("station_id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_by_id", sa.Integer(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", sa.String(length=120), nullable=False),
        sa.Column("done_by_id", sa.Integer(), nullable=True),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_by_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(starts_at IS NULL) = (ends_at IS NULL)", name=op.f("ck_maintenance_entry_work_has_both_dates")
        ),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_maintenance_entry_ends_after_it_starts")),
        sa.CheckConstraint(
            "done_at IS NULL OR cancelled_at IS NULL", name=op.f("ck_maintenance_entry_done_or_cancelled")
        ),
        sa.ForeignKeyConstraint(
            ["station_id", "owner_id"],
            ["station.id", "station.owner_id"],
            name=op.f("fk_maintenance_entry_station_id_owner_id_station"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["written_by_id"], ["account.id"], name=op.f("fk_maintenance_entry_written_by_id_account")
        ),
        sa.ForeignKeyConstraint(["done_by_id"], ["account.id"], name=op.f("fk_maintenance_entry_done_by_id_account")),
        sa.ForeignKeyConstraint(
            ["cancelled_by_id"], ["account.id"], name=op.f("fk_maintenance_entry_cancelled_by_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_entry")),
    )
    op.create_index("ix_maintenance_entry_station_id", "maintenance_entry", ["station_id", "written_at"])
    op.create_index(
        "ix_maintenance_entry_open",
        "maintenance_entry",
        ["station_id", "starts_at"],
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    )


def downgrade() -> None:
    op.drop_table("maintenance_entry")
    op.drop_table("maintenance_recipient")
