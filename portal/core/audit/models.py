"""The audit log's tables. Nothing in them is ever changed or deleted: triggers refuse it, and the rights of the
application's role do."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core import clock
from portal.core.db import Base


class AuditEntry(Base):
    """One event. `owner_id` is the account whose property it concerns and that may read it."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        sa.Index("ix_audit_entry_owner_id_at", "owner_id", "at"),
        sa.Index("ix_audit_entry_actor_id_at", "actor_id", "at"),
        sa.Index("ix_audit_entry_action_at", "action", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=clock.now, index=True)
    actor_id: Mapped[int | None]  # no foreign key: the entry outlives the account
    owner_id: Mapped[int | None]
    action: Mapped[str] = mapped_column(sa.String(60))
    subject: Mapped[str] = mapped_column(sa.String(120))
    detail: Mapped[dict[str, Any]]


class AuditSeal(Base):
    """A link of the hash chain over the entries, in the order in which their transactions ended: the SHA-256 of the
    link before and the entry."""

    __tablename__ = "audit_seal"

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1, without gaps
    entry_id: Mapped[int] = mapped_column(unique=True)
    hash: Mapped[str] = mapped_column(sa.String(64))
