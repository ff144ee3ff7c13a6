"""Licences of accounts."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core import clock
from portal.core.db import Base


class Kind(StrEnum):
    AUTHORISATION = "authorisation"
    AUTO_EXPORT = "auto_export"
    REPORTS = "reports"
    MAINTENANCE = "maintenance"


class Licence(Base):
    """A function unlocked from `starts_at` until before `ends_at` (instants; the form speaks of whole local days).

    Ending a licence sets `ends_at`; nothing is deleted, so the history stays."""

    __tablename__ = "licence"
    __table_args__ = (
        sa.Index("ix_licence_account_id_kind", "account_id", "kind"),
        sa.CheckConstraint("ends_at IS NULL OR ends_at >= starts_at", "ends_after_start"),
        sa.CheckConstraint("kind IN ('authorisation', 'auto_export', 'reports', 'maintenance')", "kind_is_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    kind: Mapped[str] = mapped_column(sa.String(20))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    activated_by_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    announced_days: Mapped[int | None]  # the mail before the end: the last one that went out, in days before it


class LicenceRequest(Base):
    """An account asks the operator for a licence. Open until it is decided; one open request per account and kind."""

    __tablename__ = "licence_request"
    __table_args__ = (
        sa.Index("ix_licence_request_account_id", "account_id", "kind"),
        sa.Index(
            "uq_licence_request_open",
            "account_id",
            "kind",
            unique=True,
            sqlite_where=sa.text("decided_at IS NULL"),
            postgresql_where=sa.text("decided_at IS NULL"),
        ),
        sa.Index("ix_licence_request_decided_at", "decided_at", "requested_at"),
        sa.CheckConstraint("kind IN ('authorisation', 'auto_export', 'reports', 'maintenance')", "kind_is_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    kind: Mapped[str] = mapped_column(sa.String(20))
    message: Mapped[str] = mapped_column(sa.String(1000), default="")  # what the account wrote to it
    requested_at: Mapped[datetime] = mapped_column(default=clock.now)
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))
    approved: Mapped[bool | None]
    reason: Mapped[str] = mapped_column(sa.String(1000), default="")  # the operator's, told to the account
    licence_id: Mapped[int | None] = mapped_column(sa.ForeignKey("licence.id"))
