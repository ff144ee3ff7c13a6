"""User groups and invitations, as an owner and those he invites meet them in a browser."""

import re
import sqlite3
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import DESKTOP, LogIn
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

FILE = b"Name;E-Mail\r\nNora;nora.piquet@mail.example\r\nNora again;nora.piquet@mail.example\r\nOdd;odd@\r\n"


def invitation_to(portal: Portal, address: str) -> str:
    """The path of the last invitation's link in the mails to the address."""
    database, ends = f"file:{portal.data_dir / 'piquet.db'}?mode=ro", time.monotonic() + 10
    while time.monotonic() < ends:
        connection = sqlite3.connect(database, uri=True)
        bodies = connection.execute(
            "SELECT body FROM mail_message WHERE recipient = ? ORDER BY id", (address,)
        ).fetchall()
        connection.close()
        found = re.findall(r"/invitation/\S+", "".join(body for (body,) in bodies))
        if found:
            return str(found[-1])
        time.sleep(0.2)
    raise AssertionError(f"no invitation to {address}")


@pytest.fixture
def nobody(demo: Portal, chromium: Browser) -> Iterator[Page]:
    """A browser in which nobody is logged in."""
    context: BrowserContext = chromium.new_context(base_url=demo.url, locale="en-GB", viewport=DESKTOP)
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    context.close()


def test_a_team_is_put_together_by_a_file_and_a_member_leaves(log_in: LogIn) -> None:
    master = log_in("master")
    master.goto("/user-groups/new")
    master.fill("[name=name]", "Night watch")
    master.fill("[name=emails]", "stranger@demo.example, old.hand@mail.example")
    master.get_by_role("main").get_by_role("button", name="Add user group").click()
    master.get_by_role("link", name="Upload addresses").click()
    master.set_input_files("[name=file]", {"name": "team.csv", "mimeType": "text/csv", "buffer": FILE})
    master.get_by_role("button", name="Show what will happen").click()
    for email, fate in (("odd@", "Not an address"), ("nora.piquet@mail.example", "Twice"), ("nora.piquet", "New")):
        expect(master.get_by_role("row", name=re.compile(f"{email}.*{fate}"))).to_have_count(1)
    master.get_by_role("button", name="Add 1 address").click()
    expect(master.get_by_role("row", name=re.compile("nora.piquet"))).to_contain_text("Invited on")

    stranger = log_in("stranger")
    stranger.goto("/user-groups")
    stranger.get_by_role("link", name="Leave Night watch").click()
    expect(stranger.get_by_role("main")).to_contain_text("no access is lost")
    stranger.get_by_role("button", name="Leave user group").click()
    expect(stranger.get_by_role("link", name="Leave Night watch")).to_have_count(0)

    master.reload()
    expect(master.get_by_role("row", name=re.compile("stranger@demo"))).to_have_count(0)
    for email in ("nora.piquet@mail.example", "old.hand@mail.example"):
        master.get_by_role("checkbox", name=f"Choose {email}").check()
    master.locator(".bulk-bar").get_by_role("button", name="Remove").click()
    master.get_by_role("button", name="Remove 2 addresses").click()
    expect(master.get_by_role("main")).to_contain_text("No address yet")
    master.get_by_role("link", name="Delete").click()
    master.get_by_role("button", name="Delete user group").click()
    expect(master.get_by_role("link", name="Night watch")).to_have_count(0)


def _in_use(member: Page, shared: str, master: Page) -> None:
    """The use is noted at a page that finds the database at rest, and nobody waits for it."""
    for _ in range(5):
        assert member.goto(shared).status == 200
        master.reload()
        if "In use since" in master.get_by_role("row", name=re.compile("display@demo")).inner_text():
            return
    pytest.fail("the use was never noted")


def test_a_later_member_gains_what_the_team_has_and_loses_it_when_removed(log_in: LogIn) -> None:
    master, member = log_in("master"), log_in("display")
    master.goto("/user-groups/new")
    master.fill("[name=name]", "Day shift")
    master.get_by_role("main").get_by_role("button", name="Add user group").click()
    team = master.url
    master.get_by_role("link", name="Rename").click()
    master.fill("[name=name]", "Day watch")
    master.get_by_role("main").locator("button[type=submit]").first.click()
    expect(master.get_by_role("heading", level=1)).to_have_text("Day watch")
    master.goto("/station-groups")
    master.get_by_role("main").get_by_role("link", name="AdO1", exact=True).click()
    shared = master.url
    master.goto(f"{shared}/sharing/add")
    master.select_option("[name=user_group]", label="Day watch")
    master.check("[name=role][value=display]", force=True)
    master.get_by_role("main").get_by_role("button", name="Add authorisation").click()
    expect(master.get_by_role("row", name=re.compile("Day watch"))).to_contain_text("no addresses yet")
    assert member.goto(shared).status == 404

    master.goto(team)
    expect(master.get_by_role("row", name=re.compile("AdO1"))).to_contain_text("Display stations")
    master.fill("[name=emails]", "display@demo.example")
    master.get_by_role("main").get_by_role("button", name="Add addresses").click()
    expect(master.get_by_role("main")).to_contain_text("1 address")
    _in_use(member, shared, master)
    master.get_by_role("link", name="display@demo.example", exact=True).click()
    expect(master.get_by_role("row", name=re.compile("AdO1"))).to_contain_text("Day watch")

    master.goto(team)
    master.get_by_role("link", name="Remove display@demo.example").click()
    expect(master.get_by_role("main")).to_contain_text("loses “Display stations” on “AdO1”")
    master.get_by_role("main").get_by_role("button", name="Remove address").click()
    expect(master.get_by_role("main")).to_contain_text("No address yet")
    assert member.goto(shared).status == 404


def test_an_invitation_that_nobody_opened_is_sent_again_once(log_in: LogIn) -> None:
    master = log_in("master")
    master.goto("/shared-by-me")
    master.get_by_role("main").get_by_role("link", name="Invitations").click()
    row = master.get_by_role("row", name=re.compile("caretaker@demo"))
    row.get_by_role("button", name="Send again").click()
    expect(master.get_by_role("status").first).to_contain_text("sent")
    expect(row.get_by_role("button", name="Send again")).to_have_count(0)


def test_an_invitation_leads_a_newcomer_to_what_was_shared(log_in: LogIn, demo: Portal, nobody: Page) -> None:
    master = log_in("master")
    master.goto("/station-groups")
    master.get_by_role("main").get_by_role("link", name="Bl2", exact=True).click()
    master.get_by_role("main").get_by_role("link", name=re.compile("^Sharing")).first.click()
    master.get_by_role("link", name="Add authorisation").first.click()
    master.fill("[name=email]", "newcomer@mail.example")
    master.check("[name=role][value=display]", force=True)
    master.get_by_role("main").get_by_role("button", name="Add authorisation").click()
    master.goto("/invitations")
    expect(master.get_by_role("row", name=re.compile("newcomer@mail"))).to_contain_text("Display stations")

    path = invitation_to(demo, "newcomer@mail.example")
    stranger = log_in("stranger")
    stranger.goto(path)
    expect(stranger.get_by_role("main")).to_contain_text("You are logged in as stranger@demo.example")
    nobody.goto(path)
    nobody.get_by_role("button", name="Go on").click()
    expect(nobody.get_by_label("E-mail address")).to_have_value("newcomer@mail.example")
    nobody.fill("[name=name]", "Newcomer")
    nobody.fill("[name=password]", "a sentence that is long")
    nobody.get_by_role("button", name="Register and log in").click()
    expect(nobody).to_have_url(re.compile("/shared-with-me$"))
    expect(nobody.get_by_role("main")).to_contain_text("Your licence is missing")
    stranger.goto(path)
    expect(stranger.get_by_role("main")).to_contain_text("no longer works")

    master.reload()
    row = master.get_by_role("row", name=re.compile("newcomer@mail"))
    row.get_by_role("link", name=re.compile("^Cancel")).click()
    expect(master.get_by_role("main")).to_contain_text("newcomer@mail.example loses “Display stations”")
    master.get_by_role("button", name="Cancel invitation").click()
    expect(master.get_by_role("row", name=re.compile("newcomer@mail"))).to_have_count(0)
