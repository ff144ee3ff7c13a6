"""An auto-export as a newcomer sets it up from nothing, by the guide docs/auto-export.md alone; and as he repairs it by
what its pages say when the server has changed."""

import base64
import hashlib
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives import serialization
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LogIn
from tests.browser.looking import look, picture
from tests.demo import expected
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser
GROUP, TASK = "AsO2", "AsO2 weekly"
DELIVERED_MS = 60_000
TODAY = datetime.now(UTC).date()
# The demo's data end on a Friday of the week before this one: these are the last two whole weeks.
SECOND_WEEK = TODAY - timedelta(days=TODAY.weekday() + 14)
FIRST_WEEK = SECOND_WEEK - timedelta(days=7)


def main(page: Page) -> Locator:
    return page.get_by_role("main")


def status(page: Page) -> Locator:
    """What the task's page says of it; it looks again by itself while something is under way."""
    return page.locator("#history").get_by_role("status").first


def fingerprint(demo: Portal) -> str:
    """What the operator of the server tells on the telephone."""
    key = serialization.load_ssh_private_key((demo.data_dir / "drop-box-host-key").read_bytes(), None)
    form = serialization.PublicFormat.OpenSSH
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, form)
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def get_the_licence(page: Page, operator: Page) -> None:
    page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Auto-export").click()
    look(page, "export-without-licence")
    page.get_by_role("button", name=re.compile("Request it.*Auto-export")).click()
    operator.get_by_role("navigation").get_by_role("link", name=re.compile("Licence requests")).click()
    row = operator.get_by_role("row", name=re.compile("piquet2@demo.example.*Auto-export", re.S))
    row.get_by_role("link", name=re.compile("^Approve")).click()
    operator.get_by_role("main").get_by_role("button", name="Activate").click()
    expect(operator.get_by_text("1 licence is activated.")).to_be_visible()


def set_up_a_destination(page: Page, demo: Portal) -> None:
    """With a slip in the password, which the connection test finds."""
    page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Auto-export").click()
    main(page).get_by_role("link", name="Destination", exact=True).click()
    look(page, "export-no-destination")
    main(page).get_by_role("link", name="Add a destination").click()
    look(page, "export-add-destination")
    page.get_by_role("textbox", name="Name", exact=True).fill("Utility")
    page.get_by_role("textbox", name="Server", exact=True).fill("127.0.0.1")
    page.get_by_role("spinbutton", name="Port").fill((demo.data_dir / "drop-box-port").read_text())
    page.get_by_role("textbox", name="User name").fill("utility")
    page.get_by_role("textbox", name="Directory", exact=True).fill("incoming")
    page.get_by_role("button", name="Save and go on").click()
    look(page, "export-password")
    enter_password(page, "mistyped")
    expect(main(page)).to_contain_text(fingerprint(demo))
    look(page, "export-host-key")
    picture(page, "guide-export-destination", page.locator(".split"))
    page.get_by_role("button", name="They are the same: confirm").click()


def enter_password(page: Page, password: str) -> None:
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Keep the password").click()


def check_the_connection(page: Page, says: str) -> None:
    page.get_by_role("button", name="Test now").click()
    expect(page.locator("#test-result")).to_contain_text(says)


def set_up_a_formatter(page: Page) -> None:
    main(page).get_by_role("link", name="Add a formatter").click()
    look(page, "export-add-formatter")
    page.get_by_role("textbox", name="Name", exact=True).fill("IS-E")
    expect(page.locator("#preview")).to_contain_text("deviceLocationID=")
    page.get_by_role("radio", name="Metering Code").check(force=True)
    expect(page.locator("#preview")).to_contain_text("meteringCode=")
    picture(page, "guide-export-formatter", page.get_by_role("group", name="What stands as the meter"))
    page.get_by_role("button", name="Save the formatter").click()
    look(page, "export-formatters")


def set_up_a_task(page: Page) -> None:
    main(page).get_by_role("link", name="Task", exact=True).click()
    look(page, "export-no-task")
    main(page).get_by_role("link", name="Add a task").click()
    look(page, "export-add-task")
    page.get_by_role("textbox", name="Name", exact=True).fill(TASK)
    page.get_by_label("Station group").select_option(label=f"{GROUP} (master@demo.example)")
    expect(page.get_by_role("textbox", name="User")).to_have_value("master@demo.example")
    page.get_by_label("Upload interval").select_option(label="Weekly, from Monday")
    page.get_by_label("First day").fill(FIRST_WEEK.isoformat())
    page.get_by_label("Last day").fill((SECOND_WEEK - timedelta(days=1)).isoformat())
    picture(page, "guide-export-task", page.get_by_role("group", name="Send a period"))
    page.get_by_role("button", name="Save the task").click()


def delivered(folder: Path) -> dict[date, dict[str, int]]:
    """By each file's first day, its meters with their Wh. The end that stands in the file is the day after its week."""
    found = {}
    for path in folder.glob("*.xml"):
        root = ElementTree.parse(path).getroot()
        (end,) = {period.attrib["end"] for period in root.iter("TimePeriod")}
        energy = {
            meter.attrib["meteringCode"]: round(
                sum(float(row.attrib["value"]) for row in meter.iter("ValueRow")) * 1000
            )
            for meter in root.iter("Meter")
        }
        found[datetime.fromisoformat(end).date() - timedelta(days=7)] = energy
    return found


def right_energy(week: date) -> dict[str, int]:
    """What its meters consumed in a week, reckoned from the demo's CSV file by other means than the product's."""
    quarters = expected.quarters(expected.weeks(TODAY))
    after = week + timedelta(days=7)
    return {
        f"CH{number:031}": expected.energy(quarters[point], week, after)
        for number, point in enumerate(expected.points(), 1)
        if point.startswith(f"{GROUP}/")
    }


def test_a_newcomer_sets_up_an_export_from_nothing_and_repairs_it_by_what_it_says(log_in: LogIn, demo: Portal) -> None:
    page, incoming = log_in("piquet2"), demo.data_dir / "drop-box" / "incoming"
    password = (demo.data_dir / "drop-box-password").read_text()
    incoming.mkdir()
    get_the_licence(page, log_in("operator"))
    set_up_a_destination(page, demo)
    repair_a_mistyped_password(page, password)
    main(page).get_by_role("link", name="Go on").click()
    set_up_a_formatter(page)
    set_up_a_task(page)
    expect(status(page)).to_contain_text("OK", timeout=DELIVERED_MS)
    look(page, "export-task")
    assert delivered(incoming) == {FIRST_WEEK: right_energy(FIRST_WEEK)}
    download(page, incoming)

    inbox = incoming.rename(incoming.with_name("inbox"))
    repair_a_directory_that_is_gone(page)
    assert delivered(inbox) == {week: right_energy(week) for week in (FIRST_WEEK, SECOND_WEEK)}
    assert sum(right_energy(SECOND_WEEK).values()) > 0

    repair_a_password_that_was_changed(page, password)
    assert len(list(inbox.glob("*.xml"))) == 3


def repair_a_mistyped_password(page: Page, password: str) -> None:
    look(page, "export-test")
    check_the_connection(page, "The test stopped here")
    expect(page.get_by_role("row", name=re.compile("^Log in"))).to_contain_text("Error")
    look(page, "export-test-failed")
    page.get_by_role("link", name="Password or key").click()
    enter_password(page, password)
    check_the_connection(page, "Everything works")
    look(page, "export-test-passed")
    picture(page, "guide-export-connection-test", page.locator("#test-result"))


def download(page: Page, folder: Path) -> None:
    """From the run's page the same bytes that lie on the server."""
    page.locator("#history").get_by_role("row").nth(1).get_by_role("link").first.click()
    expect(main(page)).to_contain_text("Attempts")
    look(page, "export-run")
    picture(page, "guide-export-run", page.get_by_role("main").locator("section").last)
    with page.expect_download() as downloaded:
        page.get_by_role("link", name="Download the file").click()
    (path,) = folder.iterdir()
    assert downloaded.value.suggested_filename == path.name
    assert downloaded.value.path().read_bytes() == path.read_bytes()
    page.get_by_role("navigation", name="Path").get_by_role("link", name=TASK).click()


def repair_a_directory_that_is_gone(page: Page) -> None:
    """A week more is due; the operator of the server has given the directory another name, and told nobody."""
    main(page).get_by_role("link", name="Edit", exact=True).click()
    look(page, "export-edit-task")
    page.get_by_label("Last day").fill((SECOND_WEEK + timedelta(days=6)).isoformat())
    page.get_by_role("button", name="Save the task").click()
    expect(status(page)).to_contain_text("There is no directory 'incoming' on the server.", timeout=DELIVERED_MS)
    expect(status(page)).to_contain_text("Error")
    expect(status(page)).to_contain_text("then choose Run now")
    look(page, "export-failed")
    picture(page, "guide-export-failed", page.locator("#history"))
    status(page).get_by_role("link", name="Test the connection").click()
    check_the_connection(page, "There is no directory 'incoming' on the server.")
    look(page, "export-test-without-directory")
    main(page).get_by_role("link", name="Edit the destination").click()
    page.get_by_role("textbox", name="Directory", exact=True).fill("inbox")
    page.get_by_role("button", name="Save", exact=True).click()
    look(page, "export-destination")
    main(page).get_by_role("link", name="Test the connection").first.click()
    check_the_connection(page, "Everything works")
    page.get_by_role("link", name=TASK).click()
    page.get_by_role("button", name="Run now").click()
    expect(status(page)).to_contain_text("OK", timeout=DELIVERED_MS)


def repair_a_password_that_was_changed(page: Page, password: str) -> None:
    """A colleague has entered another password than the server's; then a period is exported again."""
    main(page).get_by_role("link", name="Utility").click()
    page.get_by_text("More", exact=True).click()
    main(page).get_by_role("link", name="Password or key").click()
    enter_password(page, "another")
    page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Auto-export").click()
    page.get_by_role("link", name=TASK).click()
    page.locator("#history").get_by_role("row").nth(1).get_by_role("link").first.click()
    page.get_by_role("button", name="Export again").click()
    page.get_by_role("dialog").get_by_role("button", name="Export again").click()
    page.get_by_role("navigation", name="Path").get_by_role("link", name=TASK).click()
    expect(status(page)).to_contain_text("Enter the secret again", timeout=DELIVERED_MS)
    page.reload()
    expect(main(page)).to_contain_text("Paused after failures")
    look(page, "export-paused")
    status(page).get_by_role("link", name="Enter the secret again").click()
    enter_password(page, password)
    check_the_connection(page, "Everything works")
    page.get_by_role("link", name=TASK).click()
    page.get_by_role("button", name="Resume").click()
    expect(status(page)).to_contain_text("OK", timeout=DELIVERED_MS)
