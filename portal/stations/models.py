"""Stations, connectors, station groups and grants.

`owner_id` stands in every table and in the composite foreign keys, so that the schema itself refuses a station, a
group and a user group of different owners side by side.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core import clock
from portal.core.db import Base

IDENTIFIERS = ("device_location_id", "factory_no", "internal_no", "metering_code")


class PlugType(StrEnum):
    TYPE_2 = "type_2"
    SCHUKO = "schuko"
    SWISS = "swiss"
    UK = "uk"
    CCS = "ccs"
    CHADEMO = "chademo"


class Access(StrEnum):
    PUBLIC = "public"  # everyone
    LIMITED = "limited"  # owner and special users
    PRIVATE = "private"  # owner only


class ConnectorState(StrEnum):
    """As reported by OCPP 1.6 StatusNotification."""

    AVAILABLE = "available"
    PREPARING = "preparing"
    CHARGING = "charging"
    SUSPENDED_EVSE = "suspended_evse"
    SUSPENDED_EV = "suspended_ev"
    FINISHING = "finishing"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"


class Permission(StrEnum):
    DISPLAY = "display"
    MANAGE = "manage"
    ADMINISTRATE = "administrate"


class Station(Base):
    """A charging station. `reference` is its name in other systems' files (charge box id), unique per owner."""

    __tablename__ = "station"
    __table_args__ = (
        sa.UniqueConstraint("id", "owner_id"),
        sa.UniqueConstraint("owner_id", "reference"),
        sa.Index("ix_station_owner_id_name", "owner_id", "name", "id"),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", "latitude_on_earth"),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", "longitude_on_earth"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(sa.String(120))
    reference: Mapped[str | None] = mapped_column(sa.String(80))
    description: Mapped[str] = mapped_column(sa.Text, default="")
    address: Mapped[str] = mapped_column(sa.String(250), default="")
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    canton: Mapped[str | None] = mapped_column(sa.String(2))  # whose public holidays the opening times follow
    support_contact: Mapped[str] = mapped_column(sa.String(200), default="")
    vat_permille: Mapped[int | None]  # 81 is 8.1 %
    image_file_id: Mapped[int | None] = mapped_column(sa.ForeignKey("stored_file.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    connectors: Mapped[list["Connector"]] = relationship(
        back_populates="station",
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="Connector.number",
    )


class Connector(Base):
    """A numbered outlet of a station: what has parameters, a meter, identifiers and prices.

    Prices are in hundredths of a Rappen, so that 37.5 Rp./kWh is 3750.
    """

    __tablename__ = "connector"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["station_id", "owner_id"],
            ["station.id", "station.owner_id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.UniqueConstraint("station_id", "number"),
        *(sa.UniqueConstraint("owner_id", identifier) for identifier in IDENTIFIERS),
        sa.CheckConstraint("number > 0", "number_counts_from_one"),
        sa.CheckConstraint("max_power_w > 0", "power_is_positive"),
        sa.CheckConstraint("price_per_kwh >= 0 AND price_per_hour >= 0", "prices_are_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    station_id: Mapped[int]
    owner_id: Mapped[int]
    number: Mapped[int]
    plug_type: Mapped[str] = mapped_column(sa.String(20), default=PlugType.TYPE_2.value)
    max_power_w: Mapped[int | None]
    access: Mapped[str] = mapped_column(sa.String(20), default=Access.PRIVATE.value)
    price_per_kwh: Mapped[int] = mapped_column(default=0)
    price_per_hour: Mapped[int] = mapped_column(default=0)
    state: Mapped[str | None] = mapped_column(sa.String(20))  # none: no live connection
    state_at: Mapped[datetime | None]
    out_of_service: Mapped[bool] = mapped_column(default=False)  # set by a person
    device_location_id: Mapped[str | None] = mapped_column(sa.String(80))
    factory_no: Mapped[str | None] = mapped_column(sa.String(80))
    internal_no: Mapped[str | None] = mapped_column(sa.String(80))
    metering_code: Mapped[str | None] = mapped_column(sa.String(80))
    station: Mapped[Station] = relationship(back_populates="connectors")
    opening_times: Mapped[list["OpeningTime"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="OpeningTime.weekday, OpeningTime.opens"
    )

    @property
    def may_be_limited(self) -> bool:
        """Whether it is Limited, always or at times."""
        accesses = [self.access, *(window.access for window in self.opening_times)]
        return Access.LIMITED.value in accesses


class OpeningTime(Base):
    """A weekly window in which a connector has another access and other prices. Minutes of the local day; weekday 7
    stands for public holidays."""

    __tablename__ = "opening_time"
    __table_args__ = (
        sa.CheckConstraint("weekday BETWEEN 0 AND 7", "weekday_from_monday"),
        sa.CheckConstraint("opens >= 0 AND opens < closes AND closes <= 1440", "opens_before_it_closes"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    connector_id: Mapped[int] = mapped_column(sa.ForeignKey("connector.id", ondelete="CASCADE"), index=True)
    weekday: Mapped[int]
    opens: Mapped[int]
    closes: Mapped[int]
    access: Mapped[str] = mapped_column(sa.String(20))
    price_per_kwh: Mapped[int]
    price_per_hour: Mapped[int]


class ConnectorTerms(Base):
    """What a connector said about access and prices from an instant on, first of all since its station is there. One
    that never changed has no row. Time before the first row goes by what the connector says now."""

    __tablename__ = "connector_terms"
    __table_args__ = (sa.UniqueConstraint("connector_id", "since"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    connector_id: Mapped[int] = mapped_column(sa.ForeignKey("connector.id", ondelete="CASCADE"))
    since: Mapped[datetime]
    access: Mapped[str] = mapped_column(sa.String(20))
    price_per_kwh: Mapped[int]
    price_per_hour: Mapped[int]
    windows: Mapped[list[Any]]  # the fields of opening.Window, one list each


class StationGroup(Base):
    """A named set of stations of one owner. A station can be in several."""

    __tablename__ = "station_group"
    __table_args__ = (
        sa.UniqueConstraint("id", "owner_id"),
        sa.UniqueConstraint("owner_id", "name"),
        sa.Index("ix_station_group_owner_id_id", "owner_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(sa.String(120))
    description: Mapped[str] = mapped_column(sa.Text, default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class StationGroupStation(Base):
    """A station in a station group of the same owner."""

    __tablename__ = "station_group_station"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["station_group_id", "owner_id"],
            ["station_group.id", "station_group.owner_id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["station_id", "owner_id"],
            ["station.id", "station.owner_id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.Index("ix_station_group_station_station_id", "station_id", "station_group_id"),
    )

    station_group_id: Mapped[int] = mapped_column(primary_key=True)
    station_id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]


class Grant(Base):
    """A station group opened to a user group or to one e-mail address, with a permission.

    Grants are history: several may stand side by side, the strongest counts, an ended one stays. A grant given by
    somebody who holds the group by a grant himself names that one as `under_grant_id` and ends with it.
    """

    __tablename__ = "station_group_grant"  # GRANT is a word of SQL
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["station_group_id", "owner_id"],
            ["station_group.id", "station_group.owner_id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_group_id", "owner_id"], ["user_group.id", "user_group.owner_id"], ondelete="CASCADE"
        ),
        sa.CheckConstraint("(user_group_id IS NULL) <> (email IS NULL)", "to_a_user_group_or_an_email"),
        sa.CheckConstraint("email = lower(email)", "email_is_lower_case"),
        sa.CheckConstraint("role IN ('display', 'manage', 'administrate')", "role_is_a_permission"),
        sa.Index("ix_station_group_grant_email", "email", "station_group_id"),
        sa.Index("ix_station_group_grant_user_group_id", "user_group_id", "station_group_id"),
        sa.Index("ix_station_group_grant_station_group_id", "station_group_id"),
        sa.Index("ix_station_group_grant_owner_id", "owner_id"),
        sa.Index("ix_station_group_grant_granted_by_id", "granted_by_id"),
        sa.Index("ix_station_group_grant_ends_at", "ends_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    station_group_id: Mapped[int]
    owner_id: Mapped[int]
    role: Mapped[str] = mapped_column(sa.String(20))
    user_group_id: Mapped[int | None]
    email: Mapped[str | None] = mapped_column(sa.String(254))
    granted_by_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    granted_at: Mapped[datetime] = mapped_column(default=clock.now)
    under_grant_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("station_group_grant.id", ondelete="CASCADE"), index=True
    )
    starts_at: Mapped[datetime] = mapped_column(default=clock.now)
    ends_at: Mapped[datetime | None]
    hides_drivers: Mapped[bool] = mapped_column(default=False)
    revoked_at: Mapped[datetime | None]
    revoked_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))
    first_used_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]  # the mail before the end; emptied when the end is moved
    reviewed_at: Mapped[datetime | None]  # last confirmed in a review
    reviewed_by_id: Mapped[int | None]  # no foreign key: SQLite would make the table anew for it
    needed_at: Mapped[datetime | None]  # last confirmed by the holder; by members of a user group on their membership
    needed_by_id: Mapped[int | None]
    station_group: Mapped[StationGroup] = relationship(viewonly=True)
