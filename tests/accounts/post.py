"""What the application has written, as tests read it: without keeping a transaction, which would lock SQLite."""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.accounts.models import Account
from portal.core.mail import MailMessage


class Letter(NamedTuple):
    subject: str
    body: str


def letters(session: Session, address: str) -> Sequence[Letter]:
    """The letters to an address, oldest first."""
    query = sa.select(MailMessage.subject, MailMessage.body).where(MailMessage.recipient == address)
    session.rollback()
    found = [Letter(*row) for row in session.execute(query.order_by(MailMessage.id))]
    session.rollback()
    return found


def link(session: Session, address: str, start: str) -> str:
    """The path of the last link to a page below `start` in the letters to an address."""
    text = "\n".join(letter.body for letter in letters(session, address))
    found = re.findall(r"https?://\S+", text)
    return [urlsplit(url).path for url in found if urlsplit(url).path.startswith(start)][-1]


def present(session: Session, account: Account) -> Account:
    """The account as the database has it now."""
    session.commit()
    session.refresh(account)
    session.commit()
    return account


def shown(answer: TestResponse) -> str:
    """The page without its CSRF tokens, which carry the second in which they were made."""
    return re.sub(r'(csrf-token" content|csrf_token" value)="[^"]*"', "", answer.text)
