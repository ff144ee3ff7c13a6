"""Mail: written to the outbox in the transaction that causes it, sent by a worker, tried again until it leaves."""

import logging
import re
import smtplib
import ssl
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formataddr, parseaddr
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import background, clock, process
from portal.core.db import Base, database_now

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 12  # with doubling waits from one minute: the last one 34 hours after the first
TIMEOUT_SECONDS = 30
ONE_ADDRESS = re.compile(r"[!#-'*+./0-9=?A-Z^-~-]+@[A-Za-z0-9.-]+")
# Who says, when a mail leaves, whether its recipient may still read it: a function of the session, the recipient and
# the ids that the mail is about. Named by text, as this module stands below them all.
JUDGES = {
    "exports": "portal.exports.telling.may_read",
    "grant_giver": "portal.sharing.reminders.may_extend",
    "grant_holder": "portal.sharing.reminders.still_holds",
    "invitation": "portal.sharing.invitations.still_invites",
    "maintenance": "portal.maintenance.telling.receives",
    "maintenance_told": "portal.maintenance.telling.receives_confirmed",
    "report": "portal.reports.telling.may_open",
    "operator": "portal.licences.telling.is_operator",
    "special_user_request": "portal.access.requests.is_waiting",
}
PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


def _whole_second() -> datetime:
    return clock.now().replace(microsecond=0)


class MailMessage(Base):
    """One mail. It is due while `sent_at` and `withheld_at` are empty, `not_before` has passed and fewer than
    MOST_ATTEMPTS were made. With a `judge` it is asked about anew at each attempt, see `judge_at_sending`.

    The body can hold one-time links: it is shown to nobody but the recipient, outside of a demo."""

    __tablename__ = "mail_message"
    __table_args__ = (sa.Index("ix_mail_message_due", "sent_at", "not_before"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    recipient: Mapped[str] = mapped_column(sa.String(254))
    subject: Mapped[str] = mapped_column(sa.String(200))
    body: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    not_before: Mapped[datetime] = mapped_column(default=_whole_second)  # never later than the database's clock
    sent_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(sa.Text, default="")
    judge: Mapped[str | None] = mapped_column(sa.String(20))  # of JUDGES
    about: Mapped[list[Any]] = mapped_column(default=list)  # ids, for the judge
    withheld_at: Mapped[datetime | None]  # its recipient might no longer read it when it was to leave


def post(session: Session, recipient: str, subject: str, body: str) -> MailMessage:
    """Put a plain-text mail into the outbox; it leaves once the caller commits.

    ValueError for a recipient that is not one plain ASCII address: a comma or a line feed would make further ones.
    """
    if not ONE_ADDRESS.fullmatch(recipient):
        raise ValueError("a mail goes to exactly one plain address")
    line = "".join(letter for letter in " ".join(subject.split()) if letter.isprintable())
    message = MailMessage(recipient=recipient, subject=line[:200], body=body.replace("\0", ""))
    session.add(message)
    background.ring_after_commit(session, "mail")
    return message


def judge_at_sending(message: MailMessage, judge: str, about: Iterable[int]) -> None:
    """Let the mail leave only while this one of JUDGES says that its recipient may read what it tells of these rows:
    between writing and sending he can lose the right."""
    if judge not in JUDGES:
        raise ValueError(f"there is no judge {judge!r}")
    message.judge, message.about = judge, sorted(set(about))


def try_again(session: Session, message: MailMessage) -> None:
    """Make an unsent mail due now, with all its attempts before it."""
    message.attempts, message.not_before = 0, _whole_second()
    background.ring_after_commit(session, "mail")


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
            if not may_leave(session, message):
                message.withheld_at, message.body = clock.now(), ""  # it stays on record, what it told does not
            session.commit()  # nobody waits for the mail server
            if message.withheld_at is None:
                _try(message, mail_url, sender)
            sent += message.sent_at is not None
            session.commit()


def may_leave(session: Session, message: MailMessage) -> bool:
    """Whether the mail's recipient may read it, as of now."""
    if message.judge is None:
        return True
    judge: Callable[[Session, str, list[int]], bool] = resolve_name(JUDGES[message.judge])
    return judge(session, message.recipient, message.about)


def _try(message: MailMessage, mail_url: str, sender: str) -> None:
    """Send a claimed mail, or write down why not and when next. ValueError too: a mail that cannot be put on the wire,
    or a password that cannot be encoded, must not keep the others from leaving."""
    try:
        send(message, mail_url, sender)
        message.sent_at, message.error = clock.now(), ""
    except (OSError, smtplib.SMTPException, ValueError) as error:
        log.warning("mail %s did not leave: %s", message.id, type(error).__name__)
        message.error = _words(error)
        # From the end of the lease backwards: it was counted on the database's clock.
        message.not_before += timedelta(minutes=2 ** (message.attempts - 1)) - LEASE


def _words(error: Exception) -> str:
    """What the server said, in one line."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        error = smtplib.SMTPResponseException(*next(iter(error.recipients.values())))
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        return f"{error.smtp_code} {text}"[:500]
    return f"{type(error).__name__}: {error}"[:500]


def waits_since(session: Session) -> datetime | None:
    """Since when the oldest due mail waits; None when nothing is due."""
    oldest = sa.select(sa.func.min(MailMessage.not_before)).where(*_is_due(session))
    return session.scalar(oldest)


def _is_due(session: Session) -> tuple[sa.ColumnElement[bool], ...]:
    due_by = MailMessage.not_before <= database_now(session)
    unsent = sa.and_(MailMessage.sent_at.is_(None), MailMessage.withheld_at.is_(None))
    return unsent, due_by, MailMessage.attempts < MOST_ATTEMPTS


def _claim(session: Session) -> MailMessage | None:
    due = (
        sa.select(MailMessage.id)
        .where(*_is_due(session))
        .order_by(MailMessage.not_before)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    lease_ends = session.scalars(sa.select(database_now(session))).one() + LEASE
    claim = (
        sa.update(MailMessage)
        .where(MailMessage.id == due.scalar_subquery(), *_is_due(session))
        .values(attempts=MailMessage.attempts + 1, not_before=lease_ends)
        .returning(MailMessage.id)
    )
    claimed = session.scalar(claim)
    return session.get(MailMessage, claimed, populate_existing=True) if claimed else None


def send(message: MailMessage, mail_url: str, sender: str) -> None:
    """Send one mail by `mail_url`: smtp://, smtps:// or smtp+starttls://[user:password@]host[:port], or folder://path
    (each mail becomes a file there). OSError or SMTPException when it did not leave."""
    url = urlsplit(mail_url)
    if url.scheme == "folder":
        folder = Path(url.netloc + url.path)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / f"{message.id:06}.eml").write_bytes(bytes(compose(message, sender, "8bit")))
        return
    with _server(url) as server:
        if url.scheme == "smtp+starttls":
            server.starttls(context=ssl.create_default_context())
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(compose(message, sender, "quoted-printable"))


def compose(message: MailMessage, sender: str, encoding: str) -> EmailMessage:
    """The mail as it goes on the wire. Its Message-ID stays the same when it is sent again."""
    name, address = parseaddr(sender)
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = formataddr((name, address)), message.recipient, message.subject
    mail["Date"] = message.created_at
    mail["Message-ID"] = f"<piquet-{message.id}-{int(message.created_at.timestamp())}@{address.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body, cte=encoding)
    return mail


def _server(url: SplitResult) -> smtplib.SMTP:
    host, port = url.hostname or "", url.port or PORTS[url.scheme]
    if url.scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
    return smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
