"""Many stations at once, as an owner and who manages a group do it in a browser."""

import csv
import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LogIn
from tests.browser.keyboard import press, tab_to, write
from tests.browser.looking import look, picture

pytestmark = pytest.mark.browser


def made(page: Page, *names: str) -> None:
    """Stations of the story's own with a connector each."""
    for name in names:
        page.goto("/stations/create")
        page.fill("[name=name]", name)
        page.locator("main form button[type=submit]").click()
        page.locator("main form button[type=submit]").click()
        expect(page.get_by_text("Connector 1 is there.")).to_be_visible()


def test_prices_of_many_are_changed_with_the_keyboard_alone(log_in: LogIn) -> None:
    page = log_in("master")
    made(page, "Bulk 1", "Bulk 2", "Bulk 3")
    page.goto("/stations?q=Bulk")
    look(page, "bulk-list")
    for number in (1, 3):
        press(page, page.get_by_role("checkbox", name=f"Choose Bulk {number}"), "Space")
    press(page, page.get_by_role("main").get_by_role("button", name="Change", exact=True))
    expect(page.get_by_role("heading", name="Change 2 stations")).to_be_visible()
    look(page, "bulk-choose")
    write(page, page.get_by_label("Support contact", exact=True), "help@demo.example")
    write(page, page.get_by_label("Price per kWh in CHF"), "0.385")
    press(page, page.get_by_role("button", name="Look at the changes"))
    expect(page.get_by_text("To be changed: 2 stations, 2 connectors")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Bulk 3"))).to_have_count(2)
    look(page, "bulk-preview")
    picture(page, "bulk-edit", page.get_by_role("row").last)
    tab_to(page, page.get_by_role("button", name="Save the changes"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved: 2 stations, 2 connectors.")).to_be_visible()
    page.goto("/stations?q=Bulk")
    page.get_by_role("link", name="Bulk 1").click()
    expect(page.get_by_role("main")).to_contain_text("CHF 0.385")
    expect(page.get_by_role("main")).to_contain_text("help@demo.example")


def test_the_list_is_downloaded_changed_and_read_in(log_in: LogIn, tmp_path: Path) -> None:
    page = log_in("master")
    made(page, "Sheet 1", "Sheet 2")
    page.goto("/stations?q=Sheet")
    page.get_by_text("Download", exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV file").click()
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text("utf-8-sig")), delimiter=";"))
    assert [row["Name"] for row in rows] == ["Sheet 1", "Sheet 2"]
    rows[0]["Price per hour in CHF"], rows[1]["Price per hour in CHF"] = "1.2", "a lot"
    with (tmp_path / "changed.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys(), delimiter=";")
        table.writeheader()
        table.writerows(rows)
    page.get_by_role("link", name="Read in a list").click()
    look(page, "bulk-upload")
    page.set_input_files("[name=file]", tmp_path / "changed.csv")
    page.get_by_role("button", name="Look at the changes").click()
    expect(page.get_by_role("row", name=re.compile("Sheet 2"))).to_contain_text("Enter a number such as 0.375.")
    expect(page.get_by_role("row", name=re.compile("Sheet 1.*Price per hour in CHF: 0.00 then 1.20"))).to_be_visible()
    look(page, "bulk-file-preview")
    page.get_by_role("button", name="Save the changes").click()
    expect(page.get_by_text("Saved: 1 connector.")).to_be_visible()


def test_who_manages_a_group_finds_what_is_not_his_shut(log_in: LogIn) -> None:
    page = log_in("manage")
    page.goto("/stations?show=managed")
    page.get_by_role("checkbox", name=re.compile("^Choose")).first.check()
    page.get_by_role("main").get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_label("VAT rate in percent", exact=True)).to_be_disabled()
    expect(page.get_by_label("Address", exact=True)).to_be_enabled()
