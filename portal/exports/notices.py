"""Rules of how an account hears of its exports."""

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts.models import Account
from portal.core import audit, clock
from portal.core.errors import NotThere, RuleBroken
from portal.core.vault import Vault, VaultError
from portal.exports import webhooks
from portal.exports.models import ExportNotice, WebhookMessage
from portal.transports import webhook

DIGESTS = ("never", "attention", "daily")


def of(session: Session, account_id: int) -> ExportNotice:
    """How the account hears of its exports; as usual, and not kept yet, where it has chosen nothing."""
    return session.get(ExportNotice, account_id) or ExportNotice(account_id=account_id, digest="attention")


def choose_digest(session: Session, actor: Account, digest: str) -> None:
    """When the account gets the digest of a day. RuleBroken."""
    if digest not in DIGESTS:
        raise RuleBroken("digest", "This must be filled in.")
    notice = of(session, actor.id)
    before, notice.digest = notice.digest, digest
    session.add(notice)
    if before != digest:
        record(session, actor, "export.digest_chosen", changed={"digest": [before, digest]})


def set_webhook(session: Session, vault: Vault, actor: Account, url: str) -> str:
    """Send the account's events to this address from now on. Gives the secret that signs them where it is the first
    address, to be shown once; else an empty text, and the secret stays. RuleBroken."""
    try:
        where = webhook.place(url.strip())
    except ValueError:
        raise RuleBroken("webhook_url", "Enter the address of a web server, without log-in and without #.") from None
    notice = of(session, actor.id)
    # The rest of an address may be a secret of the receiver: the host alone is shown and logged.
    before, notice.webhook_host = notice.webhook_host, where.host
    notice.sealed_webhook_url = vault.seal(webhooks.place_of_url(actor.id), url.strip()).decode()
    session.add(notice)
    session.flush()
    record(session, actor, "export.webhook_set", changed={"webhook": [before, where.host]})
    return "" if notice.sealed_webhook_secret else _seal_new(vault, notice)


def renew_secret(session: Session, vault: Vault, actor: Account) -> str:
    """Another secret from now on, to be shown once. RuleBroken without a webhook."""
    secret = _seal_new(vault, _with_webhook(session, actor))
    record(session, actor, "export.webhook_secret_renewed")
    return secret


def _seal_new(vault: Vault, notice: ExportNotice) -> str:
    secret = webhooks.new_secret()
    notice.sealed_webhook_secret = vault.seal(webhooks.place(notice.account_id), secret).decode()
    return secret


def remove_webhook(session: Session, actor: Account) -> None:
    """Send nothing more, not even what is due. RuleBroken without a webhook."""
    notice = _with_webhook(session, actor)
    notice.webhook_host = notice.sealed_webhook_url = notice.sealed_webhook_secret = None
    due = sa.delete(WebhookMessage).where(WebhookMessage.account_id == actor.id, WebhookMessage.state == "due")
    session.execute(due.execution_options(synchronize_session=False))
    record(session, actor, "export.webhook_removed")


def send_test(session: Session, actor: Account) -> None:
    """A message that says nothing but that it is a test. RuleBroken without a webhook."""
    _with_webhook(session, actor)
    webhooks.add(session, actor.id, "test", {})


def send_again(session: Session, actor: Account, message: WebhookMessage) -> None:
    """Make a message due now, with all its attempts before it. RuleBroken without a webhook."""
    _with_webhook(session, actor)
    again = {"state": "due", "failures": 0, "not_before": clock.now(), "answer": "", "sent_at": None}
    session.execute(sa.update(WebhookMessage).where(WebhookMessage.id == message.id).values(**again))


def message(session: Session, account_id: int, _action: str, row_id: int) -> WebhookMessage:
    """A message of the account; NotThere for everybody else's."""
    own = (WebhookMessage.id == row_id, WebhookMessage.account_id == account_id)
    row = session.scalar(sa.select(WebhookMessage).where(*own))
    if row is None:
        raise NotThere
    return row


def _with_webhook(session: Session, actor: Account) -> ExportNotice:
    notice = of(session, actor.id)
    if not notice.webhook_host:
        raise RuleBroken("", "There is no webhook. Enter its address first.")
    return notice


def seal_anew(session: Session, vault: Vault) -> tuple[int, list[str]]:
    """Seal the secrets and addresses of all webhooks under the vault's newest key; how many webhooks, and whose the
    present keys do not open. What its owner replaces meanwhile is left as he has sealed it."""
    secret, url = ExportNotice.sealed_webhook_secret, ExportNotice.sealed_webhook_url
    kept = sa.select(ExportNotice.account_id, secret, url).where(ExportNotice.webhook_host.is_not(None))
    sealed, closed = 0, []
    for account_id, *tokens in session.execute(kept.order_by(ExportNotice.account_id)).all():
        try:
            for column, token in zip((secret, url), tokens, strict=True):
                _replace(session, account_id, column, token, vault.rotate((token or "").encode()).decode())
        except VaultError:
            closed.append(f"webhook of account {account_id}")
            continue
        sealed += 1
    return sealed, closed


def _replace(
    session: Session, account_id: int, column: InstrumentedAttribute[str | None], before: str | None, after: str
) -> None:
    same = (ExportNotice.account_id == account_id, column == before)
    update = sa.update(ExportNotice).where(*same).values({column: after})
    session.execute(update, execution_options={"synchronize_session": False})


def record(session: Session, actor: Account, action: str, **detail: object) -> None:
    audit.record(session, action, f"account/{actor.id}", actor_id=actor.id, owner_id=actor.id, **detail)
