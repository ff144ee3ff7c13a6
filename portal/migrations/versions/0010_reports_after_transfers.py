"""whose property a report told of, and monthly reports that stopped because it went to another account"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("report_schedule", sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("report") as table:
        table.add_column(sa.Column("owner_id", sa.Integer(), nullable=True))
        table.create_foreign_key(op.f("fk_report_owner_id_account"), "account", ["owner_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("report") as table:
        table.drop_constraint(op.f("fk_report_owner_id_account"), type_="foreignkey")
        table.drop_column("owner_id")
    op.drop_column("report_schedule", "stopped_at")
