"""How an owner is paid, and where his drivers live: what QR-bills are made of. No commit; runs without Flask.

The audit log says that something was changed, never an address or an account number.
"""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.models import Driver
from portal.core import audit
from portal.core.errors import NotThere
from portal.reports import qr_bill
from portal.reports.models import Creditor, DriverAddress
from portal.reports.qr_bill import Address


def set_creditor(session: Session, actor: Account, fields: Mapping[str, str], *, with_reference: bool) -> None:
    """Set to whom and to which account the actor's drivers pay. RuleBroken: iban, or a field of the address."""
    number, found = qr_bill.account(fields.get("iban", "")), qr_bill.address(fields)
    row = session.get(Creditor, actor.id) or Creditor(account_id=actor.id)
    row.iban, row.with_reference = number, with_reference
    _fill(row, found)
    session.add(row)
    session.flush()
    audit.record(session, "account:change_payments", f"account/{actor.id}", actor_id=actor.id, owner_id=actor.id)


def remove_creditor(session: Session, actor: Account) -> None:
    """Forget how the actor is paid; harmless where nothing is known. Bills that were made stay."""
    row = session.get(Creditor, actor.id)
    if row is not None:
        session.delete(row)
        session.flush()
        audit.record(session, "account:change_payments", f"account/{actor.id}", actor_id=actor.id, owner_id=actor.id)


def set_address(session: Session, actor: Account, driver: Driver, fields: Mapping[str, str]) -> None:
    """Set the address of the actor's own driver, or forget it where all fields but the country are empty. RuleBroken at
    a field."""
    if driver.owner_id != actor.id:
        raise NotThere
    row = session.get(DriverAddress, driver.id)
    if not any(fields.get(name, "").strip() for name in Address._fields if name != "country"):
        if row is not None:
            session.delete(row)
    else:
        found = qr_bill.address(fields)
        row = row or DriverAddress(driver_id=driver.id)
        _fill(row, found)
        session.add(row)
    session.flush()
    told = {"label": driver.label}
    audit.record(session, "driver:change_address", f"driver/{driver.id}", actor_id=actor.id, owner_id=actor.id, **told)


def _fill(row: Creditor | DriverAddress, found: Address) -> None:
    for name, value in found._asdict().items():
        setattr(row, name, value)
