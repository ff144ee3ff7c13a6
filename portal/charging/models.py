"""Charging sessions, drivers, quarter-hour energy, coverage, imports.

Only good sessions are in `charging_session`, and the schema refuses others; bad rows of a file are kept beside them as
flagged rows until somebody corrects or dismisses them.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core import clock
from portal.core.db import Base
from portal.stations.models import IDENTIFIERS, Connector

UNKNOWN_DRIVER = 0  # no driver's id
_UNKNOWN_CARD = sa.text("driver_id IS NULL AND card_number IS NOT NULL")


class Driver(Base):
    """A driver as one owner knows him: the label of his files, and the e-mail of the driver's account if known.

    Carries the identifiers of the virtual meter for exports of scope *driver*.
    """

    __tablename__ = "driver"
    __table_args__ = (
        sa.UniqueConstraint("owner_id", "label"),
        sa.UniqueConstraint("owner_id", "email"),
        *(sa.UniqueConstraint("owner_id", identifier) for identifier in IDENTIFIERS),
        sa.Index("ix_driver_email", "email"),
        sa.CheckConstraint("email = lower(email)", "email_is_lower_case"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    label: Mapped[str] = mapped_column(sa.String(120))
    email: Mapped[str | None] = mapped_column(sa.String(254))
    device_location_id: Mapped[str | None] = mapped_column(sa.String(80))
    factory_no: Mapped[str | None] = mapped_column(sa.String(80))
    internal_no: Mapped[str | None] = mapped_column(sa.String(80))
    metering_code: Mapped[str | None] = mapped_column(sa.String(80))


class ChargingSession(Base):
    """One charging session that counts. `external_id` is its name at the source, unique there."""

    __tablename__ = "charging_session"
    __table_args__ = (
        sa.UniqueConstraint("owner_id", "source", "external_id"),
        sa.Index("ix_charging_session_connector_id_started_at", "connector_id", "started_at"),
        sa.Index("ix_charging_session_driver_id_started_at", "driver_id", "started_at"),
        sa.Index("ix_charging_session_owner_id_started_at", "owner_id", "started_at"),
        sa.Index(
            "ix_charging_session_unknown_card",
            "owner_id",
            "card_number",
            "started_at",
            sqlite_where=_UNKNOWN_CARD,
            postgresql_where=_UNKNOWN_CARD,
        ),
        sa.CheckConstraint("ended_at >= started_at", "ends_after_start"),
        sa.CheckConstraint("energy_wh >= 0", "energy_is_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    connector_id: Mapped[int] = mapped_column(sa.ForeignKey("connector.id", ondelete="CASCADE"))
    driver_id: Mapped[int | None] = mapped_column(sa.ForeignKey("driver.id", ondelete="SET NULL"))
    card: Mapped[str | None] = mapped_column(sa.String(80))  # as it stood in the file
    # As cards are compared: portal.access.cards.compared.
    card_number: Mapped[str | None] = mapped_column(
        sa.String(80),
        sa.Computed("upper(replace(replace(replace(card, ' ', ''), ':', ''), '-', ''))", persisted=True),
    )
    by_card: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # the driver is known by his card
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]  # unplugged
    charged_until: Mapped[datetime | None]  # energy flowed until then; none: until the end
    energy_wh: Mapped[int] = mapped_column(sa.BigInteger)
    register_start_wh: Mapped[int | None] = mapped_column(sa.BigInteger)
    register_end_wh: Mapped[int | None] = mapped_column(sa.BigInteger)
    source: Mapped[str] = mapped_column(sa.String(20))
    external_id: Mapped[str] = mapped_column(sa.String(120))
    import_id: Mapped[int | None] = mapped_column(sa.ForeignKey("session_import.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    connector: Mapped[Connector] = relationship()
    driver: Mapped[Driver | None] = relationship()


class DriverCard(Base):
    """A card whose owner of stations has said which driver it is: sessions that name no driver get this one, those
    that began at `since` or later; none: all."""

    __tablename__ = "driver_card"
    __table_args__ = (sa.UniqueConstraint("driver_id", "number"), sa.Index("ix_driver_card_number", "number"))

    id: Mapped[int] = mapped_column(primary_key=True)
    driver_id: Mapped[int] = mapped_column(sa.ForeignKey("driver.id", ondelete="CASCADE"))
    number: Mapped[str] = mapped_column(sa.String(80))  # as ChargingSession.card_number
    since: Mapped[datetime | None]
    added_at: Mapped[datetime] = mapped_column(default=clock.now)
    driver: Mapped[Driver] = relationship()


class QuarterHour(Base):
    """Energy of one session in one quarter hour that begins at `starts_at`. Quality W measured, E substitute.

    Quarters of 0 Wh are not stored: inside the coverage their absence means W 0, outside it F (missing). All of a
    session's lie between the quarter hour of its start and its end. On PostgreSQL each month is a table: see
    `quarter_hour_months`.
    """

    __tablename__ = "quarter_hour"
    __table_args__ = (
        sa.Index("ix_quarter_hour_session_id", "session_id"),
        sa.CheckConstraint("energy_wh > 0", "energy_is_positive"),
        sa.CheckConstraint("quality IN ('W', 'E')", "quality_is_known"),
        {"sqlite_with_rowid": False, "postgresql_partition_by": "RANGE (starts_at)"},
    )

    connector_id: Mapped[int] = mapped_column(sa.ForeignKey("connector.id", ondelete="CASCADE"), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(sa.ForeignKey("charging_session.id", ondelete="CASCADE"), primary_key=True)
    energy_wh: Mapped[int] = mapped_column(sa.BigInteger)
    quality: Mapped[str] = mapped_column(sa.String(1))


class DailyTotal(Base):
    """Energy that a driver took at a connector on a local day, and how many of his sessions began on it.

    Triggers of the schema keep it exact, in the very transaction that writes sessions or quarter hours, whoever does;
    see `daily_totals` for the proof. The day is that of `daily_totals.ZONE` for everybody, because the rows of a
    connector are read by accounts of whatever time zone. `driver_id` is UNKNOWN_DRIVER where a session names none;
    `owner_id` is that of the connector. Rows of 0 and 0 may be left behind.
    """

    __tablename__ = "daily_total"
    __table_args__ = (sa.Index("ix_daily_total_owner_id_day", "owner_id", "day"), {"sqlite_with_rowid": False})

    connector_id: Mapped[int] = mapped_column(sa.ForeignKey("connector.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    driver_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    energy_wh: Mapped[int] = mapped_column(sa.BigInteger)
    sessions: Mapped[int]


class Coverage(Base):
    """Time for which it is known what a connector delivered: no session in it means nothing was charged."""

    __tablename__ = "coverage"
    __table_args__ = (
        sa.Index("ix_coverage_connector_id_starts_at", "connector_id", "starts_at"),
        sa.CheckConstraint("ends_at > starts_at", "ends_after_start"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    connector_id: Mapped[int] = mapped_column(sa.ForeignKey("connector.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    import_id: Mapped[int | None] = mapped_column(sa.ForeignKey("session_import.id", ondelete="CASCADE"))


class EnergyChange(Base):
    """A span in which the energy of a connector was written, or who charged it, or how well it is known: whatever was
    exported of it is to be looked at again. The row goes when that is noted."""

    __tablename__ = "energy_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    connector_id: Mapped[int] = mapped_column(sa.ForeignKey("connector.id", ondelete="CASCADE"), index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]


class ImportState(StrEnum):
    UPLOADED = "uploaded"  # waits for its mapping to be confirmed
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Covers(StrEnum):
    """For which charging points an import tells the whole energy of the time it covers."""

    FILE = "file"  # those that the file names
    GROUP = "group"  # those of one station group
    ALL = "all"  # all of the owner's that the importer may import to
    NONE = "none"


class SessionImport(Base):
    """One file of sessions for one owner's stations, from upload to report. The row is the job.

    `attempt` is the fencing token: every batch names the attempt that was claimed, so that a worker whose lease was
    lost changes nothing. `failures` counts the claims since the last batch that was written.
    """

    __tablename__ = "session_import"
    __table_args__ = (
        sa.Index("ix_session_import_owner_id_created_at", "owner_id", "created_at"),
        sa.Index("ix_session_import_state", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))  # owner of the stations the rows go to
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))  # who imports
    file_id: Mapped[int] = mapped_column(sa.ForeignKey("stored_file.id"))
    file_name: Mapped[str] = mapped_column(sa.String(255))
    shape: Mapped[dict[str, Any]]  # what was detected: separator, encoding, columns
    mapping: Mapped[dict[str, Any]]  # what the user confirmed
    # Names the system that the external ids are unique in.
    source: Mapped[str] = mapped_column(sa.String(20), default="file")
    state: Mapped[str] = mapped_column(sa.String(20), default=ImportState.UPLOADED.value)
    done_permille: Mapped[int] = mapped_column(default=0)
    rows_read: Mapped[int] = mapped_column(default=0)
    sessions_added: Mapped[int] = mapped_column(default=0)
    rows_known: Mapped[int] = mapped_column(default=0)  # of an earlier import, unchanged
    rows_flagged: Mapped[int] = mapped_column(default=0)
    energy_wh: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    warnings: Mapped[dict[str, Any]] = mapped_column(default=dict)  # warning -> rows
    covers: Mapped[str] = mapped_column(sa.String(20), default=Covers.FILE.value)
    covers_group_id: Mapped[int | None] = mapped_column(sa.ForeignKey("station_group.id", ondelete="SET NULL"))
    covers_from: Mapped[datetime | None]  # none: from the first day in the file to the last one
    covers_to: Mapped[datetime | None]
    error: Mapped[dict[str, Any]] = mapped_column(default=dict)  # {"key": ..., "params": ...}, see wording
    attempt: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    finished_at: Mapped[datetime | None]


class FlaggedState(StrEnum):
    OPEN = "open"
    CORRECTED = "corrected"
    DISMISSED = "dismissed"


class FlaggedRow(Base):
    """A row of a file that cannot be used as it stands: kept with what is wrong, never billed, never dropped."""

    __tablename__ = "flagged_row"
    __table_args__ = (
        sa.UniqueConstraint("owner_id", "source", "external_id"),
        sa.Index("ix_flagged_row_import_id_line", "import_id", "line"),
        sa.Index("ix_flagged_row_owner_id_state", "owner_id", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    import_id: Mapped[int] = mapped_column(sa.ForeignKey("session_import.id", ondelete="CASCADE"))
    line: Mapped[int]
    source: Mapped[str] = mapped_column(sa.String(20))
    external_id: Mapped[str] = mapped_column(sa.String(120))
    cells: Mapped[list[Any]]  # as they stood in the file
    problems: Mapped[list[Any]]
    state: Mapped[str] = mapped_column(sa.String(20), default=FlaggedState.OPEN.value)
    session_id: Mapped[int | None] = mapped_column(sa.ForeignKey("charging_session.id", ondelete="SET NULL"))
    settled_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))
    settled_at: Mapped[datetime | None]


class ImportMapping(Base):
    """A confirmed mapping of columns, saved by an account under a name."""

    __tablename__ = "import_mapping"
    __table_args__ = (sa.UniqueConstraint("account_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(sa.String(120))
    mapping: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
