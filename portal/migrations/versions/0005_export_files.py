"""several files of a run, what they say of each meter, corrections, notices, webhooks"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TASK_COLUMNS = ("periods_per_file", "corrections", "pause_after", "failures", "trouble_since", "paused_reason")


def upgrade() -> None:
    op.create_table(
        "export_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("temporary_name", sa.String(length=255), nullable=True),
        sa.Column("uploaded_to", sa.String(length=64), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["export_run.id"], name=op.f("fk_export_file_run_id_export_run"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["stored_file.id"], name=op.f("fk_export_file_file_id_stored_file"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_file")),
        sa.UniqueConstraint("run_id", "position", name=op.f("uq_export_file_run_id_position")),
    )
    op.create_index("ix_export_file_name", "export_file", ["name"])
    op.create_index(op.f("ix_export_file_file_id"), "export_file", ["file_id"])
    op.create_table(
        "export_value",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=True),
        sa.Column("meter", sa.String(length=300), nullable=False),
        sa.Column("identifier", sa.String(length=80), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("measured", sa.Integer(), nullable=False),
        sa.Column("substitute", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("register_wh", sa.BigInteger(), nullable=True),
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["export_run.id"], name=op.f("fk_export_value_run_id_export_run"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["connector_id"],
            ["connector.id"],
            name=op.f("fk_export_value_connector_id_connector"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("run_id", "position", "starts_at", name=op.f("pk_export_value")),
    )
    op.create_index("ix_export_value_connector_id", "export_value", ["connector_id"])
    op.create_table(
        "export_gap",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("meter", sa.String(length=300), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["export_run.id"], name=op.f("fk_export_gap_run_id_export_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_export_gap")),
    )
    op.create_table(
        "export_notice",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=10), nullable=False),
        sa.Column("digest_on", sa.Date(), nullable=True),
        sa.Column("webhook_host", sa.String(length=255), nullable=True),
        sa.Column("sealed_webhook_url", sa.Text(), nullable=True),
        sa.Column("sealed_webhook_secret", sa.Text(), nullable=True),
        sa.CheckConstraint("digest IN ('never', 'attention', 'daily')", name=op.f("ck_export_notice_digest_is_known")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_export_notice_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_export_notice")),
    )
    op.create_index("ix_export_notice_digest_on", "export_notice", ["digest_on"])
    op.create_table(
        "webhook_message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.String(length=300), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('due', 'sent', 'failed')", name=op.f("ck_webhook_message_state_is_known")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_webhook_message_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_message")),
    )
    op.create_index("ix_webhook_message_state_not_before", "webhook_message", ["state", "not_before"])
    op.create_index("ix_webhook_message_account_id", "webhook_message", ["account_id", "id"])
    op.create_table(
        "energy_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connector_id"],
            ["connector.id"],
            name=op.f("fk_energy_change_connector_id_connector"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_energy_change")),
    )
    op.create_index(op.f("ix_energy_change_connector_id"), "energy_change", ["connector_id"])

    with op.batch_alter_table("export_task") as task:
        task.add_column(sa.Column("periods_per_file", sa.Integer(), nullable=False, server_default="1"))
        task.add_column(sa.Column("corrections", sa.String(length=10), nullable=False, server_default="confirm"))
        task.add_column(sa.Column("pause_after", sa.Integer(), nullable=False, server_default="20"))
        task.add_column(sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
        task.add_column(sa.Column("trouble_since", sa.DateTime(timezone=True), nullable=True))
        task.add_column(sa.Column("paused_reason", sa.JSON(), nullable=False, server_default="{}"))
        task.create_check_constraint(op.f("ck_export_task_a_file_has_a_period"), "periods_per_file >= 1")
    op.execute(
        "INSERT INTO export_file (run_id, position, name, file_id, size, sha256, temporary_name, uploaded_to,"
        " published_at) SELECT id, 0, file_name, file_id, size, sha256, temporary_name, uploaded_to, delivered_at"
        " FROM export_run WHERE file_name IS NOT NULL AND sha256 IS NOT NULL AND size IS NOT NULL"
    )
    with op.batch_alter_table("export_run") as run:
        run.add_column(sa.Column("interval", sa.String(length=10), nullable=False, server_default="monthly"))
        run.add_column(sa.Column("kind", sa.String(length=20), nullable=False, server_default="schedule"))
        run.add_column(sa.Column("built_at", sa.DateTime(timezone=True), nullable=True))
        run.add_column(sa.Column("replaces", sa.Boolean(), nullable=False, server_default=sa.false()))
        run.add_column(sa.Column("compare", sa.Boolean(), nullable=False, server_default=sa.false()))
        run.add_column(sa.Column("gap_count", sa.Integer(), nullable=False, server_default="0"))
    op.execute('UPDATE export_run SET "interval" = (SELECT "interval" FROM export_task WHERE id = task_id)')
    op.execute("UPDATE export_run SET built_at = created_at WHERE sha256 IS NOT NULL")
    with op.batch_alter_table("export_run") as run:
        run.drop_index("ix_export_run_file_name")
        run.drop_constraint(op.f("fk_export_run_file_id_stored_file"), type_="foreignkey")
        for column in ("file_id", "file_name", "temporary_name", "uploaded_to", "sha256"):
            run.drop_column(column)
        run.create_index(
            "ix_export_run_compare",
            ["compare"],
            sqlite_where=sa.text("compare"),
            postgresql_where=sa.text("compare"),
        )


def downgrade() -> None:
    with op.batch_alter_table("export_run") as run:
        run.drop_index("ix_export_run_compare")
        run.add_column(sa.Column("file_id", sa.Integer(), nullable=True))
        run.add_column(sa.Column("file_name", sa.String(length=200), nullable=True))
        run.add_column(sa.Column("temporary_name", sa.String(length=255), nullable=True))
        run.add_column(sa.Column("uploaded_to", sa.String(length=64), nullable=True))
        run.add_column(sa.Column("sha256", sa.String(length=64), nullable=True))
        run.create_foreign_key(
            op.f("fk_export_run_file_id_stored_file"), "stored_file", ["file_id"], ["id"], ondelete="SET NULL"
        )
        run.create_index("ix_export_run_file_name", ["file_name"])
    for column in ("file_id", "name AS file_name", "temporary_name", "uploaded_to", "sha256"):
        source, _, target = column.partition(" AS ")
        op.execute(
            f"UPDATE export_run SET {target or source} = (SELECT {source} FROM export_file"
            " WHERE run_id = export_run.id AND position = 0)"
        )
    with op.batch_alter_table("export_run") as run:
        for column in ("interval", "kind", "built_at", "replaces", "compare", "gap_count"):
            run.drop_column(column)
    with op.batch_alter_table("export_task") as task:
        task.drop_constraint(op.f("ck_export_task_a_file_has_a_period"), type_="check")
        for column in TASK_COLUMNS:
            task.drop_column(column)
    for table in ("energy_change", "webhook_message", "export_notice", "export_gap", "export_value", "export_file"):
        op.drop_table(table)
