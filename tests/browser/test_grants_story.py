"""Grants with an end, given on, changed and revoked, as an owner and his administrator do it in a browser."""

import os
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PHONE, LogIn

pytestmark = pytest.mark.browser
SCREENSHOTS = os.environ.get("SCREENSHOTS")


def picture(page: Page, name: str) -> None:
    """With SCREENSHOTS set: the page as it is, light on a desktop and dark on a phone."""
    if not SCREENSHOTS:
        return
    page.screenshot(path=f"{SCREENSHOTS}/grants-{name}.light-desktop.png", full_page=True)
    size = page.viewport_size
    page.set_viewport_size(PHONE)
    page.evaluate("document.documentElement.setAttribute('data-bs-theme', 'dark')")
    page.screenshot(path=f"{SCREENSHOTS}/grants-{name}.dark-phone.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 1, f"{name} is {wide} px too wide"
    page.evaluate("document.documentElement.setAttribute('data-bs-theme', 'light')")
    if size:
        page.set_viewport_size(size)


def open_sharing(page: Page, group: str) -> None:
    page.goto("/station-groups")
    page.get_by_role("main").get_by_role("link", name=group, exact=True).click()
    page.get_by_role("main").get_by_role("link", name=re.compile("^Sharing")).first.click()


def give(page: Page, email: str, role: str, **days: str) -> None:
    page.get_by_role("link", name="Add authorisation").first.click()
    page.fill("[name=email]", email)
    page.check(f"[name=role][value={role}]", force=True)
    if "lasts" in days:
        page.select_option("[name=lasts]", days["lasts"])
    if "starts_on" in days:
        page.fill("[name=starts_on]", days["starts_on"])
    picture(page, "add")
    page.get_by_role("main").get_by_role("button", name="Add authorisation").click()


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("row", name=re.compile(re.escape(text))).first


def new_group(page: Page, name: str) -> None:
    """A station group of its own, so that no story disturbs another one."""
    page.goto("/station-groups/create")
    page.fill("[name=name]", name)
    page.locator("main form button[type=submit]").click()


def menu(page: Page, who: str, label: str) -> None:
    row(page, who).locator("summary").click()
    row(page, who).get_by_role("link", name=label, exact=True).click()


def test_an_owner_plans_a_piquet_week_and_extends_a_contractor(log_in: LogIn) -> None:
    page = log_in("master")
    page.goto("/profile")
    page.fill("[name=grant_default_days]", "14")
    page.fill("[name=grant_most_days]", "90")
    picture(page, "profile")
    page.locator("#durations").get_by_role("button", name="Save").click()
    expect(page.get_by_role("main")).to_contain_text("The durations are saved.")

    new_group(page, "Story of ends")
    open_sharing(page, "Story of ends")
    today = datetime.now(ZoneInfo("Europe/Zurich")).date()
    monday = today + timedelta(days=14 - today.weekday())
    give(page, "piquet-week@x.example", "manage", lasts="week", starts_on=monday.isoformat())
    expect(row(page, "piquet-week")).to_contain_text("Planned")

    give(page, "contractor@x.example", "display", lasts="year")
    expect(page.get_by_role("main")).to_contain_text("90 days of access at most")
    page.select_option("[name=lasts]", "month")
    page.get_by_role("main").get_by_role("button", name="Add authorisation").click()
    before = row(page, "contractor").locator("td[data-label='Last day']").inner_text()
    picture(page, "list")
    menu(page, "contractor", "Extend")
    picture(page, "extend")
    page.get_by_role("main").get_by_role("button", name=re.compile("^Extend until")).click()
    expect(row(page, "contractor").locator("td[data-label='Last day']")).not_to_have_text(before)

    give(page, "contractor@x.example", "manage", lasts="week")
    expect(page.get_by_role("main")).to_contain_text("This group is open there already")
    picture(page, "held")
    page.get_by_role("link", name="Change this one instead").click()
    page.check("[name=role][value=manage]", force=True)
    picture(page, "change")
    page.get_by_role("main").get_by_role("button", name="Edit authorisation").click()
    expect(row(page, "contractor")).to_contain_text("Manage stations")
    page.goto("/profile")
    page.fill("[name=grant_default_days]", "")
    page.fill("[name=grant_most_days]", "")
    page.locator("#durations").get_by_role("button", name="Save").click()


def test_an_administrator_gives_on_and_loses_it_with_his_own(log_in: LogIn) -> None:
    owner, helper = log_in("master"), log_in("piquet1")
    new_group(owner, "Story of administration")
    open_sharing(owner, "Story of administration")
    give(owner, "piquet1@demo.example", "administrate")
    open_sharing(helper, "Story of administration")
    give(helper, "friend@x.example", "manage")
    expect(row(helper, "friend@x.example")).to_contain_text("Manage stations")

    owner.reload()
    menu(owner, "piquet1@demo.example", "Edit")
    owner.select_option("[name=lasts]", "week")
    owner.get_by_role("main").get_by_role("button", name="Edit authorisation").click()
    expect(owner.get_by_role("main")).to_contain_text("Nothing is changed yet.")
    expect(owner.get_by_role("main")).to_contain_text(re.compile(r"friend@x\.example: last day .*, so far none"))
    picture(owner, "shrinks")
    owner.get_by_role("main").get_by_role("button", name="Change").click()
    expect(row(owner, "friend@x.example").locator("td[data-label='Last day']")).not_to_have_text("–")

    menu(owner, "piquet1@demo.example", "Edit")
    owner.check("[name=role][value=display]", force=True)
    owner.get_by_role("main").get_by_role("button", name="Edit authorisation").click()
    expect(owner.get_by_role("main")).to_contain_text("friend@x.example loses “Manage stations”.")
    owner.get_by_role("main").get_by_role("button", name="Change").click()
    expect(owner.locator("table").first).not_to_contain_text("friend@x.example")


def press_until(page: Page, css: str, most: int = 120) -> None:
    """Tab to the element, as somebody without a mouse does."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("css => document.activeElement.matches(css)", css):
            return
    raise AssertionError(f"{css} is not reached by the keyboard")


def test_many_are_changed_across_station_groups(log_in: LogIn) -> None:
    page = log_in("master")
    main = page.get_by_role("main")
    for name in ("Story across, north", "Story across, south"):
        new_group(page, name)
        open_sharing(page, name)
        give(page, "across@x.example", "display")
    page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Sharing").click()
    page.get_by_role("searchbox", name="Person or group").click()
    page.keyboard.type("story across")
    page.keyboard.press("Enter")
    expect(main.get_by_role("row")).to_have_count(3)
    main.get_by_role("checkbox", name="all on this page").click()
    main.locator(".bulk-bar").get_by_role("button", name="Change").click()
    expect(main).to_contain_text("Story across, north: across@x.example: Display stations")
    main.get_by_label("Permission").select_option(label="Manage stations")
    main.get_by_role("button", name="Show what will happen").click()
    expect(main).to_contain_text("Story across, south: across@x.example: “Display stations” becomes “Manage stations”.")
    picture(page, "across")
    main.get_by_role("button", name="Change").click()
    expect(main).to_contain_text("2 authorisations are changed.")
    expect(main.get_by_role("row", name=re.compile("Manage stations"))).to_have_count(2)


def test_many_are_changed_and_revoked_with_the_keyboard_alone(log_in: LogIn) -> None:
    page = log_in("master")
    new_group(page, "Story of many")
    open_sharing(page, "Story of many")
    for name in ("one", "two", "three"):
        give(page, f"{name}@x.example", "display")
        expect(row(page, f"{name}@x.example")).to_be_visible()  # else the keys go to the page before
    for name in ("two", "one"):  # the newest stands first
        press_until(page, f"[name=grant][aria-label='Choose {name}@x.example']")
        page.keyboard.press("Space")
    press_until(page, ".bulk-bar button:not([formaction])")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Change authorisations")
    picture(page, "change-chosen")
    press_until(page, "[name=role]")
    page.keyboard.press("M")
    press_until(page, "[name=end]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    press_until(page, "[name=lasts]")
    page.keyboard.press("1")
    press_until(page, "main button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_contain_text("2 authorisations are changed")
    picture(page, "consequences")
    press_until(page, "main button[type=submit]")
    page.keyboard.press("Enter")
    for name in ("one", "two"):
        expect(row(page, f"{name}@x.example")).to_contain_text("Manage stations")
    expect(row(page, "three@x.example")).to_contain_text("Display stations")

    press_until(page, "[data-select-all=grant]")
    page.keyboard.press("Space")
    press_until(page, ".bulk-bar button[formaction]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Revoke authorisations")
    picture(page, "revoke-chosen")
    press_until(page, "main button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_contain_text("3 authorisations have ended")
