"""Reports, their files, and reports that are made every month."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core import clock
from portal.core.db import Base


class Subject(StrEnum):
    """What a report is about."""

    STATION = "station"
    STATION_GROUP = "station_group"
    DRIVER = "driver"  # everything that one driver has charged where the reader may know him


class FileKind(StrEnum):
    PDF = "pdf"
    CSV = "csv"
    EXTENDED_CSV = "extended_csv"
    XLSX = "xlsx"


class ReportState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ReportSchedule(Base):
    """A report of the month before, made on the first of each month for an account, as long as it may see it."""

    __tablename__ = "report_schedule"
    __table_args__ = (
        sa.Index("ix_report_schedule_account_id", "account_id"),
        sa.Index("ix_report_schedule_next_month", "next_month"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    subject: Mapped[str] = mapped_column(sa.String(20))
    station_id: Mapped[int | None] = mapped_column(sa.ForeignKey("station.id", ondelete="CASCADE"), index=True)
    station_group_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("station_group.id", ondelete="CASCADE"), index=True
    )
    driver_id: Mapped[int | None] = mapped_column(sa.ForeignKey("driver.id", ondelete="CASCADE"), index=True)
    kinds: Mapped[list[Any]]  # of files
    vat_permille: Mapped[int | None]
    title: Mapped[str] = mapped_column(sa.String(200))  # the subject's name when it was set up
    with_bills: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # in the account's own report
    recipients: Mapped[list[Any]]  # further e-mails; each gets it only while its account may see the subject
    next_month: Mapped[date]  # first day of the month that is reported next
    stopped_at: Mapped[datetime | None]  # what it is about went to another account
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class _Structured:
    """The columns of an address as QR-bills spell it: see qr_bill.Address."""

    name: Mapped[str] = mapped_column(sa.String(70))
    street: Mapped[str] = mapped_column(sa.String(70))
    house_number: Mapped[str] = mapped_column(sa.String(16))
    postcode: Mapped[str] = mapped_column(sa.String(16))
    town: Mapped[str] = mapped_column(sa.String(35))
    country: Mapped[str] = mapped_column(sa.String(2))


class Creditor(_Structured, Base):
    """To whom and to which account the drivers of an owner pay."""

    __tablename__ = "creditor"

    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"), primary_key=True, autoincrement=False)
    iban: Mapped[str] = mapped_column(sa.String(21))
    with_reference: Mapped[bool]  # with an IBAN that is no QR-IBAN: ISO 11649, else none


class DriverAddress(_Structured, Base):
    """Where a driver lives, for his bills."""

    __tablename__ = "driver_address"

    driver_id: Mapped[int] = mapped_column(
        sa.ForeignKey("driver.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )


class Report(Base):
    """A report of whole local days, from order to file. The row is the job (portal.core.leases)."""

    __tablename__ = "report"
    __table_args__ = (
        sa.Index("ix_report_account_id_created_at", "account_id", "created_at"),
        sa.Index("ix_report_state", "state"),
        sa.Index("ix_report_to_tell", "to_tell", "state"),
        sa.CheckConstraint("last_day >= first_day", "ends_after_it_starts"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))  # whose report it is, and by whose eyes
    ordered_by_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))  # who holds the licence for it
    owner_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))  # whose property it was when it was made
    subject: Mapped[str] = mapped_column(sa.String(20))
    station_id: Mapped[int | None] = mapped_column(sa.ForeignKey("station.id", ondelete="SET NULL"), index=True)
    station_group_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("station_group.id", ondelete="SET NULL"), index=True
    )
    driver_id: Mapped[int | None] = mapped_column(sa.ForeignKey("driver.id", ondelete="SET NULL"), index=True)
    title: Mapped[str] = mapped_column(sa.String(200))  # the subject's name when it was ordered
    first_day: Mapped[date]
    last_day: Mapped[date]
    time_zone: Mapped[str] = mapped_column(sa.String(60))
    language: Mapped[str] = mapped_column(sa.String(5))
    vat_permille: Mapped[int | None]  # none: that of each session
    kinds: Mapped[list[Any]]  # of files
    with_bills: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # a QR-bill per driver
    state: Mapped[str] = mapped_column(sa.String(20), default=ReportState.QUEUED.value)
    done_permille: Mapped[int] = mapped_column(default=0)
    sessions: Mapped[int] = mapped_column(default=0)
    energy_wh: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    sums: Mapped[list[Any]] = mapped_column(default=list)  # dicts of summary.Sum, see Summary.kept
    error: Mapped[str] = mapped_column(sa.String(40), default="")
    attempt: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    schedule_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("report_schedule.id", ondelete="SET NULL"), index=True
    )
    to_tell: Mapped[bool] = mapped_column(default=False)  # a letter is due once it is done
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    finished_at: Mapped[datetime | None]
    files: Mapped[list["ReportFile"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="ReportFile.id"
    )


class ReportFile(Base):
    """One finished file of a report."""

    __tablename__ = "report_file"
    __table_args__ = (sa.UniqueConstraint("report_id", "kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[int] = mapped_column(sa.ForeignKey("report.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(sa.String(20))
    file_id: Mapped[int] = mapped_column(sa.ForeignKey("stored_file.id"), index=True)
