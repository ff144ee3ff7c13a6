"""The main job, as its people do it in a browser, with the demo's accounts and data."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LogIn

pytestmark = pytest.mark.browser


def open_connector_of_bl2(page: Page) -> str:
    """From the overview to the first connector of garage Bl2, by clicking; its path."""
    page.get_by_role("navigation").get_by_role("link", name="Station groups").click()
    page.get_by_role("main").get_by_role("link", name="Bl2", exact=True).click()
    page.get_by_role("main").get_by_role("link", name="Bl2-1", exact=True).click()
    page.get_by_role("main").locator("a[href^='/connectors/']").first.click()
    expect(page).to_have_url(re.compile(r"/connectors/\d+$"))
    return page.url


def share_bl2_with_piquet(page: Page) -> None:
    page.goto("/station-groups")
    page.get_by_role("main").get_by_role("link", name="Bl2", exact=True).click()
    page.get_by_role("main").get_by_role("link", name=re.compile("^Sharing")).first.click()
    page.get_by_role("link", name="Add authorisation").first.click()
    page.select_option("[name=user_group]", label="Piquet")
    page.check("[name=role][value=manage]", force=True)
    page.get_by_role("main").get_by_role("button", name="Add authorisation").click()
    expect(page.get_by_role("row", name=re.compile("Piquet"))).to_contain_text("Manage stations")


def revoke_piquet(page: Page) -> None:
    page.goto("/station-groups")
    page.get_by_role("main").get_by_role("link", name="Bl2", exact=True).click()
    page.get_by_role("main").get_by_role("link", name=re.compile("^Sharing")).first.click()
    row = page.get_by_role("row", name=re.compile("Piquet"))
    row.locator("summary").click()
    row.locator("a[href$='/revoke']").click()
    page.get_by_role("main").get_by_role("button", name=re.compile("Revoke")).click()
    expect(page.locator("table").first).not_to_contain_text("Piquet")


def end_authorisation_of(page: Page, email: str) -> None:
    """The operator ends the licence Authorisation of an account, now."""
    page.get_by_role("navigation").get_by_role("link", name="Accounts").click()
    page.get_by_role("main").get_by_role("searchbox").fill(email)
    page.keyboard.press("Enter")
    page.get_by_role("row", name=re.compile(email)).get_by_role("link").first.click()
    page.get_by_role("link", name="End Authorisation").or_(page.locator("a[href$='/end']")).first.click()
    page.check("[name=when][value=now]", force=True)
    page.get_by_role("main").get_by_role("button", name=re.compile("End")).click()


def test_a_master_shares_a_garage_with_the_on_call_team_and_takes_it_back(log_in: LogIn) -> None:
    master, piquet, display, stranger = (log_in(name) for name in ("master", "piquet1", "display", "stranger"))
    share_bl2_with_piquet(master)

    connector = open_connector_of_bl2(piquet)
    piquet.fill("[name=max_power_kw]", "7.4")
    piquet.get_by_role("button", name="Save").click()
    piquet.goto(connector)
    expect(piquet.locator("[name=max_power_kw]")).to_have_value("7.4")

    display.goto(connector)
    expect(display.locator("[name=max_power_kw]")).to_have_value("7.4")
    assert display.get_by_role("main").locator("input:enabled:not([type=hidden]), select:enabled").count() == 0
    token = display.locator("meta[name=csrf-token]").get_attribute("content") or ""
    by_hand = display.request.post(connector, form={"csrf_token": token, "max_power_kw": "99"})
    assert by_hand.status == 403

    answer = stranger.goto(connector)
    assert answer is not None
    assert answer.status == 404

    revoke_piquet(master)
    with piquet.expect_response(connector) as answered:
        piquet.reload()
    assert answered.value.status == 404


def test_a_share_goes_inert_when_the_operator_ends_a_licence_and_both_sides_see_it(log_in: LogIn) -> None:
    operator, manage, master = (log_in(name) for name in ("operator", "manage", "master"))
    connector = open_connector_of_bl2(manage)
    end_authorisation_of(operator, "manage@demo.example")

    answer = manage.goto(connector)
    assert answer is not None
    assert answer.status == 404
    manage.goto("/")
    expect(manage.get_by_role("main")).to_contain_text("Your licence is missing")

    master.goto("/station-groups")
    master.get_by_role("main").get_by_role("link", name="Bl2", exact=True).click()
    master.get_by_role("main").get_by_role("link", name=re.compile("^Sharing")).first.click()
    row = master.get_by_role("row", name=re.compile("manage@demo.example"))
    expect(row).to_contain_text("The other side must act")
    expect(row).not_to_contain_text("licence")
