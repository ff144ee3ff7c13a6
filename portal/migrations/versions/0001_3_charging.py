"""drivers, imports, charging sessions and their quarter hours"""

import sqlalchemy as sa
from alembic import op

revision = "0001_charging"
down_revision = "0001_stations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "driver",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("device_location_id", sa.String(length=80), nullable=True),
        sa.Column("factory_no", sa.String(length=80), nullable=True),
        sa.Column("internal_no", sa.String(length=80), nullable=True),
        sa.Column("metering_code", sa.String(length=80), nullable=True),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_driver_email_is_lower_case")),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_driver_owner_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_driver")),
        sa.UniqueConstraint("owner_id", "device_location_id", name=op.f("uq_driver_owner_id_device_location_id")),
        sa.UniqueConstraint("owner_id", "email", name=op.f("uq_driver_owner_id_email")),
        sa.UniqueConstraint("owner_id", "factory_no", name=op.f("uq_driver_owner_id_factory_no")),
        sa.UniqueConstraint("owner_id", "internal_no", name=op.f("uq_driver_owner_id_internal_no")),
        sa.UniqueConstraint("owner_id", "label", name=op.f("uq_driver_owner_id_label")),
        sa.UniqueConstraint("owner_id", "metering_code", name=op.f("uq_driver_owner_id_metering_code")),
    )
    with op.batch_alter_table("driver", schema=None) as batch_op:
        batch_op.create_index("ix_driver_email", ["email"], unique=False)

    op.create_table(
        "import_mapping",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_import_mapping_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_mapping")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_import_mapping_account_id_name")),
    )

    op.create_table(
        "session_import",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("shape", sa.JSON(), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("done_permille", sa.Integer(), nullable=False),
        sa.Column("rows_read", sa.Integer(), nullable=False),
        sa.Column("sessions_added", sa.Integer(), nullable=False),
        sa.Column("rows_known", sa.Integer(), nullable=False),
        sa.Column("rows_flagged", sa.Integer(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("covers", sa.String(length=20), nullable=False),
        sa.Column("covers_group_id", sa.Integer(), nullable=True),
        sa.Column("covers_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("covers_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.JSON(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_session_import_account_id_account")),
        sa.ForeignKeyConstraint(
            ["covers_group_id"],
            ["station_group.id"],
            name=op.f("fk_session_import_covers_group_id_station_group"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["file_id"], ["stored_file.id"], name=op.f("fk_session_import_file_id_stored_file")),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_session_import_owner_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_import")),
    )
    with op.batch_alter_table("session_import", schema=None) as batch_op:
        batch_op.create_index("ix_session_import_owner_id_created_at", ["owner_id", "created_at"], unique=False)
        batch_op.create_index("ix_session_import_state", ["state"], unique=False)

    op.create_table(
        "charging_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("driver_id", sa.Integer(), nullable=True),
        sa.Column("card", sa.String(length=80), nullable=True),
        sa.Column(
            "card_number",
            sa.String(length=80),
            sa.Computed("upper(replace(replace(replace(card, ' ', ''), ':', ''), '-', ''))", persisted=True),
            nullable=True,
        ),
        sa.Column("by_card", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("charged_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("register_start_wh", sa.BigInteger(), nullable=True),
        sa.Column("register_end_wh", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("external_id", sa.String(length=120), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ended_at >= started_at", name=op.f("ck_charging_session_ends_after_start")),
        sa.CheckConstraint("energy_wh >= 0", name=op.f("ck_charging_session_energy_is_not_negative")),
        sa.ForeignKeyConstraint(
            ["connector_id"],
            ["connector.id"],
            name=op.f("fk_charging_session_connector_id_connector"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["driver_id"], ["driver.id"], name=op.f("fk_charging_session_driver_id_driver"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["session_import.id"],
            name=op.f("fk_charging_session_import_id_session_import"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_charging_session_owner_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charging_session")),
        sa.UniqueConstraint(
            "owner_id", "source", "external_id", name=op.f("uq_charging_session_owner_id_source_external_id")
        ),
    )
    with op.batch_alter_table("charging_session", schema=None) as batch_op:
        batch_op.create_index(
            "ix_charging_session_connector_id_started_at", ["connector_id", "started_at"], unique=False
        )
        batch_op.create_index("ix_charging_session_driver_id_started_at", ["driver_id", "started_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_charging_session_import_id"), ["import_id"], unique=False)
        batch_op.create_index("ix_charging_session_owner_id_started_at", ["owner_id", "started_at"], unique=False)
        batch_op.create_index(
            "ix_charging_session_unknown_card",
            ["owner_id", "card_number", "started_at"],
            unique=False,
            sqlite_where=sa.text("driver_id IS NULL AND card_number IS NOT NULL"),
            postgresql_where=sa.text("driver_id IS NULL AND card_number IS NOT NULL"),
        )

    op.create_table(
        "driver_card",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("driver_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=80), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["driver_id"], ["driver.id"], name=op.f("fk_driver_card_driver_id_driver"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_driver_card")),
        sa.UniqueConstraint("driver_id", "number", name=op.f("uq_driver_card_driver_id_number")),
    )
    op.create_index("ix_driver_card_number", "driver_card", ["number"], unique=False)

    op.create_table(
        "coverage",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_coverage_ends_after_start")),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connector.id"], name=op.f("fk_coverage_connector_id_connector"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["session_import.id"], name=op.f("fk_coverage_import_id_session_import"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coverage")),
    )
    with op.batch_alter_table("coverage", schema=None) as batch_op:
        batch_op.create_index("ix_coverage_connector_id_starts_at", ["connector_id", "starts_at"], unique=False)

    op.create_table(
        "flagged_row",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("external_id", sa.String(length=120), nullable=False),
        sa.Column("cells", sa.JSON(), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=True),
        sa.Column("settled_by_id", sa.Integer(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["session_import.id"],
            name=op.f("fk_flagged_row_import_id_session_import"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_flagged_row_owner_id_account")),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["charging_session.id"],
            name=op.f("fk_flagged_row_session_id_charging_session"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["settled_by_id"], ["account.id"], name=op.f("fk_flagged_row_settled_by_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flagged_row")),
        sa.UniqueConstraint(
            "owner_id", "source", "external_id", name=op.f("uq_flagged_row_owner_id_source_external_id")
        ),
    )
    with op.batch_alter_table("flagged_row", schema=None) as batch_op:
        batch_op.create_index("ix_flagged_row_import_id_line", ["import_id", "line"], unique=False)
        batch_op.create_index("ix_flagged_row_owner_id_state", ["owner_id", "state"], unique=False)

    op.create_table(
        "quarter_hour",
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("quality", sa.String(length=1), nullable=False),
        sa.CheckConstraint("quality IN ('W', 'E')", name=op.f("ck_quarter_hour_quality_is_known")),
        sa.CheckConstraint("energy_wh > 0", name=op.f("ck_quarter_hour_energy_is_positive")),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connector.id"], name=op.f("fk_quarter_hour_connector_id_connector"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["charging_session.id"],
            name=op.f("fk_quarter_hour_session_id_charging_session"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connector_id", "starts_at", "session_id", name=op.f("pk_quarter_hour")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("quarter_hour", schema=None) as batch_op:
        batch_op.create_index("ix_quarter_hour_session_id", ["session_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("quarter_hour", schema=None) as batch_op:
        batch_op.drop_index("ix_quarter_hour_session_id")

    op.drop_table("quarter_hour")

    with op.batch_alter_table("flagged_row", schema=None) as batch_op:
        batch_op.drop_index("ix_flagged_row_owner_id_state")
        batch_op.drop_index("ix_flagged_row_import_id_line")

    op.drop_table("flagged_row")

    with op.batch_alter_table("coverage", schema=None) as batch_op:
        batch_op.drop_index("ix_coverage_connector_id_starts_at")

    op.drop_table("coverage")

    op.drop_index("ix_driver_card_number", table_name="driver_card")
    op.drop_table("driver_card")

    with op.batch_alter_table("charging_session", schema=None) as batch_op:
        batch_op.drop_index("ix_charging_session_unknown_card")
        batch_op.drop_index("ix_charging_session_owner_id_started_at")
        batch_op.drop_index(batch_op.f("ix_charging_session_import_id"))
        batch_op.drop_index("ix_charging_session_driver_id_started_at")
        batch_op.drop_index("ix_charging_session_connector_id_started_at")

    op.drop_table("charging_session")

    with op.batch_alter_table("session_import", schema=None) as batch_op:
        batch_op.drop_index("ix_session_import_state")
        batch_op.drop_index("ix_session_import_owner_id_created_at")

    op.drop_table("session_import")

    op.drop_table("import_mapping")

    with op.batch_alter_table("driver", schema=None) as batch_op:
        batch_op.drop_index("ix_driver_email")

    op.drop_table("driver")
