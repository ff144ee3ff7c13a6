"""special users, price rules, cards, what connectors said earlier, what sessions cost"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = ("session_cost", "special_user", "connector_terms", "special_user_request", "price_rule", "card")


def upgrade() -> None:
    _card()
    _price_rule()
    _special_user_request()
    _connector_terms()
    _special_user()
    _session_cost()


def _card() -> None:
    op.create_table(
        "card",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("user_group_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("replaced_by_id", sa.Integer(), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('active', 'blocked', 'replaced')", name=op.f("ck_card_state_is_known")),
        sa.CheckConstraint(
            "(user_group_id IS NULL) <> (account_id IS NULL)", name=op.f("ck_card_of_a_user_group_or_an_account")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_card_account_id_account")),
        sa.ForeignKeyConstraint(
            ["replaced_by_id"], ["card.id"], name=op.f("fk_card_replaced_by_id_card"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_group_id"], ["user_group.id"], name=op.f("fk_card_user_group_id_user_group"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card")),
        sa.UniqueConstraint("number", name=op.f("uq_card_number")),
    )
    op.create_index(op.f("ix_card_account_id"), "card", ["account_id"], unique=False)
    op.create_index(op.f("ix_card_replaced_by_id"), "card", ["replaced_by_id"], unique=False)
    op.create_index(op.f("ix_card_user_group_id"), "card", ["user_group_id"], unique=False)


def _price_rule() -> None:
    op.create_table(
        "price_rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("user_group_id", sa.Integer(), nullable=False),
        sa.Column("station_group_id", sa.Integer(), nullable=True),
        sa.Column("price_per_kwh", sa.Integer(), nullable=False),
        sa.Column("price_per_hour", sa.Integer(), nullable=False),
        sa.Column("price_per_session", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_price_rule_ends_after_it_starts")),
        sa.CheckConstraint(
            "price_per_kwh >= 0 AND price_per_hour >= 0 AND price_per_session >= 0",
            name=op.f("ck_price_rule_prices_are_not_negative"),
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_price_rule_owner_id_account")),
        sa.ForeignKeyConstraint(
            ["station_group_id", "owner_id"],
            ["station_group.id", "station_group.owner_id"],
            name=op.f("fk_price_rule_station_group_id_owner_id_station_group"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_group_id"],
            ["user_group.id"],
            name=op.f("fk_price_rule_user_group_id_user_group"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_rule")),
    )
    op.create_index("ix_price_rule_owner_id", "price_rule", ["owner_id"], unique=False)
    op.create_index("ix_price_rule_station_group_id", "price_rule", ["station_group_id"], unique=False)
    op.create_index(op.f("ix_price_rule_user_group_id"), "price_rule", ["user_group_id"], unique=False)


def _special_user_request() -> None:
    op.create_table(
        "special_user_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("station_group_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("declined_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_special_user_request_account_id_account")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_special_user_request_owner_id_account")),
        sa.ForeignKeyConstraint(
            ["station_group_id", "owner_id"],
            ["station_group.id", "station_group.owner_id"],
            name=op.f("fk_special_user_request_station_group_id_owner_id_station_group"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_special_user_request")),
        sa.UniqueConstraint(
            "station_group_id", "account_id", name=op.f("uq_special_user_request_station_group_id_account_id")
        ),
    )
    op.create_index(op.f("ix_special_user_request_account_id"), "special_user_request", ["account_id"], unique=False)
    op.create_index(op.f("ix_special_user_request_owner_id"), "special_user_request", ["owner_id"], unique=False)


def _connector_terms() -> None:
    op.create_table(
        "connector_terms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("access", sa.String(length=20), nullable=False),
        sa.Column("price_per_kwh", sa.Integer(), nullable=False),
        sa.Column("price_per_hour", sa.Integer(), nullable=False),
        sa.Column("windows", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connector_id"],
            ["connector.id"],
            name=op.f("fk_connector_terms_connector_id_connector"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connector_terms")),
        sa.UniqueConstraint("connector_id", "since", name=op.f("uq_connector_terms_connector_id_since")),
    )


def _special_user() -> None:
    op.create_table(
        "special_user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("station_group_id", sa.Integer(), nullable=True),
        sa.Column("station_id", sa.Integer(), nullable=True),
        sa.Column("connector_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("user_group_id", sa.Integer(), nullable=True),
        sa.Column("price_per_kwh", sa.Integer(), nullable=True),
        sa.Column("price_per_hour", sa.Integer(), nullable=True),
        sa.Column("price_per_session", sa.Integer(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by_id", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(price_per_kwh IS NULL) = (price_per_hour IS NULL) AND (price_per_kwh IS NULL) = (price_per_session IS NULL)",
            name=op.f("ck_special_user_a_whole_price_or_none"),
        ),
        sa.CheckConstraint(
            "(station_group_id IS NULL) <> (station_id IS NULL)", name=op.f("ck_special_user_at_one_place")
        ),
        sa.CheckConstraint(
            "(user_group_id IS NULL) <> (email IS NULL)", name=op.f("ck_special_user_a_user_group_or_an_email")
        ),
        sa.CheckConstraint(
            "connector_id IS NULL OR station_id IS NOT NULL", name=op.f("ck_special_user_connector_of_a_station")
        ),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_special_user_email_is_lower_case")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_special_user_ends_after_it_starts")),
        sa.CheckConstraint(
            "price_per_kwh >= 0 AND price_per_hour >= 0 AND price_per_session >= 0",
            name=op.f("ck_special_user_prices_are_not_negative"),
        ),
        sa.ForeignKeyConstraint(["added_by_id"], ["account.id"], name=op.f("fk_special_user_added_by_id_account")),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connector.id"], name=op.f("fk_special_user_connector_id_connector"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_special_user_owner_id_account")),
        sa.ForeignKeyConstraint(
            ["station_group_id", "owner_id"],
            ["station_group.id", "station_group.owner_id"],
            name=op.f("fk_special_user_station_group_id_owner_id_station_group"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["station_id", "owner_id"],
            ["station.id", "station.owner_id"],
            name=op.f("fk_special_user_station_id_owner_id_station"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_group_id"],
            ["user_group.id"],
            name=op.f("fk_special_user_user_group_id_user_group"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_special_user")),
    )
    op.create_index(op.f("ix_special_user_connector_id"), "special_user", ["connector_id"], unique=False)
    op.create_index("ix_special_user_email", "special_user", ["email"], unique=False)
    op.create_index("ix_special_user_owner_id", "special_user", ["owner_id"], unique=False)
    op.create_index("ix_special_user_station_group_id", "special_user", ["station_group_id"], unique=False)
    op.create_index("ix_special_user_station_id", "special_user", ["station_id"], unique=False)
    op.create_index(op.f("ix_special_user_user_group_id"), "special_user", ["user_group_id"], unique=False)


def _session_cost() -> None:
    op.create_table(
        "session_cost",
        sa.Column("session_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("energy", sa.Integer(), nullable=False),
        sa.Column("time", sa.Integer(), nullable=False),
        sa.Column("parking", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("rounding", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("gap", sa.Boolean(), nullable=False),
        sa.Column("vat_permille", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("decisions", sa.JSON(), nullable=False),
        sa.Column("calculated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "total = energy + time + parking + start + rounding", name=op.f("ck_session_cost_parts_add_up_to_the_total")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["charging_session.id"],
            name=op.f("fk_session_cost_session_id_charging_session"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_session_cost")),
    )
    op.create_index(
        "ix_session_cost_gap",
        "session_cost",
        ["session_id"],
        unique=False,
        sqlite_where=sa.text("gap IS 1"),
        postgresql_where=sa.text("gap IS true"),
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
