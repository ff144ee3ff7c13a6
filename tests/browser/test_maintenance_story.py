"""Maintenance as people use it: who receives it is entered by hand, work is planned, seen by others, done."""

import re
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LogIn
from tests.browser.looking import look, picture

pytestmark = pytest.mark.browser
DAY = date.today() + timedelta(days=9)  # noqa: DTZ011  a day far enough away for every zone


def open_maintenance(page: Page) -> None:
    page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Maintenance").click()
    expect(page.get_by_role("heading", name="Maintenance", level=1)).to_be_visible()


def open_station(page: Page, name: str) -> None:
    page.goto(f"/stations?q={name}")
    page.get_by_role("main").get_by_role("link", name=name, exact=True).click()


def test_who_receives_it_is_entered_by_hand_and_a_wrong_address_is_told_at_its_field(log_in: LogIn) -> None:
    master = log_in("master")
    open_maintenance(master)
    look(master, "maintenance-work")
    master.get_by_role("link", name="Who receives it").click()
    look(master, "maintenance-recipients")
    master.get_by_label("Station group").select_option(label="UT7")
    master.get_by_role("button", name="Add recipients").click()
    master.get_by_label("E-mail addresses").fill("night shift@demo.example")
    master.get_by_role("button", name="Add recipients").click()
    expect(master.get_by_label("E-mail addresses")).to_have_accessible_description(re.compile("“night”"))
    expect(master.get_by_label("E-mail addresses")).to_have_value("night shift@demo.example")
    master.get_by_label("E-mail addresses").fill("night.shift@demo.example")
    master.get_by_label("User group").select_option(label="Piquet")
    master.get_by_role("button", name="Add recipients").click()
    expect(master.get_by_text("2 recipients are added.")).to_be_visible()
    look(master, "maintenance-group")
    master.get_by_role("button", name=re.compile("^Remove.*night.shift@demo.example")).click()
    expect(master.get_by_text("No mail about this maintenance goes there any more.")).to_be_visible()
    expect(master.get_by_role("main")).not_to_contain_text("night.shift@")


def test_the_page_of_a_share_adds_who_has_access_in_one_click(log_in: LogIn) -> None:
    master = log_in("master")
    master.goto("/station-groups")
    master.get_by_role("main").get_by_role("link", name="UT7", exact=True).click()
    master.get_by_role("main").get_by_role("link", name="Sharing").click()
    row = master.get_by_role("row", name=re.compile("caretaker@demo.example"))
    row.get_by_role("button", name=re.compile("^Add to maintenance")).click()
    expect(row).to_contain_text("Receives the maintenance")
    look(master, "maintenance-share")


def test_work_is_planned_seen_by_others_and_done(log_in: LogIn) -> None:
    master, display = log_in("master"), log_in("display")
    open_station(master, "Bl2-5")
    master.get_by_role("link", name="Maintenance").last.click()
    master.get_by_role("link", name="Plan work").first.click()
    master.get_by_label("What will be done").fill("Replace the cable of connector 1")
    master.get_by_label("Beginning").fill(f"{DAY}T14:00")
    master.get_by_label("End").fill(f"{DAY}T12:00")
    master.get_by_role("button", name="Plan work").click()
    expect(master.get_by_label("End")).to_have_accessible_description(re.compile("lies before the beginning"))
    expect(master.get_by_label("What will be done")).to_have_value("Replace the cable of connector 1")
    look_at_form(master)
    master.get_by_label("End").fill(f"{DAY}T16:00")
    master.get_by_role("button", name="Plan work").click()
    expect(master.get_by_text("The work is planned.")).to_be_visible()
    look(master, "maintenance-station")
    picture(master, "maintenance", master.get_by_role("link", name=re.compile("^Open the group")).last)

    open_station(display, "Bl2-5")
    expect(display.get_by_role("main")).to_contain_text("Replace the cable of connector 1")
    look(display, "station-with-planned-work")
    display.get_by_role("link", name="Maintenance").last.click()
    expect(display.get_by_role("link", name="Plan work")).to_have_count(0)
    look(display, "maintenance-station-display")
    display.goto("/stations?q=Bl2-5")
    expect(display.get_by_role("row", name=re.compile("Bl2-5"))).to_contain_text("Work planned")
    look(display, "stations-with-planned-work")

    master.get_by_role("link", name=re.compile("^Done")).click()
    master.get_by_label("Done by").fill("Elektro Nord AS")
    master.get_by_role("button", name="Mark as done").click()
    expect(master.get_by_role("main")).to_contain_text("Done by Elektro Nord AS")
    open_station(display, "Bl2-5")
    expect(display.get_by_role("main")).not_to_contain_text("Replace the cable")


def look_at_form(page: Page) -> None:
    """What was typed is lost when the page is loaded anew, so the form is looked at in a page of its own."""
    other = page.context.new_page()
    other.goto(page.url)
    look(other, "maintenance-plan")
    other.close()
