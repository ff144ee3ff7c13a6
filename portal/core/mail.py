"""Mail: written to the outbox in the transaction that causes it, sent by a worker, tried again until it leaves."""

import smtplib
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import background, clock, process
from portal.core.db import Base, database_now

LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 12  # with doubling waits from one minute: about three days
TIMEOUT_SECONDS = 30


class MailMessage(Base):
    """One mail. It is due while `sent_at` is empty and `not_before` has passed."""

    __tablename__ = "mail_message"
    __table_args__ = (sa.Index("ix_mail_message_due", "sent_at", "not_before"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    recipient: Mapped[str] = mapped_column(sa.String(254))
    subject: Mapped[str] = mapped_column(sa.String(200))
    body: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    not_before: Mapped[datetime] = mapped_column(default=clock.now)
    sent_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(sa.Text, default="")


def post(session: Session, recipient: str, subject: str, body: str) -> MailMessage:
    """Put a plain-text mail into the outbox; it leaves once the caller commits."""
    message = MailMessage(recipient=recipient, subject=" ".join(subject.split())[:200], body=body)
    session.add(message)
    background.ring_after_commit(session, "mail")
    return message


def drain() -> int:
    """RQ's entry: send what is due, with this process's settings."""
    settings, sessions = process.context()
    return send_due(sessions, settings.mail_url, settings.mail_from)


def send_due(sessions: Callable[[], AbstractContextManager[Session]], mail_url: str, sender: str) -> int:
    """Send every due mail and say how many left. Two workers never send one at the same time: the claim moves
    `not_before` to the end of a lease, so after a crash between sending and commit a mail is sent once more."""
    sent = 0
    while True:
        with sessions() as session:
            message = _claim(session)
            session.commit()
            if message is None:
                return sent
            try:
                send(message, mail_url, sender)
                message.sent_at, message.error = clock.now(), ""
                sent += 1
            except (OSError, smtplib.SMTPException) as error:
                message.error = f"{type(error).__name__}: {error}"[:500]
                message.not_before = clock.now() + timedelta(minutes=2 ** (message.attempts - 1))
            session.commit()


def waits_since(session: Session) -> datetime | None:
    """Since when the oldest due mail waits; None when nothing is due."""
    oldest = sa.select(sa.func.min(MailMessage.not_before)).where(*_is_due(session))
    return session.scalar(oldest)


def _is_due(session: Session) -> tuple[sa.ColumnElement[bool], ...]:
    due_by = MailMessage.not_before <= database_now(session)
    return MailMessage.sent_at.is_(None), due_by, MailMessage.attempts < MOST_ATTEMPTS


def _claim(session: Session) -> MailMessage | None:
    due = (
        sa.select(MailMessage.id)
        .where(*_is_due(session))
        .order_by(MailMessage.not_before)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    claim = (
        sa.update(MailMessage)
        .where(MailMessage.id == due.scalar_subquery(), MailMessage.not_before <= database_now(session))
        .values(attempts=MailMessage.attempts + 1, not_before=clock.now() + LEASE)
        .returning(MailMessage.id)
    )
    claimed = session.scalar(claim)
    return session.get(MailMessage, claimed, populate_existing=True) if claimed else None


def send(message: MailMessage, mail_url: str, sender: str) -> None:
    """Send one mail by `mail_url`: smtp://, smtps:// or smtp+starttls://[user:password@]host[:port], or folder://path
    (each mail becomes a file there). OSError or SMTPException when it did not leave."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, message.recipient, message.subject
    mail["Date"] = message.created_at
    mail["Message-ID"] = f"<piquet-{message.id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body)
    url = urlsplit(mail_url)
    if url.scheme == "folder":
        folder = Path(url.netloc + url.path)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / f"{message.id:06}.eml").write_bytes(bytes(mail))
        return
    kind = smtplib.SMTP_SSL if url.scheme == "smtps" else smtplib.SMTP
    port = url.port or {"smtps": 465, "smtp+starttls": 587}.get(url.scheme, 25)
    with kind(url.hostname or "", port, timeout=TIMEOUT_SECONDS) as server:
        if url.scheme == "smtp+starttls":
            server.starttls(context=ssl.create_default_context())
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(mail)
