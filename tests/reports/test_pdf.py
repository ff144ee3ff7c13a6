"""PDFs as text and as pictures; nothing that somebody typed becomes markup; nothing is fetched from elsewhere."""

import ctypes
import re
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pypdfium2
import pytest
from flask.testing import FlaskClient
from PIL import Image, ImageChops
from sqlalchemy.orm import Session, sessionmaker
from weasyprint.urls import FatalURLFetchingError

from portal.access.costs import Cost
from portal.accounts.models import Account
from portal.core import clock
from portal.reports import jobs, operations, pdf, pictures
from portal.reports.models import Report
from portal.reports.rows import ReportRow
from portal.reports.summary import Summary
from portal.stations.models import StationGroup
from tests import world

GOLDEN = Path(__file__).parent / "golden"
ZURICH = ZoneInfo("Europe/Zurich")
MARCH = (date(2024, 3, 1), date(2024, 3, 31))


def report(title: str = "Garage Centro", **changed: object) -> Report:
    values = {"subject": "station_group", "first_day": MARCH[0], "last_day": MARCH[1], "language": "en", **changed}
    return Report(title=title, time_zone="Europe/Zurich", kinds=["pdf"], **values)


def rows(count: int = 40, driver: str = "") -> Iterator[ReportRow]:
    at = datetime(2024, 3, 1, 9, tzinfo=UTC)
    for number in range(count):
        start, energy_wh = at + number * timedelta(minutes=30 * 24 * 60 // count), 4000 + 613 * (number % 17)
        cost = Cost(energy_wh * 45 // 1000, 20, 5 * (number % 3), 0, 0, gap=number == 7)
        cost = cost._replace(total=sum(cost[:5]))
        name = driver or (f"driver{number % 13}@x.example" if number % 9 else "")
        yield ReportRow(
            number, f"Garage {number % 3}", 1, start, start + timedelta(hours=2), 5400, 1800, f"#{number % 13}", name,
            "", "", energy_wh, cost, 77 if number < 4 else 81, "CHF", [(start, energy_wh)],
        )  # fmt: skip


def pdf_bytes(
    about: Report, some: Iterator[ReportRow], owner: str = "Muster AG", told: pdf.Told = lambda _count: None
) -> bytes:
    summary = Summary(ZURICH)
    return b"".join(pdf.write(pdf.About(about, owner), summary.of(some), summary, told))


def made(
    about: Report, some: Iterator[ReportRow], owner: str = "Muster AG", told: pdf.Told = lambda _count: None
) -> pypdfium2.PdfDocument:
    return pypdfium2.PdfDocument(pdf_bytes(about, some, owner, told))


def text(document: pypdfium2.PdfDocument) -> str:
    pages = [page.get_textpage().get_text_bounded() for page in document]
    return "\n\f\n".join("\n".join(line.strip() for line in page.splitlines()) for page in pages)


@pytest.fixture
def _december(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2024, 12, 1, 12, tzinfo=UTC))


@pytest.mark.usefixtures("_december")
def test_its_text_is_as_it_was_approved() -> None:
    golden = GOLDEN / "report.txt"
    assert text(made(report(), rows())) == golden.read_text().rstrip("\n")


@pytest.mark.usefixtures("_december")
def test_its_first_page_looks_as_it_was_approved() -> None:
    """Pixel by pixel but for the edges of letters, which differ between versions of what draws them."""
    page = made(report(), rows())[0].render(scale=1).to_pil().convert("L")
    with Image.open(GOLDEN / "report.png") as approved:
        assert page.size == approved.size
        difference = ImageChops.difference(page, approved.convert("L"))
    changed = sum(difference.histogram()[96:])
    assert changed < 0.004 * page.width * page.height, f"{changed} pixels"


def test_it_is_tagged_and_numbers_its_pages() -> None:
    document = made(report(language="en"), rows(120))
    assert pypdfium2.raw.FPDFCatalog_IsTagged(document)
    ends = [page.get_textpage().get_text_bounded().splitlines()[-1] for page in document]
    assert ends == [f"Piquet Page {number} of {len(document)}" for number in range(1, len(document) + 1)]
    assert len(document) > 2


class Tags:
    """What the tags of a PDF say, as a reader for the blind finds it."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        self.cells: list[str] = []
        self.kinds: Counter[str] = Counter()
        for page in document:
            tree = pypdfium2.raw.FPDF_StructTree_GetForPage(page)
            for place in range(pypdfium2.raw.FPDF_StructTree_CountChildren(tree)):
                self._look(pypdfium2.raw.FPDF_StructTree_GetChildAtIndex(tree, place))
            pypdfium2.raw.FPDF_StructTree_Close(tree)

    def _look(self, element: object) -> None:
        buffer = ctypes.create_string_buffer(64)
        pypdfium2.raw.FPDF_StructElement_GetType(element, buffer, 64)
        self.kinds[buffer.raw.decode("utf-16-le").partition("\0")[0]] += 1
        for place in range(max(0, pypdfium2.raw.FPDF_StructElement_CountChildren(element))):
            child = pypdfium2.raw.FPDF_StructElement_GetChildAtIndex(element, place)
            if child:
                self._look(child)


def starts(document: pypdfium2.PdfDocument) -> list[str]:
    """The first column of the sessions, as it is read from page to page."""
    return re.findall(r"^(\d\d\.\d\d\.\d{4} \d\d:\d\d) \d\d\.", text(document), re.MULTILINE)


@pytest.mark.parametrize("at_once", [97, *(pytest.param(n, marks=pytest.mark.deep) for n in (40, 300))])
def test_the_parts_of_a_long_report_make_one(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Every row once and in order, no gap between the parts, every page numbered, every cell tagged."""
    monkeypatch.setattr(pdf, "ROWS_AT_ONCE", at_once)
    told: list[int] = []
    document, words = made(report(), rows(260), told=told.append), pdf._Words("en", ZURICH)
    assert starts(document) == [words.moment(row.started_at) for row in rows(260)]
    assert told == sorted(told)
    assert told[-1] == 260
    ends = [page.get_textpage().get_text_bounded().splitlines()[-1] for page in document]
    assert ends == [f"Piquet Page {number} of {len(document)}" for number in range(1, len(document) + 1)]
    full = [page.get_textpage().get_text_bounded().count("Garage ") for page in document][1:-1]
    assert max(full) - min(full) <= 1, "no page but the first and the last has room left"
    tags = Tags(document)
    rows_of_sums, headings = 2, len(document)  # the headings of the sessions stand on every page
    assert tags.kinds["TR"] == 260 + headings + rows_of_sums + 1
    assert tags.kinds["H1"] == 1


def test_its_objects_are_where_the_file_says() -> None:
    """pypdfium2 repairs a file that is not sound without a word; qpdf's rules are checked by hand here."""
    data = pdf_bytes(report(), rows(260))
    start = int(data.rpartition(b"startxref\n")[2].split()[0])
    assert data[start:].split(b"\n")[0].endswith(b" 0 obj")
    table = zlib.decompress(data[start:].partition(b"stream\n")[2].rpartition(b"\nendstream")[0])
    places = [(table[at], int.from_bytes(table[at + 1 : at + 6], "big")) for at in range(0, len(table), 8)]
    for number, (kind, place) in enumerate(places):
        if kind == 1:
            assert data[place:].startswith(b"%d 0 obj\n" % number)
    assert sum(kind == 2 for kind, _place in places) > 260 * 9


def test_what_somebody_typed_is_no_markup() -> None:
    evil = '<script>x</script><img src="http://evil.example/a.png"><style>*{display:none}</style>'
    found = text(made(report(evil), rows(3, driver=evil), owner=evil)).replace("\n", "")
    assert found.count("<script>x</script>") >= 3
    assert "Totals by currency" in found


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "file:///etc/passwd", "file:///x/../etc/passwd", "data:,x"])
def test_it_reaches_for_nothing_outside(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    page = f'<html lang="en"><title>x</title><img alt="x" src="{url}"></html>'
    with pytest.raises(FatalURLFetchingError, match="nothing outside of static"):
        pdf._Sheets().lay_out(page)


def test_of_many_sessions_the_first_are_shown_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MOST_ROWS", 20)
    found = text(made(report(), rows(50))).replace("\n", " ")
    assert "The first 20 of 50 sessions" in found
    assert "Sessions 50" in found


def test_hidden_drivers_are_numbers(
    session: Session, sessions: sessionmaker[Session], owner: Account, group: StationGroup
) -> None:
    from portal.licences.models import Kind
    from tests.reports.test_jobs import content

    reader = world.account(session, "reader@demo.example", Kind.AUTHORISATION, Kind.REPORTS)
    world.grant(session, group, "display", reader.email, hides_drivers=True)
    kinds = ["pdf", "csv", "extended_csv", "xlsx"]
    about = operations.order(session, reader, ("station_group", group.id), MARCH, kinds)
    session.commit()
    jobs.run_due(sessions)
    found = text(pypdfium2.PdfDocument(content(session, about, "pdf")))
    assert "#" in found
    assert not any(name in found for name in ("Ben", "cmd@x"))
    for kind in kinds[1:]:
        assert b"Ben" not in content(session, about, kind)


def test_without_pango_the_other_files_are_made_and_the_page_says_why(
    session: Session,
    sessions: sessionmaker[Session],
    owner: Account,
    group: StationGroup,
    monkeypatch: pytest.MonkeyPatch,
    client: FlaskClient,
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    about = operations.order(session, owner, ("station_group", group.id), MARCH, ["pdf", "csv"])
    alone = operations.order(session, owner, ("station_group", group.id), MARCH, ["pdf"])
    session.commit()
    assert jobs.run_due(sessions) == 2
    session.expire_all()
    assert (about.state, about.error, [file.kind for file in about.files]) == ("done", "no_pdf", ["csv"])
    assert (alone.state, alone.error, about.energy_wh) == ("failed", "no_pdf", 9500)


@pytest.mark.parametrize(
    ("most", "scale"), [(0, 4), (4, 4), (5, 8), (9, 40), (41, 80), (81, 400), (4000, 4000), (6300, 8000)]
)
def test_the_scale_ends_at_a_round_figure_above_the_largest(most: int, scale: int) -> None:
    assert pictures.nice(most) == scale


def test_long_periods_are_drawn_by_month() -> None:
    found = pictures.days(date(2024, 1, 15), date(2024, 12, 31), {date(2024, 2, day): 100 for day in (1, 29)})
    assert found.by_month
    assert found.rows[:2] == [(date(2024, 1, 1), 0), (date(2024, 2, 1), 200)]
    assert len(found.bars) == 12


def test_the_top_ten_drivers_and_the_rest_add_up() -> None:
    energy = {f"d{number}": number for number in range(15)} | {"": 100}
    shares = pictures.drivers(energy, "unknown", "others")
    assert [shares[0].name, shares[-1].name, len(shares)] == ["unknown", "others", 11]
    assert sum(share.energy_wh for share in shares) == sum(energy.values())


LONG = """
import resource, sys
from pathlib import Path
from tests.reports.test_pdf import pdf_bytes, report, rows
made = pdf_bytes(report(), rows(10_000))
sys.stdout.buffer.write(made)
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss: that is at least what the process had that started this one.
most = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(int(most) // 1024, round(used.ru_utime + used.ru_stime), file=sys.stderr)
"""


@pytest.mark.deep
def test_ten_thousand_sessions_make_one_pdf_in_little_memory() -> None:
    """All of them, in a process of its own: at most 400 MB, which does not grow with the rows."""
    run = subprocess.run([sys.executable, "-c", LONG], capture_output=True, check=True)
    megabytes, seconds = map(int, run.stderr.split()[-2:])
    document, words = pypdfium2.PdfDocument(run.stdout), pdf._Words("en", ZURICH)
    found, energy_wh = text(document), sum(row.energy_wh for row in rows(10_000))
    assert starts(document) == [words.moment(row.started_at) for row in rows(10_000)]
    assert f"Energy {words.kwh(energy_wh)} kWh" in found.replace("\n", " ")
    assert len(document) > 200
    assert found.splitlines()[-1] == f"Piquet Page {len(document)} of {len(document)}"
    assert Tags(document).kinds["TR"] == 10_000 + len(document) + 3
    assert megabytes < 400, seconds
    assert seconds < 400, "a loaded machine takes up to twice as long"
