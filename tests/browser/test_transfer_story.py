"""A station group changes hands, as two people do it in their browsers."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LogIn

pytestmark = pytest.mark.browser
AXE = Path(__file__).with_name("axe") / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
SCREENSHOTS = os.environ.get("SCREENSHOTS")  # a folder: the pages are kept there as pictures


def look(page: Page, name: str) -> None:
    """The page is accessible and within its width, in both themes and sizes."""
    for theme, width in (("light", 1280), ("dark", 390)):
        page.set_viewport_size({"width": width, "height": 900})
        page.context.add_cookies([{"name": "theme", "value": theme, "url": page.url}])
        page.reload()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        page.evaluate(AXE.read_text())
        faults = page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]
        assert not faults, (name, faults)
        if SCREENSHOTS:
            page.screenshot(path=f"{SCREENSHOTS}/{name}-{theme}-{width}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})


def test_a_station_group_changes_hands(log_in: LogIn) -> None:
    giver, receiver = log_in("master"), log_in("manage")
    giver.goto("/station-groups?q=MS22")
    giver.get_by_role("link", name="MS22", exact=True).first.click()
    giver.get_by_role("link", name="Transfer").click()
    look(giver, "offer")
    giver.get_by_label("E-mail address of the receiver").fill("manage@demo.example")
    giver.get_by_label("Message").fill("The site is yours from the first of the month.")
    giver.get_by_role("button", name="Offer").click()
    expect(giver.get_by_text("The offer is on its way")).to_be_visible()
    look(giver, "offered")

    receiver.goto("/transfers")
    look(receiver, "list")
    receiver.get_by_role("link", name="MS22", exact=True).click()
    look(receiver, "answer")
    receiver.get_by_role("button", name="Accept").click()
    expect(receiver.get_by_text("MS22 belongs to you now.")).to_be_visible()

    giver.reload()
    expect(giver.get_by_text("What went over")).to_be_visible()
    look(giver, "over")
    giver.goto("/profile/transfer")
    look(giver, "everything")


def test_a_station_is_taken_over_and_a_whole_account_declined(log_in: LogIn) -> None:
    giver, receiver = log_in("master"), log_in("stranger")
    giver.goto("/stations?q=AdA1-1")
    giver.get_by_role("main").get_by_role("link", name="AdA1-1", exact=True).click()
    station = giver.url
    giver.get_by_role("link", name="Transfer").click()
    giver.get_by_label("E-mail address of the receiver").fill("stranger@demo.example")
    giver.get_by_role("button", name="Offer").click()
    assert receiver.goto(station).status == 404
    receiver.goto("/transfers")
    receiver.get_by_role("link", name="AdA1-1", exact=True).click()
    receiver.get_by_role("button", name="Accept").click()
    expect(receiver.get_by_text("AdA1-1 belongs to you now.")).to_be_visible()
    assert receiver.goto(station).status == 200
    assert giver.goto(station).status == 404

    giver.goto("/profile/transfer")
    giver.get_by_label("E-mail address of the receiver").fill("stranger@demo.example")
    giver.get_by_label("Your password").fill("piquet-demo")
    giver.get_by_role("button", name="Offer").click()
    expect(giver.get_by_text("The offer is on its way")).to_be_visible()
    receiver.goto("/transfers")
    receiver.get_by_role("link", name="Master account").click()
    receiver.get_by_role("button", name="Decline").click()
    giver.reload()
    expect(giver.get_by_role("main")).to_contain_text("Declined")
    giver.goto("/station-groups")
    expect(giver.get_by_role("main").get_by_role("link", name="AsO2", exact=True)).to_be_visible()
