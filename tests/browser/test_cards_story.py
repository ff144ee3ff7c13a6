"""Cards and special users by file, as an owner meets them in a browser."""

import re

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.browser.conftest import LogIn
from tests.browser.looking import look, picture

pytestmark = pytest.mark.browser
UNKNOWN, DRIVER = "046F218A", "Bl2-5"
CORRECTED_MS = 60_000


def main(page: Page) -> Locator:
    return page.get_by_role("main")


def go(page: Page, where: str, *names: str) -> None:
    page.get_by_role("navigation", name="Main navigation").get_by_role("link", name=where, exact=True).click()
    for name in names:
        main(page).get_by_role("link", name=name, exact=True).first.click()


def row(page: Page, text: str) -> Locator:
    return main(page).get_by_role("row").filter(has_text=text)


def test_a_card_is_registered_and_blocked_when_it_is_lost(log_in: LogIn) -> None:
    page = log_in("master")
    page.locator("summary").filter(has_text="Account:").click()
    page.get_by_role("link", name="Profile", exact=True).click()
    page.get_by_role("link", name="Cards", exact=True).click()
    page.get_by_role("textbox", name="Cards").fill("04:e1-10 01; Pool car\n04:E1:10:02; Guest car")
    page.get_by_role("button", name="Register cards").click()
    expect(row(page, "04E11001")).to_contain_text("Pool car")
    row(page, "04E11001").get_by_role("button", name="Block").click()
    expect(row(page, "04E11001")).to_contain_text("Blocked")
    expect(row(page, "04E11002")).to_contain_text("Active")
    look(page, "cards")
    picture(page, "cards", page.get_by_role("button", name="Register cards"))


def test_an_unknown_card_is_assigned_and_what_was_exported_is_corrected(log_in: LogIn) -> None:
    page = log_in("master")
    # A period that is built after the card is assigned has no correction.
    go(page, "Auto-export", "Driver monthly")
    expect(page.locator("#history").get_by_role("status").first).to_contain_text("OK", timeout=CORRECTED_MS)
    go(page, "Charging sessions", "Unknown cards")
    expect(row(page, UNKNOWN)).to_contain_text("41")
    look(page, "unknown-cards")
    picture(page, "unknown-cards", main(page).get_by_role("row").last)
    row(page, UNKNOWN).get_by_role("link", name=f"Assign {UNKNOWN}").click()
    expect(main(page)).to_contain_text("41 sessions without a driver")
    look(page, "assign-card")
    page.get_by_role("combobox", name="Driver", exact=True).fill(DRIVER)
    page.get_by_role("button", name="Assign card").click()
    assigned = main(page).get_by_role("table", name="Assigned cards").get_by_role("row").filter(has_text=UNKNOWN)
    expect(assigned).to_contain_text(DRIVER)

    go(page, "Charging sessions")
    main(page).get_by_role("searchbox").fill(UNKNOWN)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"q={UNKNOWN}"))
    main(page).get_by_role("table").get_by_role("link").first.click()
    expect(page.get_by_role("definition").filter(has_text="(by the card)")).to_contain_text(DRIVER)

    go(page, "Auto-export", "Driver monthly")
    told = main(page).get_by_text(re.compile(r"\d corrections? waits? to be confirmed"))
    for _look in range(CORRECTED_MS // 500):
        if told.count():
            break
        page.wait_for_timeout(500)
        page.reload()
    page.get_by_role("link", name=re.compile("^Look at (it|the first one)$")).first.click()
    corrected = main(page).get_by_role("table", name="What is corrected")
    expect(corrected).to_be_visible()
    cells = corrected.get_by_role("row").last.get_by_role("cell").all_inner_texts()
    before, after = (float(re.sub(r"[^\d.]", "", cell)) for cell in cells[:2])
    assert after > before > 0
    look(page, "correction-by-card")


FILE = b"""e-mail;price per kWh;per hour;per session;from;to
ada@file.example;0.255;;;;
ben@file.example;a lot;;;;
cleo@file.example;;;;01.01.2027;31.12.2027
"""


def test_special_users_come_in_by_a_file_whose_bad_row_says_why(log_in: LogIn) -> None:
    page = log_in("master")
    go(page, "Station groups", "AsO8", "Special users", "Upload a file")
    look(page, "special-users-upload")
    file: FilePayload = {"name": "drivers.csv", "mimeType": "text/csv", "buffer": FILE}
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Look at the rows").click()
    expect(main(page)).to_contain_text("2 rows enter a special user")
    expect(row(page, "ada@file.example")).to_contain_text("CHF 0.255 per kWh")
    expect(row(page, "ben@file.example")).to_contain_text(re.compile("Left out.*Enter a number such as", re.S))
    look(page, "special-users-preview")
    page.get_by_role("button", name="Enter 2 special users").click()
    expect(row(page, "ada@file.example")).to_contain_text("In force")
    expect(row(page, "cleo@file.example")).to_contain_text("Planned")
    expect(row(page, "ben@file.example")).to_have_count(0)
