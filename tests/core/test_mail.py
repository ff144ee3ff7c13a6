"""Mail: the outbox, and what reaches a real mail server."""

import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from portal.core import clock, mail
from portal.core.mail import MailMessage
from tests.servers.processes import free_port
from tests.servers.smtp import SmtpServer

TO, FROM = "duty@demo.example", "Piquet <piquet@portal.example>"


@pytest.fixture(autouse=True)
def _empty(smtp_server: SmtpServer) -> None:
    smtp_server.clear()


def posted(sessions: sessionmaker[Session], subject: str = "Export delivered", body: str = "Hello\n") -> int:
    with sessions() as session:
        message = mail.post(session, TO, subject, body)
        session.commit()
        return message.id


def now_due(sessions: sessionmaker[Session]) -> None:
    """As if the time until the next try had passed."""
    with sessions() as session:
        session.execute(sa.update(MailMessage).values(not_before=clock.now() - timedelta(minutes=1)))
        session.commit()


def one(sessions: sessionmaker[Session]) -> MailMessage:
    with sessions() as session:
        return session.scalars(sa.select(MailMessage)).one()


def test_it_reaches_the_server(sessions: sessionmaker[Session], smtp_server: SmtpServer) -> None:
    posted(sessions)
    assert mail.send_due(sessions, smtp_server.url, FROM) == 1
    (received,) = smtp_server.messages_to(TO)
    assert (received["Subject"], received["From"], received["X-Envelope-From"]) == (
        "Export delivered", FROM, "piquet@portal.example",
    )  # fmt: skip
    assert received["Message-ID"].endswith("@portal.example>")
    assert one(sessions).sent_at


@pytest.mark.parametrize("name", mail.JUDGES)
def test_every_judge_of_mails_is_there_and_lets_nobody_read_of_rows_that_are_gone(session: Session, name: str) -> None:
    message = mail.post(session, TO, "Subject", "Text\n")
    mail.judge_at_sending(message, name, [1_000_003])
    assert not mail.may_leave(session, message)


def test_it_is_sent_once(sessions: sessionmaker[Session], smtp_server: SmtpServer) -> None:
    posted(sessions)
    assert [mail.send_due(sessions, smtp_server.url, FROM) for _ in range(3)] == [1, 0, 0]
    assert len(smtp_server.messages()) == 1


def test_it_leaves_only_after_the_commit(sessions: sessionmaker[Session], smtp_server: SmtpServer) -> None:
    with sessions() as session:
        mail.post(session, TO, "Never", "mind")
        session.rollback()
    assert mail.send_due(sessions, smtp_server.url, FROM) == 0


def test_letters_of_every_language_arrive_unharmed(sessions: sessionmaker[Session], smtp_server: SmtpServer) -> None:
    subject, body = "Zürich: «Grüße» été 中文", "Ä ö ü – «Guillemets»\n" + "x" * 3000 + "\n.\nEnd\n"
    posted(sessions, subject, body)
    mail.send_due(sessions, smtp_server.url, FROM)
    (received,) = smtp_server.messages()
    assert received["Subject"] == subject
    assert received.get_content().replace("\r\n", "\n") == body


def test_what_goes_over_the_wire_is_ascii(sessions: sessionmaker[Session], smtp_server: SmtpServer) -> None:
    posted(sessions, "Grüße", "Ä" * 2000)
    mail.send_due(sessions, smtp_server.url, FROM)
    content = next(smtp_server.folder.glob("*.eml")).read_bytes()
    assert content.isascii()
    assert max(map(len, content.splitlines())) <= 998


@pytest.mark.parametrize("glue", ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\0"])
def test_a_subject_makes_no_further_header(sessions: sessionmaker[Session], smtp_server: SmtpServer, glue: str) -> None:
    posted(sessions, f"Group{glue}Bcc: thief@evil.example", "Hello")
    assert mail.send_due(sessions, smtp_server.url, FROM) == 1
    (received,) = smtp_server.messages()
    assert received["Bcc"] is None
    assert received["X-Envelope-To"] == TO


@pytest.mark.parametrize(
    "recipient",
    ["a@b.example, c@d.example", "a@b.example\nBcc: c@d.example", "a@b.example c@d.example", "A <a@b.example>",
     "nobody", "", "a@b@c.example", "ü@b.example", "a;b@c.example", '"a,b"@c.example', "(x)a@b.example"],
)  # fmt: skip
def test_a_mail_goes_to_one_plain_address(session: Session, recipient: str) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        mail.post(session, recipient, "Hello", "Hello")


def test_a_server_that_is_down_is_tried_again_after_growing_waits(sessions: sessionmaker[Session]) -> None:
    posted(sessions)
    waits = []
    for _ in range(4):
        assert mail.send_due(sessions, f"smtp://127.0.0.1:{free_port()}", FROM) == 0
        waits.append(round((one(sessions).not_before - clock.now()).total_seconds() / 60))
        now_due(sessions)
    assert waits == [1, 2, 4, 8]
    assert "ConnectionRefusedError" in one(sessions).error


def test_it_waits_for_the_next_try(sessions: sessionmaker[Session], smtp_server: SmtpServer) -> None:
    posted(sessions)
    mail.send_due(sessions, f"smtp://127.0.0.1:{free_port()}", FROM)
    assert mail.send_due(sessions, smtp_server.url, FROM) == 0
    now_due(sessions)
    assert mail.send_due(sessions, smtp_server.url, FROM) == 1
    assert one(sessions).error == ""


def test_it_gives_up_and_can_be_tried_again(sessions: sessionmaker[Session], smtp_server: SmtpServer) -> None:
    posted(sessions)
    with sessions() as session:
        session.execute(sa.update(MailMessage).values(attempts=mail.MOST_ATTEMPTS))
        session.commit()
    assert mail.send_due(sessions, smtp_server.url, FROM) == 0
    with sessions() as session:
        mail.try_again(session, session.scalars(sa.select(MailMessage)).one())
        session.commit()
    assert mail.send_due(sessions, smtp_server.url, FROM) == 1


def test_a_bad_mail_does_not_keep_the_others(sessions: sessionmaker[Session], smtp_server: SmtpServer) -> None:
    bad = posted(sessions)
    with sessions() as session:
        session.execute(sa.update(MailMessage).values(recipient="a@b.example\r\nBcc: thief@evil.example"))
        session.commit()
    posted(sessions)
    assert mail.send_due(sessions, smtp_server.url, FROM) == 1
    with sessions() as session:
        row = session.get(MailMessage, bad)
        assert row is not None
        assert row.sent_at is None
        assert row.error.startswith("ValueError")


def test_two_workers_send_every_mail_once(sessions: sessionmaker[Session], smtp_server: SmtpServer) -> None:
    for number in range(40):
        posted(sessions, f"Mail {number}")
    workers = [threading.Thread(target=mail.send_due, args=(sessions, smtp_server.url, FROM)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    subjects = Counter(message["Subject"] for message in smtp_server.messages())
    assert subjects == {f"Mail {number}": 1 for number in range(40)}


def test_a_worker_that_died_loses_nothing(sessions: sessionmaker[Session], smtp_server: SmtpServer) -> None:
    posted(sessions)
    with sessions() as session:
        mail._claim(session)
        session.commit()  # and the process ends here
    assert mail.send_due(sessions, smtp_server.url, FROM) == 0
    now_due(sessions)
    assert mail.send_due(sessions, smtp_server.url, FROM) == 1


def test_a_folder_keeps_them_as_files(sessions: sessionmaker[Session], tmp_path: Path) -> None:
    posted(sessions, "Grüße", "http://piquet.example/verify/abc\n")
    mail.send_due(sessions, f"folder://{tmp_path / 'mail'}", FROM)
    (file,) = (tmp_path / "mail").glob("*.eml")
    assert b"\nhttp://piquet.example/verify/abc\r\n" in file.read_bytes()
