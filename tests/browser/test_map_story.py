"""The map as somebody on call uses it: from the whole country to one station, with the keyboard alone as well."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LogIn
from tests.browser.looking import look, picture

pytestmark = pytest.mark.browser


def test_from_the_whole_country_to_one_station(log_in: LogIn) -> None:
    page = log_in("master")
    page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Map", exact=True).click()
    look(page, "map")
    picture(page, "map", page.get_by_role("navigation", name="Stations by place"))
    page.get_by_role("link", name="10 stations, canton TI").click()
    expect(page.get_by_text("stations in this section")).to_be_visible()
    look(page, "map-section")
    for _step in range(10):
        if page.locator("a.map-heap").count() == 0:
            break
        here = page.url
        page.locator("a.map-heap").first.click()
        page.wait_for_url(lambda url, here=here: url != here)
    page.locator("a.map-mark").first.click()
    page.wait_for_url("**/stations/*")
    expect(page.get_by_role("img", name="on the map of Switzerland, canton TI")).to_be_visible()
    look(page, "map-station")


def test_by_the_keyboard_a_mark_is_reached_and_opened(log_in: LogIn) -> None:
    page = log_in("master")
    page.goto("/map?canton=GE")
    page.get_by_role("link", name="Whole of Switzerland").focus()
    page.keyboard.press("Tab")
    assert focused(page, "href").startswith("/map?box=")
    assert "stations, canton GE" in focused(page, "aria-label")
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 stations in this section")).to_be_visible()


def focused(page: Page, attribute: str) -> str:
    return str(page.evaluate("name => document.activeElement.getAttribute(name)", attribute))
