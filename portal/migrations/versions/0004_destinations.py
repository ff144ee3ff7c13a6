"""FTPS, certificates, legacy SSH, ways to write, and things that are lent by name"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LOANS = ("destination", "formatter")


def _columns() -> tuple[sa.Column, ...]:
    """What a destination gets. Every default is what destinations of before did already."""
    return (
        sa.Column("certificate_check", sa.String(length=10), nullable=False, server_default="system"),
        sa.Column("own_ca", sa.Text(), nullable=False, server_default=""),
        sa.Column("certificate_fingerprint", sa.String(length=120), nullable=True),
        sa.Column("certificate_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("certificate_confirmed_by_id", sa.Integer(), nullable=True),
        sa.Column("changed_to", sa.String(length=200), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("legacy_ssh", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("make_directory", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("writing", sa.String(length=20), nullable=False, server_default="hidden"),
        sa.Column("temporary_directory", sa.String(length=250), nullable=False, server_default=""),
        sa.Column("done_suffix", sa.String(length=20), nullable=False, server_default=""),
    )


def upgrade() -> None:
    with op.batch_alter_table("destination", schema=None) as batch_op:
        batch_op.alter_column(
            "protocol", existing_type=sa.String(length=10), type_=sa.String(length=20), existing_nullable=False
        )
        for column in _columns():
            batch_op.add_column(column)
        batch_op.create_foreign_key(
            op.f("fk_destination_certificate_confirmed_by_id_account"),
            "account",
            ["certificate_confirmed_by_id"],
            ["id"],
        )
    for thing in LOANS:
        _create_loans(thing)


def _create_loans(thing: str) -> None:
    table = f"{thing}_loan"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(f"{thing}_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("lent_by_id", sa.Integer(), nullable=False),
        sa.Column("lent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("email = lower(email)", name=op.f(f"ck_{table}_email_is_lower_case")),
        sa.ForeignKeyConstraint(
            [f"{thing}_id"], [f"{thing}.id"], name=op.f(f"fk_{table}_{thing}_id_{thing}"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["lent_by_id"], ["account.id"], name=op.f(f"fk_{table}_lent_by_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(f"ix_{table}_email", table, ["email", "ended_at"], unique=False)
    op.create_index(
        f"uq_{table}_open",
        table,
        [f"{thing}_id", "email"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    for thing in LOANS:
        op.drop_index(f"uq_{thing}_loan_open", table_name=f"{thing}_loan")
        op.drop_index(f"ix_{thing}_loan_email", table_name=f"{thing}_loan")
        op.drop_table(f"{thing}_loan")
    with op.batch_alter_table("destination", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("fk_destination_certificate_confirmed_by_id_account"), type_="foreignkey")
        for column in _columns():
            batch_op.drop_column(column.name)
        batch_op.alter_column(
            "protocol", existing_type=sa.String(length=20), type_=sa.String(length=10), existing_nullable=False
        )
