"""A report as an owner makes it: last month of a station group, followed until it is done, its PDF opened."""

import pypdfium2
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LogIn
from tests.browser.looking import look, picture

pytestmark = pytest.mark.browser


def test_an_owner_makes_the_monthly_report_and_opens_the_pdf(log_in: LogIn) -> None:
    page = log_in("master")
    page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Station groups").click()
    page.get_by_role("link", name="Bl2", exact=True).first.click()
    page.get_by_role("main").get_by_role("link", name="Report", exact=True).click()
    expect(page.get_by_label("About")).to_have_value(r"station_group-" + page.url.rpartition("-")[2])
    look(page, "report-new")
    page.get_by_role("button", name="Make the report").click()
    download = page.get_by_role("link", name="Download PDF")
    expect(download).to_be_visible(timeout=60_000)  # htmx has looked again meanwhile
    look(page, "report-done")
    picture(page, "report", page.get_by_role("main").get_by_role("table").last)
    with page.expect_download() as downloaded:
        download.click()
    document = pypdfium2.PdfDocument(downloaded.value.path().read_bytes())
    text = document[0].get_textpage().get_text_bounded()
    assert all(words in text for words in ("Report of a station group", "Bl2", "Energy per driver", "Page 1 of "))
    page.goto("/reports/monthly")
    look(page, "report-monthly")
