"""Formatters, tasks, runs and attempts."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import Account
from portal.core import clock
from portal.core.db import Base
from portal.delivery.models import Destination, Loan
from portal.exports.periods import Interval, Period, split
from portal.stations.models import StationGroup


class Format(StrEnum):
    ESL_XML = "esl_xml"
    ISE_PAIR = "ise_pair"
    ISE_XML = "ise_xml"
    ISE_CSV = "ise_csv"
    SDAT = "sdat"
    MSCONS = "mscons"
    CSV = "csv"
    XLSX = "xlsx"


class Files(StrEnum):
    """What a run's files are divided by."""

    TASK = "task"  # one file
    METER = "meter"
    DAY = "day"
    METER_AND_DAY = "meter_and_day"


class Scope(StrEnum):
    CHARGING_POINTS = "charging_points"  # one meter per connector of the group
    DRIVER = "driver"  # one virtual meter: the driver's consumption across the group


class Trigger(StrEnum):
    ALL_VALUES = "all_values"  # when every quarter hour of the period is there
    HOURS_AFTER_END = "hours_after_end"  # whatever is missing


class Corrections(StrEnum):
    """What becomes of values that arrive or change after a delivery."""

    AUTOMATIC = "automatic"
    CONFIRM = "confirm"
    NEVER = "never"


class RunKind(StrEnum):
    SCHEDULE = "schedule"
    CORRECTION = "correction"  # values arrived or changed after an earlier revision
    REQUEST = "request"  # somebody exports the period again


class RunState(StrEnum):
    PROPOSED = "proposed"  # a correction that somebody has to confirm
    SET_ASIDE = "set_aside"  # a correction that is not sent: by the task's rule, by somebody, or nothing differs
    WAITING = "waiting"  # data or licence incomplete; `reason` says what
    DUE = "due"
    WORKING = "working"
    UPLOADED = "uploaded"  # every temporary file is on the server, complete; only the renames are left
    DELIVERED = "delivered"
    FAILED = "failed"  # given up after too many failures, or a failure that no retry mends


AT_REST = (RunState.PROPOSED, RunState.SET_ASIDE)  # corrections that nothing happens to until somebody says so


class Formatter(Base):
    """A format, the identifier that names a meter in it, and the format's own settings."""

    __tablename__ = "formatter"
    __table_args__ = (sa.UniqueConstraint("owner_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(sa.String(120))
    format: Mapped[str] = mapped_column(sa.String(20))
    identifier: Mapped[str] = mapped_column(sa.String(30))
    obis: Mapped[str] = mapped_column(sa.String(30), default="1-1:1.9.0")
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class FormatterLoan(Loan, Base):
    """A formatter that an address may use by its name alone."""

    __tablename__ = "formatter_loan"

    formatter_id: Mapped[int] = mapped_column(sa.ForeignKey("formatter.id", ondelete="CASCADE"))


class ExportTask(Base):
    """One auto-export: whose consumption, of which station group, in which format, where to, how often, since when.

    `user_id` is the account whose consumption it is: the owner of the group (charging points) or a driver.
    """

    __tablename__ = "export_task"
    __table_args__ = (
        sa.UniqueConstraint("owner_id", "name"),
        sa.Index("ix_export_task_station_group_id", "station_group_id"),
        sa.Index("ix_export_task_next_due_at", "next_due_at"),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", "ends_after_start"),
        sa.CheckConstraint("periods_per_file >= 1", "a_file_has_a_period"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(sa.String(120))
    scope: Mapped[str] = mapped_column(sa.String(20))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    station_group_id: Mapped[int] = mapped_column(sa.ForeignKey("station_group.id", ondelete="CASCADE"))
    formatter_id: Mapped[int] = mapped_column(sa.ForeignKey("formatter.id"))
    destination_id: Mapped[int] = mapped_column(sa.ForeignKey("destination.id"))
    interval: Mapped[str] = mapped_column(sa.String(10))
    trigger: Mapped[str] = mapped_column(sa.String(20), default=Trigger.ALL_VALUES.value)
    hours_after_end: Mapped[int] = mapped_column(default=12)
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]  # last day, included
    time_zone: Mapped[str] = mapped_column(sa.String(60), default="Europe/Zurich")
    periods_per_file: Mapped[int] = mapped_column(default=1)  # of a backlog so many go into one run
    corrections: Mapped[str] = mapped_column(sa.String(10), default=Corrections.CONFIRM.value)
    pause_after: Mapped[int] = mapped_column(default=20)  # failed attempts in a row
    failures: Mapped[int] = mapped_column(default=0)  # failed attempts since the last delivery
    trouble_since: Mapped[datetime | None]  # the owner was told of it; none: all is well as far as he knows
    paused_at: Mapped[datetime | None]
    paused_reason: Mapped[dict[str, Any]] = mapped_column(default=dict)  # {}: by its owner
    planned_until: Mapped[date | None]  # end (exclusive) of the last period that has a run
    next_due_at: Mapped[datetime | None]  # when the next period ends; none: no period is left
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    owner: Mapped[Account] = relationship(foreign_keys=owner_id)
    user: Mapped[Account] = relationship(foreign_keys=user_id)
    station_group: Mapped[StationGroup] = relationship()
    formatter: Mapped[Formatter] = relationship()
    destination: Mapped[Destination] = relationship()

    @property
    def borrows_destination(self) -> bool:
        """Whether the server is somebody else's, of which the task's owner knows the name alone."""
        return self.destination.owner_id != self.owner_id

    @property
    def borrows_formatter(self) -> bool:
        """Whether the formatter is somebody else's."""
        return self.formatter.owner_id != self.owner_id


class ExportRun(Base):
    """One period of one task and revision, from due to delivered. The row is the job and its own record.

    `attempt` is the fencing token: every write of a worker names the attempt it claimed, so that a worker whose lease
    was lost changes nothing.
    """

    __tablename__ = "export_run"
    __table_args__ = (
        sa.UniqueConstraint("task_id", "period_start", "revision"),
        sa.Index("ix_export_run_state_not_before", "state", "not_before"),
        sa.Index("ix_export_run_task_id_state", "task_id", "state", "period_start"),
        sa.Index(
            "ix_export_run_compare", "compare", sqlite_where=sa.text("compare"), postgresql_where=sa.text("compare")
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(sa.ForeignKey("export_task.id", ondelete="CASCADE"))
    period_start: Mapped[date]  # first local day
    period_end: Mapped[date]  # day after the last
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(sa.String(20), default=RunState.DUE.value)
    reason: Mapped[dict[str, Any]] = mapped_column(default=dict)  # why it waits or failed: {"code": ..., names}
    attempt: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime] = mapped_column(default=clock.now)
    worker: Mapped[str | None] = mapped_column(sa.String(120))
    lease_until: Mapped[datetime | None]
    interval: Mapped[str] = mapped_column(sa.String(10))  # of the periods between the two days
    kind: Mapped[str] = mapped_column(sa.String(20), default=RunKind.SCHEDULE.value)
    built_at: Mapped[datetime | None]
    replaces: Mapped[bool] = mapped_column(default=False)  # a file of the same name on the server gives way
    compare: Mapped[bool] = mapped_column(default=False)  # energy may have changed since it was built: to be looked at
    size: Mapped[int | None] = mapped_column(sa.BigInteger)  # of all its files
    rows: Mapped[int | None]
    energy_wh: Mapped[int | None] = mapped_column(sa.BigInteger)
    quarters_measured: Mapped[int | None]
    quarters_substitute: Mapped[int | None]
    quarters_missing: Mapped[int | None]
    gap_count: Mapped[int] = mapped_column(default=0)  # spans of missing quarter hours when it was built
    started_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))  # none: by the schedule
    unconfirmed: Mapped[bool] = mapped_column(default=False)  # delivered, but a file's names were not found afterwards
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    delivered_at: Mapped[datetime | None]
    task: Mapped[ExportTask] = relationship()
    files: Mapped[list["ExportFile"]] = relationship(order_by="ExportFile.position", passive_deletes=True)
    attempts: Mapped[list["ExportAttempt"]] = relationship(order_by="ExportAttempt.id", passive_deletes=True)

    def periods(self) -> list[Period]:
        """The periods whose values the run holds, oldest first: one, or several of a backlog."""
        return list(split(Interval(self.interval), self.period_start, self.period_end, ZoneInfo(self.task.time_zone)))

    @property
    def last_day(self) -> date:
        """The last local day of the period."""
        return self.period_end - timedelta(days=1)


class ExportFile(Base):
    """One file of a run: built once, put aside on the server under a name of its own, then given its name once.

    `file_id` is none once the stored bytes were cleared away by the retention; size and hash stay.
    """

    __tablename__ = "export_file"
    __table_args__ = (sa.UniqueConstraint("run_id", "position"), sa.Index("ix_export_file_name", "name"))

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("export_run.id", ondelete="CASCADE"))
    position: Mapped[int]
    name: Mapped[str] = mapped_column(sa.String(200))
    file_id: Mapped[int | None] = mapped_column(sa.ForeignKey("stored_file.id", ondelete="SET NULL"), index=True)
    size: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    temporary_name: Mapped[str | None] = mapped_column(sa.String(255))
    uploaded_to: Mapped[str | None] = mapped_column(sa.String(64))  # the place on a server where the temporary file is
    published_at: Mapped[datetime | None]


class ExportValue(Base):
    """What a run's files say of one meter in one period: what later values are compared with.

    `fingerprint` tells the quarter hours apart where the files hold them; empty where they hold the sum alone.
    """

    __tablename__ = "export_value"
    __table_args__ = (sa.Index("ix_export_value_connector_id", "connector_id"),)

    run_id: Mapped[int] = mapped_column(sa.ForeignKey("export_run.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    connector_id: Mapped[int | None] = mapped_column(sa.ForeignKey("connector.id", ondelete="SET NULL"))  # none: driver
    meter: Mapped[str] = mapped_column(sa.String(300))  # its name then
    identifier: Mapped[str] = mapped_column(sa.String(80))
    energy_wh: Mapped[int] = mapped_column(sa.BigInteger)
    measured: Mapped[int]
    substitute: Mapped[int]
    missing: Mapped[int]
    register_wh: Mapped[int | None] = mapped_column(sa.BigInteger)  # where the files tell it
    fingerprint: Mapped[str] = mapped_column(sa.String(32), default="")


class ExportGap(Base):
    """Quarter hours that the files of a run lack of one meter, one behind the other, as it was when they were built."""

    __tablename__ = "export_gap"

    run_id: Mapped[int] = mapped_column(sa.ForeignKey("export_run.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    meter: Mapped[str] = mapped_column(sa.String(300))  # its name then
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]


class ExportNotice(Base):
    """How an account hears of its exports besides the letters about trouble."""

    __tablename__ = "export_notice"
    __table_args__ = (
        sa.Index("ix_export_notice_digest_on", "digest_on"),
        sa.CheckConstraint("digest IN ('never', 'attention', 'daily')", "digest_is_known"),
    )

    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(10), default="attention")
    digest_on: Mapped[date | None]  # local day of the last one
    webhook_host: Mapped[str | None] = mapped_column(sa.String(255))  # none: no webhook
    sealed_webhook_url: Mapped[str | None] = mapped_column(sa.Text)  # the rest of it may be a secret of the receiver
    sealed_webhook_secret: Mapped[str | None] = mapped_column(sa.Text)


class WebhookMessage(Base):
    """One event for a webhook: the row is the job. `body` is sent as it stands, signed anew at each attempt."""

    __tablename__ = "webhook_message"
    __table_args__ = (
        sa.Index("ix_webhook_message_state_not_before", "state", "not_before"),
        sa.Index("ix_webhook_message_account_id", "account_id", "id"),
        sa.CheckConstraint("state IN ('due', 'sent', 'failed')", "state_is_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    event: Mapped[str] = mapped_column(sa.String(40))
    body: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[str] = mapped_column(sa.String(10), default="due")
    failures: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime] = mapped_column(default=clock.now)
    answer: Mapped[str] = mapped_column(sa.String(300), default="")  # the server's status, or why there was none
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    sent_at: Mapped[datetime | None]


class ExportAttempt(Base):
    """What happened in one step of a run: appended, never changed."""

    __tablename__ = "export_attempt"
    __table_args__ = (sa.Index("ix_export_attempt_run_id", "run_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("export_run.id", ondelete="CASCADE"))
    number: Mapped[int]
    at: Mapped[datetime] = mapped_column(default=clock.now)
    step: Mapped[str] = mapped_column(sa.String(30))  # claimed, built, uploaded, delivered, or the step that failed
    failed: Mapped[bool] = mapped_column(default=False)
    message: Mapped[str] = mapped_column(sa.Text, default="")  # the server's words, or ours in English
    wording: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the message's template and what fills it
