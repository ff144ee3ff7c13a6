"""Destinations."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from portal.core import clock
from portal.core.db import Base


class Protocol(StrEnum):
    SFTP = "sftp"
    FTPS_EXPLICIT = "ftps_explicit"  # AUTH TLS on the port of plain FTP
    FTPS_IMPLICIT = "ftps_implicit"  # TLS from the first byte

    @property
    def is_ftps(self) -> bool:
        return self != Protocol.SFTP


class Login(StrEnum):
    PASSWORD = "password"  # noqa: S105  the word, not a secret
    KEY = "key"


class CertificateCheck(StrEnum):
    """By what the certificate of an FTPS server is judged."""

    SYSTEM = "system"  # the authorities that this machine trusts
    OWN_CA = "own_ca"  # the authorities of `own_ca`, and no others
    PIN = "pin"  # the confirmed fingerprint alone: self-signed certificates


class Writing(StrEnum):
    """Under which name a file is written before it gets its own."""

    HIDDEN = "hidden"  # a dot in front
    SUFFIX = "suffix"  # .tmp behind, for servers that refuse names with a dot in front
    DIRECTORY = "directory"  # in `temporary_directory` of the same server
    DIRECT = "direct"  # at once under its own name, for servers that forbid renaming: at least once


class Destination(Base):
    """A server, set up once and used by many tasks. The secret is sealed by the vault and never read back to a form.

    `peer_is_known` says whether the server's host key or certificate is settled; no run starts without. `changed_to`
    is what the server showed last instead of it: nothing is sent until somebody has looked at both.
    """

    __tablename__ = "destination"
    __table_args__ = (sa.UniqueConstraint("owner_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(sa.String(120))
    protocol: Mapped[str] = mapped_column(sa.String(20), default=Protocol.SFTP.value)
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
    certificate_check: Mapped[str] = mapped_column(sa.String(10), default=CertificateCheck.SYSTEM.value)
    own_ca: Mapped[str] = mapped_column(sa.Text, default="")  # PEM
    certificate_fingerprint: Mapped[str | None] = mapped_column(sa.String(120))
    certificate_confirmed_at: Mapped[datetime | None]
    certificate_confirmed_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))
    changed_to: Mapped[str | None] = mapped_column(sa.String(200))
    changed_at: Mapped[datetime | None]
    legacy_ssh: Mapped[bool] = mapped_column(default=False)  # a server that knows SHA-1 alone
    make_directory: Mapped[bool] = mapped_column(default=False)
    writing: Mapped[str] = mapped_column(sa.String(20), default=Writing.HIDDEN.value)
    temporary_directory: Mapped[str] = mapped_column(sa.String(250), default="")
    done_suffix: Mapped[str] = mapped_column(sa.String(20), default="")  # ".done": an empty file says that one is whole
    tested_at: Mapped[datetime | None]
    test_steps: Mapped[list[Any]] = mapped_column(default=list)  # the last connection test, step by step
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    @property
    def peer_is_known(self) -> bool:
        """Whether it is settled which server this is: by a confirmed host key or certificate, or by authorities."""
        if Protocol(self.protocol) == Protocol.SFTP:
            return self.host_key_fingerprint is not None
        return self.certificate_check != CertificateCheck.PIN or self.certificate_fingerprint is not None


class Loan:
    """What every loan of a part of an export says: to which address, by whom, until when. Its table is called after
    the part, of which one address has one loan at a time."""

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(254))
    lent_by_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    lent_at: Mapped[datetime] = mapped_column(default=clock.now)
    ended_at: Mapped[datetime | None]

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:  # noqa: N805  of the class, as SQLAlchemy calls it
        table = str(cls.__tablename__)  # type: ignore[attr-defined]  # of the class that mixes this in
        open_ = sa.text("ended_at IS NULL")
        part = f"{table.removesuffix('_loan')}_id"
        return (
            sa.CheckConstraint("email = lower(email)", "email_is_lower_case"),
            sa.Index(f"ix_{table}_email", "email", "ended_at"),
            sa.Index(f"uq_{table}_open", part, "email", unique=True, sqlite_where=open_, postgresql_where=open_),
        )


class DestinationLoan(Loan, Base):
    """A destination that an address may use: by its name alone, without seeing server, user or secret."""

    __tablename__ = "destination_loan"

    destination_id: Mapped[int] = mapped_column(sa.ForeignKey("destination.id", ondelete="CASCADE"))
