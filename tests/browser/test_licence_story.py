"""Licences as people get them in a browser: asked for in one click, approved, at work; many by a file."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LogIn
from tests.browser.keyboard import press, tab_to, write
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser


def main_link(page: Page, name: str) -> Locator:
    return page.get_by_role("navigation", name="Main navigation").get_by_role("link", name=re.compile(f"^{name}"))


def end_authorisation_of(page: Page, email: str) -> None:
    page.goto("/operator/accounts?q=" + email)
    page.get_by_role("row", name=re.compile(email)).get_by_role("link").first.click()
    page.get_by_role("link", name=re.compile("End the licence.*Authorisation")).click()
    page.check("[name=when][value=now]", force=True)
    page.get_by_role("main").get_by_role("button", name="End the licence").click()


def test_a_licence_is_asked_for_in_one_click_approved_and_the_share_works(log_in: LogIn) -> None:
    operator, display = log_in("operator"), log_in("display")
    shared = display.get_by_role("main").get_by_role("link", name="Bl2", exact=True)
    display.goto("/shared-with-me")
    expect(shared).to_be_visible()
    end_authorisation_of(operator, "display@demo.example")

    display.reload()
    expect(shared).to_have_count(0)
    display.get_by_role("button", name=re.compile("Request it.*Authorisation")).click()
    expect(display.get_by_role("main")).to_contain_text("is requested since")
    assert display.url.endswith("/shared-with-me")

    operator.get_by_role("navigation").get_by_role("link", name=re.compile("Licence requests")).click()
    row = operator.get_by_role("row", name=re.compile("display@demo.example"))
    expect(row).to_contain_text("shared with it")
    row.get_by_role("link", name=re.compile("^Approve")).click()
    operator.get_by_role("main").get_by_role("button", name="Activate").click()
    expect(operator.get_by_text("1 licence is activated.")).to_be_visible()

    display.reload()
    expect(shared).to_be_visible()
    expect(display.get_by_role("main")).to_contain_text("Licence “Authorisation” active")


def test_two_requests_are_declined_at_once_by_keyboard_alone(log_in: LogIn) -> None:
    operator, stranger, manage = log_in("operator"), log_in("stranger"), log_in("manage")
    for page in (stranger, manage):
        press(page, main_link(page, "Licences"))
        expect(page).to_have_url(re.compile("/licences$"))
        press(page, page.get_by_role("button", name=re.compile("Request it.*Maintenance")))
        expect(page.get_by_role("main")).to_contain_text("Requested on")
    press(operator, main_link(operator, "Licence requests"))
    expect(operator).to_have_url(re.compile("/operator/requests$"))
    decline = operator.get_by_role("main").get_by_role("button", name="Decline")
    for who in ("stranger", "manage"):
        press(operator, operator.get_by_role("checkbox", name=re.compile(f"{who}@demo.example, Maintenance")), "Space")
    tab_to(operator, decline)
    press(operator, operator.get_by_role("checkbox", name=re.compile("manage@demo.example, Main")), "Space", back=True)
    operator.keyboard.press("Space")  # taken back, and chosen again
    press(operator, decline)
    write(operator, operator.get_by_label("Reason"), "Comes later.")
    press(operator, operator.get_by_role("main").get_by_role("button", name=re.compile("^Decline")))
    expect(operator.get_by_text("2 requests are declined.")).to_be_visible()
    stranger.reload()
    expect(stranger.get_by_role("main")).to_contain_text("Comes later.")


def test_many_licences_come_from_a_file_that_is_looked_at_first(log_in: LogIn, demo: Portal, tmp_path: Path) -> None:
    operator, table = log_in("operator"), tmp_path / "licences.csv"
    table.write_text(
        "email;licence;first day;last day\n"
        "piquet1@demo.example;reports;2027-01-01;2027-12-31\n"
        "piquet2@demo.example;Reports;01.01.2027;\n"
        "nobody@demo.example;reports;;\n"
    )
    operator.goto("/operator/accounts")
    operator.get_by_role("link", name="Activate licences by file").click()
    operator.set_input_files("[name=file]", table)
    operator.get_by_role("button", name="Look at the rows").click()
    expect(operator.get_by_role("row", name=re.compile("nobody"))).to_contain_text("No account has this address")
    assert reports(demo) == 0
    operator.get_by_role("button", name="Activate 2 licences").click()
    expect(operator.get_by_text("2 licences are activated.")).to_be_visible()
    assert reports(demo) == 2


def reports(demo: Portal) -> int:
    """Licences Reports of the two members of the on-call team."""
    query = (
        "SELECT count(*) FROM licence JOIN account ON account.id = account_id "
        "WHERE email LIKE 'piquet_@demo.example' AND kind = 'reports'"
    )
    with closing(sqlite3.connect(f"file:{demo.data_dir / 'piquet.db'}?mode=ro", uri=True)) as connection:
        return int(connection.execute(query).fetchone()[0])
