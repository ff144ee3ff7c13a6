"""Destinations."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core import clock
from portal.core.db import Base


class Protocol(StrEnum):
    SFTP = "sftp"


class Login(StrEnum):
    PASSWORD = "password"  # noqa: S105  the word, not a secret
    KEY = "key"


class Destination(Base):
    """A server, set up once and used by many tasks. The secret is sealed by the vault and never read back to a form.

    Without a confirmed host key no run starts.
    """

    __tablename__ = "destination"
    __table_args__ = (sa.UniqueConstraint("owner_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(sa.String(120))
    protocol: Mapped[str] = mapped_column(sa.String(10), default=Protocol.SFTP.value)
    host: Mapped[str] = mapped_column(sa.String(253))
    port: Mapped[int] = mapped_column(default=22)
    username: Mapped[str] = mapped_column(sa.String(120))
    login: Mapped[str] = mapped_column(sa.String(10))
    sealed_secret: Mapped[bytes | None]  # the password, or the private key
    public_key: Mapped[str] = mapped_column(sa.Text, default="")
    directory: Mapped[str] = mapped_column(sa.String(250), default="")
    host_key_type: Mapped[str | None] = mapped_column(sa.String(60))
    host_key_fingerprint: Mapped[str | None] = mapped_column(sa.String(120))
    host_key_confirmed_at: Mapped[datetime | None]
    host_key_confirmed_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))
    tested_at: Mapped[datetime | None]
    test_steps: Mapped[list[Any]] = mapped_column(default=list)  # the last connection test, step by step
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
