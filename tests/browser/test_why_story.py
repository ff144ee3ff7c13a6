"""Why somebody sees what he sees, and the yearly look at what is shared, as an owner goes about it."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LogIn
from tests.browser.keyboard import press, tab_to, write

pytestmark = pytest.mark.browser


def type_into(field: Locator, text: str) -> None:
    """As a user does: into the field, and key after key."""
    field.click()
    field.press_sequentially(text)


def ask(page: Page, email: str, what: str = "") -> None:
    page.get_by_label("Whose access?").click(click_count=3)  # what stands there is replaced
    page.keyboard.type(email)
    if what:
        page.get_by_label("To do what?").select_option(label=what)
    page.get_by_role("button", name="Explain").click()


def test_the_owner_asks_why_and_why_not_and_looks_with_others_eyes(log_in: LogIn) -> None:
    page = log_in("master")
    main = page.get_by_role("main")
    page.goto("/station-groups")
    main.get_by_role("link", name="AsO2", exact=True).click()
    main.get_by_role("link", name="Who sees this?").click()

    ask(page, "Piquet1@demo.example")
    expect(page.locator("#answer")).to_contain_text("Yes, piquet1@demo.example may do this: see this station group.")
    expect(page.get_by_role("list", name="The path")).to_contain_text(re.compile("Owner.*AsO2.*Piquet.*piquet1", re.S))

    ask(page, "display@demo.example")
    expect(page.locator("#answer")).to_contain_text("No, display@demo.example may not do this")

    ask(page, "piquet1@demo.example", "give others access")
    main.get_by_role("link", name="View as").click()
    expect(main).to_contain_text("You look with the eyes of piquet1@demo.example")
    main.get_by_role("table").get_by_role("link").first.click()
    expect(main).to_contain_text("What he may change here")
    expect(page.get_by_role("banner")).to_contain_text("master@demo.example")
    main.get_by_role("table", name="Connectors").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Connector 1 of")
    expect(main.get_by_role("button", name="Save")).to_have_count(0)


def test_the_owner_looks_at_all_that_somebody_sees_of_his(log_in: LogIn) -> None:
    page = log_in("master")
    main = page.get_by_role("main")
    page.goto("/access")
    type_into(page.get_by_label("E-mail address"), "display@demo.example")
    main.get_by_role("button", name="Show").click()
    main.get_by_role("link", name="View as").first.click()
    seen = log_in("display")
    for section, real in (
        ("Station groups", "/station-groups"),
        ("Stations", "/stations"),
        ("Charging sessions", "/sessions"),
    ):
        main.get_by_role("link", name=section, exact=True).click()
        expect(main).to_contain_text("You look with the eyes of display@demo.example")
        seen.goto(real)
        rows, own = main.locator("tbody tr"), seen.get_by_role("main").locator("tbody tr")
        expect(rows.first).to_be_visible()
        assert [row.split() for row in rows.all_inner_texts()] == [row.split() for row in own.all_inner_texts()]
        expect(main.locator("form[method=post]")).to_have_count(0)
    main.get_by_role("link", name="Exports", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Auto-export")
    main.get_by_role("link", name="Back to my own view").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What reaches display@demo.example?")


def test_the_owner_goes_through_what_he_shares_by_the_keyboard(log_in: LogIn) -> None:
    page = log_in("master")
    main = page.get_by_role("main")
    page.goto("/station-groups")
    main.get_by_role("link", name="AdO3", exact=True).click()
    group = page.url
    for email in ("one@x.example", "two@x.example"):
        page.goto(group + "/sharing/add")
        write(page, page.get_by_label("E-mail address"), email)
        press(page, page.get_by_label("Display stations"), "Space")
        press(page, main.get_by_role("button", name="Add authorisation"))
        expect(main.get_by_role("row", name=re.compile(email))).to_be_visible()

    press(page, page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Sharing"))
    write(page, page.get_by_role("searchbox", name="Person or group"), "ado3")
    page.keyboard.press("Enter")
    expect(main.get_by_role("row")).to_have_count(3)

    press(page, main.get_by_role("button", name="Confirm one@x.example"))
    expect(main.get_by_role("row", name=re.compile("one@x.example"))).to_contain_text("by Master account")
    expect(page).to_have_url(re.compile("q=ado3"))

    press(page, main.get_by_role("checkbox", name="all on this page"), "Space")
    press(page, main.get_by_role("button", name="Revoke", exact=True).first)
    expect(main).to_contain_text("AdO3: two@x.example loses")
    press(page, main.get_by_role("button", name="Revoke 2 authorisations"))
    expect(main).to_contain_text("2 authorisations have ended")
    tab_to(page, main.get_by_label("State"))
    page.keyboard.type("ended in")
    expect(main.get_by_role("row", name=re.compile("one@x.example"))).to_contain_text("Revoked")

    with page.expect_download() as downloaded:
        press(page, main.get_by_role("link", name="Download as CSV"))
    text = downloaded.value.path().read_text(encoding="utf-8-sig")
    assert {line.split(";")[2] for line in text.splitlines()[1:]} == {"one@x.example", "two@x.example"}


def test_a_member_sees_what_is_shared_with_him_and_through_what(log_in: LogIn) -> None:
    page = log_in("piquet1")
    page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Sharing").click()
    page.get_by_role("main").get_by_role("link", name="Shared with me").click()
    row = page.get_by_role("row", name=re.compile("AsO2"))
    expect(row).to_contain_text("Administrate group")
    expect(row).to_contain_text("Piquet")
    row.get_by_role("button", name="AsO2 is still needed").click()
    expect(page.get_by_role("main")).to_contain_text("1 authorisation is confirmed as still needed.")
    expect(row).to_contain_text("for all of this user group")

    with page.expect_download() as downloaded:
        page.get_by_role("main").get_by_role("link", name="Download as CSV").click()
    lines = downloaded.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].split(";")[:2] == ["Station group", "Owner"]
    (line,) = [line.split(";") for line in lines if line.startswith("AsO2;")]
    assert (line[3], line[4]) == ("Administrate group", "Piquet")
