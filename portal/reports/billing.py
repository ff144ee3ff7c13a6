"""Which QR-bills a report brings: one for each driver and currency that something is to be paid in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.models import Driver
from portal.reports import qr_bill
from portal.reports.models import Creditor, DriverAddress
from portal.reports.qr_bill import Address, Reference
from portal.reports.rows import ReportRow


class Owed(NamedTuple):
    """What a driver has charged in a period, in one currency; money in Rappen, with VAT."""

    driver_id: int
    driver: str
    currency: str
    sessions: int
    energy_wh: int
    rappen: int


class Billing:
    """Adds up what each driver owes while the rows pass, and knows who is to be paid."""

    def __init__(self, account: str, creditor: Address, kind: Reference, debtors: Mapping[int, Address]) -> None:
        self.account, self.creditor, self.kind, self.debtors = account, creditor, kind, debtors
        self.unknown = 0  # sessions without a driver
        self._owed: dict[tuple[int, str], Owed] = {}

    def of(self, rows: Iterable[ReportRow]) -> Iterator[ReportRow]:
        """The rows as they come, each added."""
        for row in rows:
            if row.driver_id is None:
                self.unknown += 1
            else:
                key = (row.driver_id, row.currency)
                so_far = self._owed.get(key) or Owed(row.driver_id, row.driver, row.currency, 0, 0, 0)
                self._owed[key] = so_far._replace(
                    sessions=so_far.sessions + 1,
                    energy_wh=so_far.energy_wh + row.energy_wh,
                    rappen=so_far.rappen + row.cost.total,
                )
            yield row

    @property
    def owed(self) -> list[Owed]:
        """What a bill is made of, by driver."""
        return [one for one in self._sorted() if self._billed(one)]

    @property
    def nothing_owed(self) -> list[Owed]:
        """Drivers who have nothing to pay."""
        return [one for one in self._sorted() if one.rappen <= 0]

    @property
    def not_billed(self) -> list[Owed]:
        """What the standard knows no bill for: another currency than CHF and EUR, or a thousand millions."""
        return [one for one in self._sorted() if one.rappen > 0 and not self._billed(one)]

    def bill(self, one: Owed, report_id: int, text: str) -> qr_bill.Bill:
        return qr_bill.Bill(
            account=self.account,
            creditor=self.creditor,
            rappen=one.rappen,
            currency=one.currency,
            reference=qr_bill.reference(self.kind, report_id, one.driver_id, one.currency),
            message=qr_bill.message(text),
            debtor=self.debtors.get(one.driver_id),
        )

    def _billed(self, one: Owed) -> bool:
        return 0 < one.rappen <= qr_bill.MOST_RAPPEN and one.currency in qr_bill.CURRENCIES

    def _sorted(self) -> Sequence[Owed]:
        return sorted(self._owed.values(), key=lambda one: (one.driver.lower(), one.driver_id, one.currency))


def of_owner(session: Session, owner_id: int) -> Billing | None:
    """The billing of an owner who has said how he is paid; none of another. Two statements."""
    row = session.get(Creditor, owner_id)
    if row is None:
        return None
    theirs = sa.select(Driver.id).where(Driver.owner_id == owner_id)
    rows = session.scalars(sa.select(DriverAddress).where(DriverAddress.driver_id.in_(theirs)))
    debtors = {one.driver_id: _address(one) for one in rows}
    kind = qr_bill.reference_kind(row.iban, wanted=row.with_reference)
    return Billing(row.iban, _address(row), kind, debtors)


def _address(row: Creditor | DriverAddress) -> Address:
    return Address(*(getattr(row, name) for name in Address._fields))
