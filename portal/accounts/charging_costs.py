"""In which currency charging at an account's stations costs, and how the total of a session is rounded."""

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit
from portal.core.errors import RuleBroken

# Of ISO 4217, those of Switzerland and around it. All have hundredths, in which costs are kept.
CURRENCIES = ("CHF", "EUR", "CZK", "DKK", "GBP", "HUF", "NOK", "PLN", "RON", "SEK", "USD")


def change_costs(session: Session, actor: Account, currency: str, *, five_rappen: bool) -> None:
    """Set the currency and whether totals are rounded to five hundredths. What sessions have cost so far stays as it
    is. RuleBroken: currency."""
    if currency not in CURRENCIES:
        raise RuleBroken("currency", "Choose one of the currencies offered.")
    before = {"currency": actor.currency, "five_rappen": actor.five_rappen}
    changed = audit.differences(before, {"currency": currency, "five_rappen": five_rappen})
    actor.currency, actor.five_rappen = currency, five_rappen
    if changed:
        subject = f"account/{actor.id}"
        audit.record(session, "account:change_costs", subject, actor_id=actor.id, owner_id=actor.id, changed=changed)
    session.flush()
