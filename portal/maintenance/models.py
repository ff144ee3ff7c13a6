"""Who receives the maintenance of a station or a station group, and the entries of a station's maintenance.

As with grants `owner_id` stands in the composite foreign keys: the schema itself refuses a place and a user group of
different owners side by side.
"""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core import clock
from portal.core.db import Base


class State(StrEnum):
    """Where an entry stands at an instant."""

    NOTE = "note"
    PLANNED = "planned"
    UNDER_WAY = "under_way"
    OVERDUE = "overdue"  # its end has come, and nobody has said that it is done
    DONE = "done"
    CANCELLED = "cancelled"


class MaintenanceRecipient(Base):
    """A user group or an e-mail address, with or without an account, that hears of planned work at a station, or at
    every station of a station group. It opens nothing: what somebody sees is a matter of grants alone."""

    __tablename__ = "maintenance_recipient"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["station_id", "owner_id"], ["station.id", "station.owner_id"], ondelete="CASCADE", onupdate="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["station_group_id", "owner_id"],
            ["station_group.id", "station_group.owner_id"],
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_group_id", "owner_id"], ["user_group.id", "user_group.owner_id"], ondelete="CASCADE"
        ),
        sa.CheckConstraint("(station_id IS NULL) <> (station_group_id IS NULL)", "of_a_station_or_a_group"),
        sa.CheckConstraint("(user_group_id IS NULL) <> (email IS NULL)", "a_user_group_or_an_email"),
        sa.CheckConstraint("email = lower(email)", "email_is_lower_case"),
        sa.UniqueConstraint("station_id", "email"),
        sa.UniqueConstraint("station_id", "user_group_id"),
        sa.UniqueConstraint("station_group_id", "email"),
        sa.UniqueConstraint("station_group_id", "user_group_id"),
        sa.Index("ix_maintenance_recipient_owner_id", "owner_id"),
        sa.Index("ix_maintenance_recipient_user_group_id", "user_group_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    station_id: Mapped[int | None]
    station_group_id: Mapped[int | None]
    user_group_id: Mapped[int | None]
    email: Mapped[str | None] = mapped_column(sa.String(254))
    added_by_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    added_at: Mapped[datetime] = mapped_column(default=clock.now)


class MaintenanceEntry(Base):
    """A note on a station, or work that is planned there from `starts_at` to `ends_at` and done or called off later.

    `done_by` is the name of who did it, as it was typed; `done_by_id` the account that said so."""

    __tablename__ = "maintenance_entry"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["station_id", "owner_id"], ["station.id", "station.owner_id"], ondelete="CASCADE", onupdate="CASCADE"
        ),
        sa.CheckConstraint("(starts_at IS NULL) = (ends_at IS NULL)", "work_has_both_dates"),
        sa.CheckConstraint("ends_at > starts_at", "ends_after_it_starts"),
        sa.CheckConstraint("done_at IS NULL OR cancelled_at IS NULL", "done_or_cancelled"),
        sa.Index("ix_maintenance_entry_station_id", "station_id", "written_at"),
        sa.Index(
            "ix_maintenance_entry_open",
            "station_id",
            "starts_at",
            sqlite_where=sa.text("starts_at IS NOT NULL AND done_at IS NULL AND cancelled_at IS NULL"),
            postgresql_where=sa.text("starts_at IS NOT NULL AND done_at IS NULL AND cancelled_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    station_id: Mapped[int]
    owner_id: Mapped[int]
    text: Mapped[str] = mapped_column(sa.Text)
    starts_at: Mapped[datetime | None]  # none: a note
    ends_at: Mapped[datetime | None]
    written_at: Mapped[datetime] = mapped_column(default=clock.now)
    written_by_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    done_at: Mapped[datetime | None]
    done_by: Mapped[str] = mapped_column(sa.String(120), default="")
    done_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))
    remark: Mapped[str] = mapped_column(sa.Text, default="")  # what was done
    cancelled_at: Mapped[datetime | None]
    cancelled_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))

    @property
    def is_open(self) -> bool:
        """Whether it is work that is neither done nor called off."""
        return self.starts_at is not None and self.done_at is None and self.cancelled_at is None

    def state(self, at: datetime) -> State:
        if self.starts_at is None or self.ends_at is None:
            return State.NOTE
        if self.cancelled_at is not None:
            return State.CANCELLED
        if self.done_at is not None:
            return State.DONE
        if self.ends_at <= at:
            return State.OVERDUE
        return State.UNDER_WAY if self.starts_at <= at else State.PLANNED
