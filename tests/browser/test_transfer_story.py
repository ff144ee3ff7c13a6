"""A station group changes hands, as two people do it in their browsers."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LogIn
from tests.browser.looking import look

pytestmark = pytest.mark.browser


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
