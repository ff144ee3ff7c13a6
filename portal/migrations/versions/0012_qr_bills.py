"""how owners are paid, where their drivers live, and reports with QR-bills"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("report", "report_schedule"):
        op.add_column(table, sa.Column("with_bills", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "creditor",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("iban", sa.String(length=21), nullable=False),
        sa.Column("with_reference", sa.Boolean(), nullable=False),
        *_address(),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_creditor_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_creditor")),
    )
    op.create_table(
        "driver_address",
        sa.Column("driver_id", sa.Integer(), nullable=False),
        *_address(),
        sa.ForeignKeyConstraint(
            ["driver_id"], ["driver.id"], name=op.f("fk_driver_address_driver_id_driver"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("driver_id", name=op.f("pk_driver_address")),
    )


def _address() -> list[sa.Column[str]]:
    longest = {"name": 70, "street": 70, "house_number": 16, "postcode": 16, "town": 35, "country": 2}
    return [sa.Column(name, sa.String(length=length), nullable=False) for name, length in longest.items()]


def downgrade() -> None:
    op.drop_table("driver_address")
    op.drop_table("creditor")
    for table in ("report_schedule", "report"):
        op.drop_column(table, "with_bills")
