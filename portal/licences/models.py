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
