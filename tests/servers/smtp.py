"""A mail server for tests: real SMTP, and a folder in which the messages can be read."""

import contextlib
import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers.processes import folder, free_port


@dataclass(frozen=True)
class SmtpServer:
    """Takes mail on 127.0.0.1:`port`, each message a file in `folder` before the sender is told 250."""

    port: int
    folder: Path
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    def messages(self) -> list[EmailMessage]:
        """All that came in, oldest first. X-Envelope-From and X-Envelope-To say what the envelope said."""
        return [_parsed(path.read_bytes()) for path in sorted(self.folder.glob("*.eml"))]

    def messages_to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.messages() if address in message["X-Envelope-To"].split(", ")]

    def clear(self) -> None:
        for path in self.folder.glob("*.eml"):
            path.unlink()


def _parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, _class=EmailMessage, policy=email.policy.default)


class _Keeper:
    def __init__(self, home: Path) -> None:
        self._home = home
        self._count = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002  # aiosmtpd's
        self._count += 1
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        new = self._home / f"{self._count:06}.new"
        new.write_bytes(head.encode() + (envelope.original_content or b""))
        new.rename(new.with_suffix(".eml"))
        return "250 Message accepted for delivery"


@contextlib.contextmanager
def run_smtp() -> Iterator[SmtpServer]:
    """A mail server that takes everything and sends nothing on."""
    with folder() as home:
        port = free_port()
        controller = Controller(_Keeper(home), hostname="127.0.0.1", port=port)
        controller.start()
        try:
            yield SmtpServer(port, home)
        finally:
            controller.stop()
