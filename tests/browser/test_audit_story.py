"""The audit log as an owner and the operator use it: what was done is there, with its values, and can be found."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LogIn
from tests.browser.test_story import open_connector_of_bl2, revoke_piquet, share_bl2_with_piquet

pytestmark = pytest.mark.browser


def open_log(page: Page) -> None:
    page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Sharing").click()
    page.get_by_role("link", name="Audit log").first.click()
    expect(page.get_by_role("heading", name="Audit log")).to_be_visible()


def test_an_owner_finds_who_changed_what_and_the_operator_too(log_in: LogIn) -> None:
    master, piquet, display, operator = (log_in(name) for name in ("master", "piquet1", "display", "operator"))
    share_bl2_with_piquet(master)
    connector = open_connector_of_bl2(piquet)
    piquet.fill("[name=max_power_kw]", "6.6")
    piquet.get_by_role("button", name="Save").click()
    token = display.locator("meta[name=csrf-token]").get_attribute("content") or ""
    assert display.request.post(connector, form={"csrf_token": token, "max_power_kw": "99"}).status == 403
    revoke_piquet(master)

    open_log(master)
    rows = master.get_by_role("row")
    expect(rows.filter(has_text="Revoked Manage stations of Piquet on Bl2").first).to_contain_text("master@")
    expect(rows.filter(has_text="Was refused “connector:edit”").first).to_contain_text("display@demo.example")
    changed = rows.filter(has_text="Changed the connector Bl2-1").first
    expect(changed).to_contain_text("piquet1@demo.example")
    expect(changed).to_contain_text(re.compile(r"Maximum power: .* 6\.6 kW"))

    master.get_by_label("Kind").select_option(label="Refused actions")
    expect(rows.filter(has_text="Changed the connector")).to_have_count(0)
    expect(rows.filter(has_text="Was refused").first).to_be_visible()
    with master.expect_download() as download:
        master.get_by_role("link", name="Download as CSV").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    assert "display@demo.example" in text
    assert "Changed the connector" not in text

    operator.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Audit log").click()
    operator.get_by_label("Person").fill("display@demo.example")
    operator.keyboard.press("Enter")
    expect(operator.get_by_role("row").filter(has_text="Was refused").first).to_contain_text("master@demo.example")
