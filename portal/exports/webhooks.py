"""Webhooks: what happens to exports, told to an address of the account's choice as Standard Webhooks sign it.

A message is written in the transaction that makes it true, and sent by a thread of the scheduler: at least once, with
the same `webhook-id` however often. The row is the job.
"""

import base64
import hashlib
import hmac
import json
import logging
import random
import secrets
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.core import clock
from portal.core.config import Settings
from portal.core.db import database_now
from portal.core.errors import N_
from portal.core.vault import Vault, VaultError
from portal.delivery.sending import reach
from portal.exports.claims import Sessions
from portal.exports.models import ExportNotice, ExportRun, WebhookMessage
from portal.transports import DeliveryError
from portal.transports.webhook import post

log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 10
LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 10  # with doubling waits from one minute: the last one 8.5 hours after the first
FIRST_WAIT_SECONDS = 60
EVERY_SECONDS, MOST_AT_ONCE = 2, 200
KEPT = timedelta(days=30)
NO_KEY = N_("The secret cannot be opened any more. Make another one.")
NO_ADDRESS = N_("The address cannot be opened any more. Enter it again.")


def note(session: Session, run: ExportRun, event: str, **more: Any) -> None:
    """Write down that something happened to a run, where the owner of its task has a webhook; in the caller's
    transaction. `event` is the last word of its type: delivered, failed, paused, recovered, correction."""
    task = run.task
    has_one = (ExportNotice.account_id == task.owner_id, ExportNotice.webhook_host.is_not(None))
    if session.scalar(sa.select(ExportNotice.account_id).where(*has_one)) is None:
        return
    data = {
        "task": {"id": task.id, "name": task.name},
        "run": {"id": run.id, "revision": run.revision},
        "period": {"first_day": run.period_start.isoformat(), "last_day": run.last_day.isoformat()},
        **more,
    }
    add(session, task.owner_id, f"export.{event}", data)


def add(session: Session, account_id: int, event: str, data: dict[str, Any]) -> WebhookMessage:
    """A message of the account, to be sent once the caller has committed."""
    told = {"type": event, "timestamp": clock.now().isoformat(), "data": data}
    body = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    message = WebhookMessage(account_id=account_id, event=event, body=body)
    session.add(message)
    return message


def place(account_id: int) -> str:
    """What the account's secret is sealed for."""
    return f"webhook/{account_id}"


def place_of_url(account_id: int) -> str:
    """What the account's address is sealed for."""
    return f"webhook/{account_id}/url"


def new_secret() -> str:
    """A secret as Standard Webhooks write it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def signed(secret: str, message: WebhookMessage, at: int) -> dict[str, str]:
    """The headers of one attempt at a message, at a Unix time."""
    name = f"msg_{message.id}_{int(message.created_at.timestamp())}"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.new(key, f"{name}.{at}.{message.body}".encode(), hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "user-agent": "Piquet",
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": "v1," + base64.b64encode(signature).decode(),
    }


def run(ended: threading.Event, sessions: Sessions, settings: Settings) -> None:
    """Send what is due until `ended`: the thread of a scheduler. Receivers that answer slowly keep nothing else."""
    vault = Vault(settings.vault_keys)
    while not ended.wait(EVERY_SECONDS):
        try:
            send_due(sessions, settings, vault)
        except SQLAlchemyError as error:
            log.warning("the database could not be asked: %s", error)
        except Exception:
            log.exception("webhooks could not be sent")


def send_due(sessions: Sessions, settings: Settings, vault: Vault, most: int = MOST_AT_ONCE) -> int:
    """Send what is due, one after the other, and say how many attempts were made. Two processes never send one at the
    same time; no transaction is open while a server is talked to."""
    for attempts in range(most):
        with sessions() as session:
            message, notice = _claim(session)
            session.commit()
        if message is None:
            return attempts
        answer, good = _try(message, notice, settings, vault)
        with sessions() as session:
            _keep(session, message, answer, good=good)
            session.commit()
    return most


def _claim(session: Session) -> tuple[WebhookMessage | None, ExportNotice | None]:
    now = database_now(session)
    due = (WebhookMessage.state == "due", WebhookMessage.not_before <= now)
    first = sa.select(WebhookMessage.id).where(*due).order_by(WebhookMessage.not_before, WebhookMessage.id).limit(1)
    until = session.scalars(sa.select(now)).one() + LEASE
    taken = (
        sa.update(WebhookMessage)
        .where(WebhookMessage.id == first.with_for_update(skip_locked=True).scalar_subquery(), *due)
        .values(not_before=until)
        .returning(WebhookMessage.id)
        .execution_options(synchronize_session=False)
    )
    message_id = session.scalar(taken)
    if message_id is None:
        return None, None
    message = session.get_one(WebhookMessage, message_id, populate_existing=True)
    return message, session.get(ExportNotice, message.account_id)


def _try(message: WebhookMessage, notice: ExportNotice | None, settings: Settings, vault: Vault) -> tuple[str, bool]:
    """What the receiver answered, and whether it took the message."""
    if notice is None or not notice.sealed_webhook_url or not notice.sealed_webhook_secret:
        return "", False
    own = reach(settings)
    allowed = replace(own, ports=(443, *own.ports), timeout=TIMEOUT_SECONDS)
    try:
        url = vault.open(place_of_url(message.account_id), notice.sealed_webhook_url.encode())
    except VaultError:
        return NO_ADDRESS, False
    try:
        secret = vault.open(place(message.account_id), notice.sealed_webhook_secret.encode())
        headers = signed(secret, message, int(time.time()))
        status = post(url, headers, message.body.encode(), allowed)
    except VaultError:
        return NO_KEY, False
    except DeliveryError as error:
        log.warning("webhook message %s, %s: %s", message.id, error.step, error.message)
        template, params = error.shown
        return template % params if params else template, False
    except ValueError:
        return "", False
    return f"HTTP {status}", 200 <= status < 300


def _keep(session: Session, message: WebhookMessage, answer: str, *, good: bool) -> None:
    """Write down the answer. After a failure everything else for the same receiver waits as long: a dead one costs
    one attempt a step, not one a message."""
    mine = (WebhookMessage.id == message.id, WebhookMessage.state == "due")
    values: dict[str, Any] = {"answer": answer[:300]}
    if good:
        values |= {"state": "sent", "sent_at": clock.now()}
    else:
        failures = message.failures + 1
        again_at = _again_at(failures)
        values |= {"failures": failures, "not_before": again_at}
        values["state"] = "failed" if failures >= MOST_ATTEMPTS else "due"
        others = (WebhookMessage.account_id == message.account_id, WebhookMessage.state == "due")
        rest = sa.update(WebhookMessage).where(*others, WebhookMessage.not_before < again_at)
        session.execute(rest.values(not_before=again_at).execution_options(synchronize_session=False))
    session.execute(
        sa.update(WebhookMessage).where(*mine).values(**values).execution_options(synchronize_session=False)
    )


def _again_at(failures: int) -> datetime:
    wait = FIRST_WAIT_SECONDS * 2 ** (failures - 1)
    return clock.now() + timedelta(seconds=wait * random.uniform(0.75, 1.25))  # noqa: S311  spreads load, hides nothing


def forget(session: Session, _links: Links) -> int:
    """Delete up to 500 messages that are over for a month: a chore. Says how many."""
    old = (WebhookMessage.state != "due", WebhookMessage.not_before < clock.now() - KEPT)
    ids = sa.select(WebhookMessage.id).where(*old).limit(500)
    gone = sa.delete(WebhookMessage).where(WebhookMessage.id.in_(ids)).execution_options(synchronize_session=False)
    return int(session.execute(gone).rowcount)  # type: ignore[attr-defined]  # a DELETE gives a CursorResult


def messages(session: Session, account: Account, most: int = 20) -> list[WebhookMessage]:
    """The account's last messages, the newest first."""
    own = sa.select(WebhookMessage).where(WebhookMessage.account_id == account.id)
    return list(session.scalars(own.order_by(WebhookMessage.id.desc()).limit(most)))
