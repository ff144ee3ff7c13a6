"""stations with their connectors and opening times; station groups and who they are shared with"""

import sqlalchemy as sa
from alembic import op

revision = "0001_stations"
down_revision = "0001_accounts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "station",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("reference", sa.String(length=80), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("address", sa.String(length=250), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("canton", sa.String(length=2), nullable=True),
        sa.Column("support_contact", sa.String(length=200), nullable=False),
        sa.Column("vat_permille", sa.Integer(), nullable=True),
        sa.Column("image_file_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name=op.f("ck_station_latitude_on_earth")),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", name=op.f("ck_station_longitude_on_earth")),
        sa.ForeignKeyConstraint(
            ["image_file_id"],
            ["stored_file.id"],
            name=op.f("fk_station_image_file_id_stored_file"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_station_owner_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station")),
        sa.UniqueConstraint("id", "owner_id", name=op.f("uq_station_id_owner_id")),
        sa.UniqueConstraint("owner_id", "reference", name=op.f("uq_station_owner_id_reference")),
    )
    with op.batch_alter_table("station", schema=None) as batch_op:
        batch_op.create_index("ix_station_owner_id_name", ["owner_id", "name", "id"], unique=False)

    op.create_table(
        "station_group",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_station_group_owner_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station_group")),
        sa.UniqueConstraint("id", "owner_id", name=op.f("uq_station_group_id_owner_id")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_station_group_owner_id_name")),
    )
    with op.batch_alter_table("station_group", schema=None) as batch_op:
        batch_op.create_index("ix_station_group_owner_id_id", ["owner_id", "id"], unique=False)

    op.create_table(
        "connector",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("station_id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("plug_type", sa.String(length=20), nullable=False),
        sa.Column("max_power_w", sa.Integer(), nullable=True),
        sa.Column("access", sa.String(length=20), nullable=False),
        sa.Column("price_per_kwh", sa.Integer(), nullable=False),
        sa.Column("price_per_hour", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=True),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("out_of_service", sa.Boolean(), nullable=False),
        sa.Column("device_location_id", sa.String(length=80), nullable=True),
        sa.Column("factory_no", sa.String(length=80), nullable=True),
        sa.Column("internal_no", sa.String(length=80), nullable=True),
        sa.Column("metering_code", sa.String(length=80), nullable=True),
        sa.CheckConstraint("max_power_w > 0", name=op.f("ck_connector_power_is_positive")),
        sa.CheckConstraint("number > 0", name=op.f("ck_connector_number_counts_from_one")),
        sa.CheckConstraint(
            "price_per_kwh >= 0 AND price_per_hour >= 0", name=op.f("ck_connector_prices_are_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["station_id", "owner_id"],
            ["station.id", "station.owner_id"],
            name=op.f("fk_connector_station_id_owner_id_station"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connector")),
        sa.UniqueConstraint("owner_id", "device_location_id", name=op.f("uq_connector_owner_id_device_location_id")),
        sa.UniqueConstraint("owner_id", "factory_no", name=op.f("uq_connector_owner_id_factory_no")),
        sa.UniqueConstraint("owner_id", "internal_no", name=op.f("uq_connector_owner_id_internal_no")),
        sa.UniqueConstraint("owner_id", "metering_code", name=op.f("uq_connector_owner_id_metering_code")),
        sa.UniqueConstraint("station_id", "number", name=op.f("uq_connector_station_id_number")),
    )

    op.create_table(
        "station_group_station",
        sa.Column("station_group_id", sa.Integer(), nullable=False),
        sa.Column("station_id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station_group_id", "owner_id"],
            ["station_group.id", "station_group.owner_id"],
            name=op.f("fk_station_group_station_station_group_id_owner_id_station_group"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["station_id", "owner_id"],
            ["station.id", "station.owner_id"],
            name=op.f("fk_station_group_station_station_id_owner_id_station"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("station_group_id", "station_id", name=op.f("pk_station_group_station")),
    )
    with op.batch_alter_table("station_group_station", schema=None) as batch_op:
        batch_op.create_index("ix_station_group_station_station_id", ["station_id", "station_group_id"], unique=False)

    op.create_table(
        "station_group_grant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("station_group_id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("user_group_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("granted_by_id", sa.Integer(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("under_grant_id", sa.Integer(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hides_drivers", sa.Boolean(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by_id", sa.Integer(), nullable=True),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('display', 'manage', 'administrate')", name=op.f("ck_station_group_grant_role_is_a_permission")
        ),
        sa.CheckConstraint(
            "(user_group_id IS NULL) <> (email IS NULL)",
            name=op.f("ck_station_group_grant_to_a_user_group_or_an_email"),
        ),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_station_group_grant_email_is_lower_case")),
        sa.ForeignKeyConstraint(
            ["granted_by_id"], ["account.id"], name=op.f("fk_station_group_grant_granted_by_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["revoked_by_id"], ["account.id"], name=op.f("fk_station_group_grant_revoked_by_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["station_group_id", "owner_id"],
            ["station_group.id", "station_group.owner_id"],
            name=op.f("fk_station_group_grant_station_group_id_owner_id_station_group"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["under_grant_id"],
            ["station_group_grant.id"],
            name=op.f("fk_station_group_grant_under_grant_id_station_group_grant"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_group_id", "owner_id"],
            ["user_group.id", "user_group.owner_id"],
            name=op.f("fk_station_group_grant_user_group_id_owner_id_user_group"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station_group_grant")),
    )
    with op.batch_alter_table("station_group_grant", schema=None) as batch_op:
        batch_op.create_index("ix_station_group_grant_email", ["email", "station_group_id"], unique=False)
        batch_op.create_index("ix_station_group_grant_station_group_id", ["station_group_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_station_group_grant_under_grant_id"), ["under_grant_id"], unique=False)
        batch_op.create_index(
            "ix_station_group_grant_user_group_id", ["user_group_id", "station_group_id"], unique=False
        )

    op.create_table(
        "opening_time",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("opens", sa.Integer(), nullable=False),
        sa.Column("closes", sa.Integer(), nullable=False),
        sa.Column("access", sa.String(length=20), nullable=False),
        sa.Column("price_per_kwh", sa.Integer(), nullable=False),
        sa.Column("price_per_hour", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "opens >= 0 AND opens < closes AND closes <= 1440", name=op.f("ck_opening_time_opens_before_it_closes")
        ),
        sa.CheckConstraint("weekday BETWEEN 0 AND 7", name=op.f("ck_opening_time_weekday_from_monday")),
        sa.ForeignKeyConstraint(
            ["connector_id"], ["connector.id"], name=op.f("fk_opening_time_connector_id_connector"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opening_time")),
    )
    with op.batch_alter_table("opening_time", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_opening_time_connector_id"), ["connector_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("opening_time", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_opening_time_connector_id"))

    op.drop_table("opening_time")

    with op.batch_alter_table("station_group_grant", schema=None) as batch_op:
        batch_op.drop_index("ix_station_group_grant_user_group_id")
        batch_op.drop_index(batch_op.f("ix_station_group_grant_under_grant_id"))
        batch_op.drop_index("ix_station_group_grant_station_group_id")
        batch_op.drop_index("ix_station_group_grant_email")

    op.drop_table("station_group_grant")

    with op.batch_alter_table("station_group_station", schema=None) as batch_op:
        batch_op.drop_index("ix_station_group_station_station_id")

    op.drop_table("station_group_station")

    op.drop_table("connector")

    with op.batch_alter_table("station_group", schema=None) as batch_op:
        batch_op.drop_index("ix_station_group_owner_id_id")

    op.drop_table("station_group")

    with op.batch_alter_table("station", schema=None) as batch_op:
        batch_op.drop_index("ix_station_owner_id_name")

    op.drop_table("station")
