"""QR-bills: what a scanner reads from the page, against the Swiss Implementation Guidelines QR-bill 2.3."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pypdfium2
import pytest
import sqlalchemy as sa
import zxingcpp
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker
from stdnum import iso11649
from stdnum.ch import esr

from portal.access.costs import Cost
from portal.access.models import SessionCost
from portal.accounts.models import Account
from portal.charging.models import Driver
from portal.core.audit import AuditEntry
from portal.core.errors import RuleBroken
from portal.licences.models import Kind
from portal.reports import jobs, operations, payments, pdf, qr_bill, schedules
from portal.reports.billing import Billing
from portal.reports.models import Creditor, DriverAddress, Report, ReportSchedule, Subject
from portal.reports.qr_bill import Address, Reference
from portal.reports.rows import ReportRow
from portal.reports.schedules import Wanted
from portal.reports.summary import Summary
from portal.stations.models import StationGroup
from tests import world
from tests.reports.test_jobs import content
from tests.reports.test_pdf import MARCH, ZURICH, Tags, report, text
from tests.reports.test_schedules import LINKS

LogIn = Callable[[Account], FlaskClient]
IBAN, QR_IBAN = "CH9300762011623852957", "CH4431999123000889012"
WE = Address("Robert Schneider AG", "Rue du Lac", "1268", "2501", "Biel", "CH")
SHE = Address("Pia-Maria Rutschmann-Schnyder", "Grosse Marktgasse", "28", "9400", "Rorschach", "CH")
TYPED = {**WE._asdict(), "iban": "CH44 3199 9123 0008 8901 2"}


def rows(*owed: tuple[int | None, str, int]) -> Iterator[ReportRow]:
    """A session for each driver, currency and Rappen."""
    at = datetime(2024, 3, 1, 9, tzinfo=UTC)
    for number, (driver_id, currency, rappen) in enumerate(owed):
        cost = Cost(rappen, total=rappen)
        yield ReportRow(
            number, "Garage", 1, at, at + timedelta(hours=1), 3600, 0, "", f"Driver {driver_id}", "", "", 5000, cost,
            81, currency, [(at, 5000)], driver_id,
        )  # fmt: skip


def made(billing: Billing, *owed: tuple[int | None, str, int], language: str = "en") -> pypdfium2.PdfDocument:
    about, summary = report(language=language), Summary(ZURICH)
    about.id = 4711
    found = summary.of(rows(*owed))
    return pypdfium2.PdfDocument(b"".join(pdf.write(pdf.About(about, "Muster AG", billing), found, summary)))


def codes(document: pypdfium2.PdfDocument) -> list[str]:
    """What a scanner reads on the pages that have a code."""
    found = [zxingcpp.read_barcodes(page.render(scale=3).to_pil().convert("L")) for page in document]
    return [one.text for page in found for one in page]


@pytest.mark.parametrize(
    ("account", "wanted", "kind"),
    [(QR_IBAN, False, Reference.QRR), (IBAN, True, Reference.SCOR), (IBAN, False, Reference.NONE)],
)
def test_every_line_of_the_code_is_as_the_standard_has_it(account: str, wanted: bool, kind: Reference) -> None:
    billing = Billing(account, WE, qr_bill.reference_kind(account, wanted=wanted), {12: SHE})
    document = made(billing, (12, "CHF", 194975), (13, "EUR", 5), (12, "CHF", 25))
    lines = [code.split("\r\n") for code in codes(document)]
    assert len(lines) == 2
    first, second = lines
    reference = qr_bill.reference(kind, 4711, 12, "CHF")
    told = ["S", "Robert Schneider AG", "Rue du Lac", "1268", "2501", "Biel", "CH"]
    debtor = ["S", "Pia-Maria Rutschmann-Schnyder", "Grosse Marktgasse", "28", "9400", "Rorschach", "CH"]
    message = "Charging from 1 Mar 2024 to 31 Mar 2024"
    head, nobody = ["SPC", "0200", "1", account], [""] * 7
    assert first == [*head, *told, *nobody, "1950.00", "CHF", *debtor, kind.value, reference, message, "EPD"]
    reference = qr_bill.reference(kind, 4711, 13, "EUR")
    assert second == [*head, *told, *nobody, "0.05", "EUR", *nobody, kind.value, reference, message, "EPD"]


def test_the_payment_part_lies_at_the_foot_of_an_a4_page_of_its_own() -> None:
    document = made(Billing(IBAN, WE, Reference.NONE, {}), (12, "CHF", 100))
    page = document[len(document) - 1]
    assert [round(side / 72 * 25.4) for side in page.get_size()] == [210, 297]
    (code,) = zxingcpp.read_barcodes(page.render(scale=4).to_pil().convert("L"))
    place, per_mm = code.position, 4 * 72 / 25.4
    corners = [place.top_left.x, place.top_left.y, place.bottom_right.x, place.bottom_right.y]
    assert [one / per_mm for one in corners] == pytest.approx([67, 209, 113, 255], abs=0.5)
    assert "Piquet Page" not in text(document).rpartition("\f")[2], "nothing stands in the payment part but itself"


@pytest.mark.parametrize(
    ("language", "words"),
    [("de", "Zahlteil"), ("fr", "Section paiement"), ("it", "Sezione pagamento"), ("en", "Payment part")],
)
def test_it_speaks_the_language_of_the_report(language: str, words: str) -> None:
    assert words in text(made(Billing(IBAN, WE, Reference.NONE, {}), (12, "CHF", 100), language=language))


def test_who_has_nothing_to_pay_gets_no_bill_and_it_is_said() -> None:
    owed = ((12, "CHF", 0), (13, "CHF", 100), (None, "CHF", 300), (14, "USD", 500))
    document = made(Billing(IBAN, WE, Reference.SCOR, {}), *owed)
    found = text(document).replace("\n", " ")
    assert len(codes(document)) == 1
    assert "1 QR-bill stands at the end" in found
    assert "Nothing to pay, so no bill: Driver 12" in found
    assert "No QR-bill can be made of this currency or amount: Driver 14" in found
    assert "1 session has no driver and is in no bill." in found
    assert Tags(document).kinds["Figure"] == 3, "the code with what stands beside it is read as one picture"


def test_references_are_valid_and_never_the_same() -> None:
    some = list(product((1, 11), (1, 11), qr_bill.CURRENCIES))
    for kind, valid in ((Reference.QRR, esr.is_valid), (Reference.SCOR, iso11649.is_valid)):
        found = [qr_bill.reference(kind, *one) for one in some]
        assert all(map(valid, found))
        assert len(set(found)) == len(some)
        assert {len(one) for one in found} <= ({27} if kind is Reference.QRR else set(range(5, 26)))
    assert qr_bill.reference(Reference.QRR, 999_999_999_999, 10**13 - 1, "EUR")[:26] == "2" + "9" * 25


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("", "filled in"),
        ("CH93 0076 2011 6238 5295 8", "check digits"),
        ("CH44 3199 9123 0008 8901", "check digits"),
        ("DE89 3704 0044 0532 0130 00", "Switzerland or Liechtenstein"),
        ("four", "check digits"),
    ],
)
def test_an_account_that_cannot_be_paid_to_is_refused(number: str, said: str) -> None:
    with pytest.raises(RuleBroken, match=said) as broken:
        qr_bill.account(number)
    assert broken.value.field == "iban"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "filled in"),
        ("name", "x" * 71, "at most 70"),
        ("street", "x" * 71, "at most 70"),
        ("house_number", "1" * 17, "at most 16"),
        ("postcode", " ", "filled in"),
        ("town", "x" * 36, "at most 35"),
        ("town", "充電", "do not accept these characters: 充 電"),
        ("name", "Ελένη", "do not accept"),
        ("country", "CHE", "at most 2"),
        ("country", "1!", "two letters"),
    ],
)
def test_an_address_that_banks_do_not_take_is_refused_at_its_field(field: str, value: str, said: str) -> None:
    with pytest.raises(RuleBroken, match=said) as broken:
        qr_bill.address({**WE._asdict(), field: value})
    assert broken.value.field == field


def test_other_characters_of_a_message_become_their_letter_or_are_left_out() -> None:
    assert qr_bill.message("Zürich  ß Łódź Ș €\n“a” ﬁne 充電") == "Zürich ß Łódź Ș € a fine"
    assert len(qr_bill.message("x " * 100)) <= 140


@pytest.fixture
def billed(session: Session, owner: Account) -> Account:
    payments.set_creditor(session, owner, TYPED, with_reference=True)
    session.commit()
    return owner


def test_a_report_brings_a_bill_for_each_driver(
    session: Session, sessions: sessionmaker[Session], billed: Account, group: StationGroup
) -> None:
    driver = session.scalars(sa.select(Driver).where(Driver.label == "Ben")).one()
    payments.set_address(session, billed, driver, SHE._asdict())
    session.execute(sa.update(SessionCost).values(energy=1045, total=1045))
    about = operations.order(session, billed, ("station_group", group.id), MARCH, ["pdf"], with_bills=True)
    session.commit()
    assert jobs.run_due(sessions) == 1
    session.refresh(about)
    assert about.state == "done"
    found = [code.split("\r\n") for code in codes(pypdfium2.PdfDocument(content(session, about, "pdf")))]
    assert [(line[3], line[18], line[20]) for line in found] == [(QR_IBAN, "10.45", ""), (QR_IBAN, "10.45", "S")]
    assert sum(one["total"] for one in about.sums) == 2090


def test_only_the_owner_with_payment_details_and_a_pdf_gets_bills(
    session: Session, owner: Account, group: StationGroup
) -> None:
    about = (Subject.STATION_GROUP, group.id)
    with pytest.raises(RuleBroken, match="Profile, Payments"):
        operations.order(session, owner, about, MARCH, ["pdf"], with_bills=True)
    payments.set_creditor(session, owner, TYPED, with_reference=True)
    with pytest.raises(RuleBroken, match="part of the PDF"):
        operations.order(session, owner, about, MARCH, ["csv"], with_bills=True)
    reader = world.account(session, "reader@demo.example", Kind.AUTHORISATION, Kind.REPORTS)
    world.grant(session, group, "administrate", reader.email)
    with pytest.raises(RuleBroken, match="Only the owner"):
        operations.order(session, reader, about, MARCH, ["pdf"], with_bills=True)
    for actor, kind, said in ((owner, "csv", "part of the PDF"), (reader, "pdf", "Only the owner")):
        with pytest.raises(RuleBroken, match=said):
            schedules.create(session, actor, Wanted(about, [kind], with_bills=True))


def test_a_monthly_report_brings_bills_to_the_owner_alone(
    session: Session, billed: Account, group: StationGroup
) -> None:
    reader = world.account(session, "reader@demo.example", Kind.AUTHORISATION)
    world.grant(session, group, "display", reader.email)
    row = schedules.create(
        session, billed, Wanted((Subject.STATION_GROUP, group.id), ["pdf"], None, reader.email, True)
    )
    row.next_month = row.next_month - timedelta(days=1)
    session.flush()
    assert schedules.make_due(session, LINKS) == 2
    made = session.execute(sa.select(Report.account_id, Report.with_bills)).all()
    assert dict(made) == {billed.id: True, reader.id: False}


def test_payment_details_are_kept_shown_and_forgotten_and_stand_in_no_log(
    session: Session, owner: Account, logged_in: LogIn, caplog: pytest.LogCaptureFixture
) -> None:
    browser = logged_in(owner)
    refused = browser.post("/profile/payments", data={**TYPED, "iban": "CH93 0076 2011 6238 5295 8"})
    assert refused.status_code == 422
    assert "its check digits do not fit" in refused.text
    page = browser.post("/profile/payments", data=TYPED, follow_redirects=True).text
    assert "QR-reference, which goes with a QR-IBAN" in page
    assert QR_IBAN in page
    told = str([(row.action, row.detail) for row in session.scalars(sa.select(AuditEntry))]) + caplog.text
    session.commit()
    assert "account:change_payments" in told
    assert not any(secret in told for secret in (QR_IBAN, "3199", "Rue du Lac"))
    browser.post("/profile/payments/forget")
    assert session.scalars(sa.select(Creditor)).all() == []


def test_the_address_of_a_driver_is_its_owners_to_set(session: Session, owner: Account, logged_in: LogIn) -> None:
    driver = session.scalars(sa.select(Driver).where(Driver.owner_id == owner.id).order_by(Driver.id)).first()
    assert driver is not None
    url, row_id = f"/drivers/{driver.id}/address", driver.id
    browser = logged_in(owner)
    assert "At most 35" not in browser.get(url).text
    wrong = browser.post(url, data={**SHE._asdict(), "town": "x" * 36})
    assert wrong.status_code == 422
    assert "Use at most 35 characters." in wrong.text
    assert browser.post(url, data=SHE._asdict()).location == f"/drivers/{row_id}"
    kept = session.get_one(DriverAddress, row_id)
    assert Address(*(getattr(kept, name) for name in Address._fields)) == SHE
    session.commit()
    browser.post(url, data=dict.fromkeys(Address._fields, "") | {"country": "CH"})
    assert session.scalars(sa.select(DriverAddress)).all() == []


def test_the_form_orders_bills(session: Session, billed: Account, group: StationGroup, logged_in: LogIn) -> None:
    browser, kept = logged_in(billed), sa.select(Report.with_bills)
    data = {"subject": f"station_group-{group.id}", "period": "last_month", "kinds": ["pdf"], "with_bills": "y"}
    assert browser.post("/reports/new", data=data).status_code == 302
    assert session.scalars(kept).all() == [True]
    session.commit()
    assert browser.post("/reports/monthly/new", data=data).status_code == 302
    ((number, with_bills),) = session.execute(sa.select(ReportSchedule.id, ReportSchedule.with_bills)).all()
    assert with_bills
    session.commit()
    assert "with QR-bills" in browser.get("/reports/monthly").text
    (box,) = re.findall('<input[^>]*id="with_bills"[^>]*>', browser.get(f"/reports/monthly/{number}/edit").text)
    assert "checked" in box
