"""A charging point that is Limited at night, in each language: both sides are warned, it is priced and reported."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pypdfium2
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from portal.charging import jobs
from portal.charging.models import ImportState, SessionImport
from portal.core.db import session_factory
from portal.core.languages import LANGUAGES
from portal.licences.models import Kind
from tests import world
from tests.browser.conftest import DESKTOP, LogIn
from tests.browser.looking import look, picture
from tests.browser.speaking import Words
from tests.charging.files import HEAD, queued
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

IN_THE_LONG_FORM = ("de", "en", "it")
ENERGY = {"en": "1’241.750 kWh", "de": "1’241.750 kWh", "fr": "1 241,750 kWh", "it": "1’241.750 kWh"}
PRICE = {
    "en": "CHF 1.385 per kWh",
    "de": "CHF 1.385 pro kWh",
    "fr": "CHF 1,385 par kWh",
    "it": "CHF 1.385 per kWh",
}


@dataclass
class Night:
    """An owner and who manages his station group, each at a browser, in a language."""

    say: Words
    owner: Page
    sub: Page

    @property
    def name(self) -> str:
        return f"Nox {self.say.language}"

    @property
    def sub_email(self) -> str:
        return f"sub.{self.say.language}@nox.example"

    def seen(self, page: Page, heading: str) -> None:
        """The page of that name has come, and no word on it is English."""
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        assert page.locator("html").get_attribute("lang") == self.say.language
        assert self.say.left_in_english(page) == []


@pytest.fixture(params=[pytest.param(one, marks=[pytest.mark.deep] * (one in IN_THE_LONG_FORM)) for one in LANGUAGES])
def night(request: pytest.FixtureRequest, demo: Portal, chromium: Browser) -> Iterator[Night]:
    say = Words(request.param)
    contexts = [chromium.new_context(base_url=demo.url, locale="en-GB", viewport=DESKTOP) for _ in range(2)]
    night = Night(say, *(context.new_page() for context in contexts))
    _accounts(demo, night)
    for page in (night.owner, night.sub):
        page.set_default_timeout(15_000)
    yield night
    for context in contexts:
        context.close()


def _today() -> date:
    return datetime.now(ZoneInfo("Europe/Zurich")).date()


def _accounts(demo: Portal, night: Night) -> None:
    """Both accounts with their licences, one station in a shared group, two nights charged there last month, and a user
    group for the price."""
    sessions = session_factory(f"sqlite:///{demo.data_dir / 'piquet.db'}")
    with sessions() as session:
        owner = world.account(session, f"owner.{night.say.language}@nox.example", Kind.AUTHORISATION, Kind.REPORTS)
        sub = world.account(session, night.sub_email, Kind.AUTHORISATION)
        owner.name, sub.name = "Nox AG", "Lux AG"
        group = world.station_group(session, owner, night.name)
        station = world.station(session, owner, f"{night.name}-1", group)
        station.connectors[0].max_power_w = None
        world.grant(session, group, "manage", sub.email)
        world.user_group(session, owner, "Lux", sub.email)
        month = _today().replace(day=1) - timedelta(days=1)
        rows = f"1;{station.name};02.{month:%m.%Y} 22:00;12.{month:%m.%Y} 06:00;1234,5;\n"
        rows += f"2;{station.name};20.{month:%m.%Y} 22:30;20.{month:%m.%Y} 23:30;7,25;\n"
        row = queued(session, owner, HEAD + rows.encode(), zone="Europe/Zurich")
        jobs.run_one(sessions, row.id)  # unless the demo's worker has begun
        while session.scalar(sa.select(SessionImport.state).filter_by(id=row.id)) != ImportState.DONE:
            session.rollback()
            night.owner.wait_for_timeout(100)
    sessions.kw["bind"].dispose()


def _log_in(night: Night, page: Page, email: str) -> None:
    """The language is chosen first, for the words of the form, and again as that of the account."""
    say = night.say
    page.goto("/log-in")
    _choose_language(night, page)
    night.seen(page, say("Log in"))
    while _sent(night, page, email) == 429:  # ten log-ins a minute from one address, those of other stories among them
        page.wait_for_timeout(10_000)
        page.goto("/log-in")
    page.wait_for_url("**/")
    _choose_language(night, page)
    assert say.left_in_english(page) == []


def _sent(night: Night, page: Page, email: str) -> int:
    """The status that the filled-in form is answered with."""
    page.get_by_label(night.say("E-mail address")).fill(email)
    page.get_by_label(night.say("Password")).fill(world.PASSWORD)
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        page.get_by_role("button", name=night.say("Log in")).click()
    return int(answered.value.status)


def _choose_language(night: Night, page: Page) -> None:
    page.get_by_label(re.compile(r": EN$")).click()
    page.get_by_role("button", name=LANGUAGES[night.say.language]).click()
    expect(page.get_by_label(f"{night.say('Language')}: {night.say.language.upper()}")).to_be_visible()


def _go(night: Night, page: Page, where: str, *names: str) -> None:
    """Through the navigation, then along links of these names."""
    navigation = page.get_by_role("navigation", name=night.say("Main navigation"))
    navigation.get_by_role("link", name=night.say(where), exact=True).click()
    for name in names:
        page.get_by_role("main").get_by_role("link", name=name, exact=True).first.click()


def _limit_at_night(night: Night) -> None:
    """By opening times from 22:00 until 06:00; the week shows them on both sides of midnight."""
    say, page = night.say, night.owner
    one = say("Connector %(number)s", number=1)
    _go(night, page, "Station groups", night.name, f"{night.name}-1", one)
    night.seen(page, say("Connector %(number)s of %(station)s", number=1, station=f"{night.name}-1"))
    page.get_by_role("radio", name=say("Public")).check()
    page.get_by_label(say("Price per kWh in CHF")).fill("0.45")

    def cell(field: str) -> str:
        return say("%(field)s, row %(number)s", field=say(field), number=1)

    page.get_by_label(cell("Day"), exact=True).select_option(label=say("Every day"))
    page.get_by_label(cell("From"), exact=True).fill("22:00")
    page.get_by_label(cell("To"), exact=True).fill("06:00")
    page.get_by_label(cell("Access"), exact=True).select_option(label=say("Limited"))
    page.get_by_text(say("Show the week as a table")).click()
    week = page.get_by_role("region", name=say("The week")).get_by_role("row")
    for hours, access in (("00:00–06:00", "Limited"), ("06:00–22:00", "Public"), ("22:00–24:00", "Limited")):
        rows = week.filter(has_text=hours)
        expect(rows).to_have_count(7)
        expect(rows.first).to_contain_text(say(access))
    page.get_by_role("button", name=say("Save")).click()
    _go(night, page, "Station groups", night.name, f"{night.name}-1", one)
    page.get_by_text(say("Show the week as a table")).click()
    expect(week.filter(has_text="22:00–24:00")).to_have_count(7)
    assert say.left_in_english(page) == []


def _both_are_warned_and_one_click_helps(night: Night) -> None:
    """The manager asks to be entered, and the owner enters him."""
    say, owner, sub = night.say, night.owner, night.sub
    forms = ("You may not charge at %(num)s charging point here", "You may not charge at %(num)s charging points here")
    warning = say.many(*forms, 1)
    _log_in(night, sub, night.sub_email)
    _go(night, sub, "Station groups", night.name)
    night.seen(sub, night.name)
    expect(sub.get_by_text(warning)).to_be_visible()
    sub.get_by_role("button", name=say("Ask the owner to enter me")).click()
    expect(sub.get_by_text(say("The owner is asked. This note goes away once you are entered."))).to_be_visible()
    assert say.left_in_english(sub) == []

    _go(night, owner, "Station groups", night.name)
    told = owner.get_by_text(say("Who manages here may not charge here"))
    expect(told).to_be_visible()
    asks = re.escape(say("asks for it since %(when)s", when="|")).replace(r"\|", ".+")
    expect(owner.get_by_role("listitem").filter(has_text=night.sub_email)).to_contain_text(re.compile(asks))
    assert say.left_in_english(owner) == []
    owner.get_by_role("button", name=f"{say('Add as special user')} {night.sub_email}").click()
    entered = say.many("%(num)s special user is entered.", "%(num)s special users are entered.", 1)
    expect(owner.get_by_text(entered)).to_be_visible()
    expect(told).to_have_count(0)
    sub.reload()
    expect(sub.get_by_role("heading", level=1)).to_have_text(night.name)
    expect(sub.get_by_text(warning)).to_have_count(0)


def _price_the_night(night: Night) -> None:
    """By a rule for the user group; the page that says who may charge says it too."""
    say, page = night.say, night.owner
    _go(night, page, "User groups", say("Price rules"), say("Add price rule"))
    page.get_by_role("combobox", name=say("User group")).select_option(label="Lux")
    page.get_by_role("combobox", name=say("Station group")).select_option(label=night.name)
    page.get_by_label(say("Price per kWh in CHF")).fill("1.385")
    page.get_by_role("button", name=say("Add price rule")).click()
    night.seen(page, say("Price rules"))
    expect(page.get_by_role("row").filter(has_text=night.name)).to_contain_text(PRICE[say.language])

    one = say("Connector %(number)s", number=1)
    _go(night, page, "Station groups", night.name, f"{night.name}-1", one, say("Who may charge?"))
    tomorrow = datetime.combine(_today() + timedelta(days=1), datetime.min.time().replace(hour=23))
    for who, words in ((night.sub_email, ("a special user", "Limited")), ("", ("not a special user", "Limited"))):
        page.get_by_label(say("E-mail address of the driver")).fill(who)
        page.get_by_label(say("When")).fill(f"{tomorrow:%Y-%m-%dT%H:%M}")
        page.get_by_role("button", name=say("Show")).click()
        night.seen(page, say("Who may charge?"))
        answer = page.get_by_role("main")
        expect(answer).to_contain_text(say("may charge") if who else say("may not charge"))
        for word in words:
            expect(answer).to_contain_text(say(word))
    page.go_back()
    expect(page.get_by_role("definition").filter(has_text="kWh")).to_have_text(PRICE[say.language])
    expect(page.get_by_role("definition").filter(has_text=say("Price rule of the user group"))).to_be_visible()


def _report_the_month(night: Night) -> None:
    """The energy that the page says stands in the PDF, in the same language."""
    say, page = night.say, night.owner
    _go(night, page, "Station groups", night.name, say("Report"))
    night.seen(page, say("Make a report"))
    page.get_by_role("button", name=say("Make the report")).click()
    download = page.get_by_role("link", name=f"{say('Download')} {say('PDF')}")
    expect(download).to_be_visible(timeout=60_000)
    night.seen(page, night.name)
    expect(page.get_by_text(ENERGY[say.language], exact=True).first).to_be_visible()
    with page.expect_download() as downloaded:
        download.click()
    document = pypdfium2.PdfDocument(downloaded.value.path().read_bytes())
    lines = document[0].get_textpage().get_text_bounded().splitlines()
    assert [line for line in lines if say.is_english(line.strip())] == []
    text = " ".join(" ".join(lines).split())
    wanted = ("Report of a station group", "Totals by currency and VAT rate", "Energy per driver", "Charging sessions")
    for words in (*map(say, wanted), " ".join(ENERGY[say.language].split())):
        assert words in text


def test_a_night_that_is_limited_is_warned_of_opened_priced_and_reported(night: Night) -> None:
    _log_in(night, night.owner, f"owner.{night.say.language}@nox.example")
    _limit_at_night(night)
    _both_are_warned_and_one_click_helps(night)
    _price_the_night(night)
    _report_the_month(night)


def test_the_guide_shows_the_night_of_the_demo(log_in: LogIn) -> None:
    page, say = log_in("master"), Words("en")
    night = Night(say, page, page)
    _go(night, page, "Station groups", "Bl2", "Special users")
    expect(page.get_by_role("row").filter(has_text="neighbour@demo.example")).to_have_count(0)  # he is at one station
    expect(page.get_by_role("row").filter(has_text="Piquet")).to_contain_text("CHF 0.30 per kWh")
    _go(night, page, "Station groups", "Bl2", "Bl2-2", "Special users")
    expect(page.get_by_role("row").filter(has_text="neighbour@demo.example")).to_contain_text("CHF 0.28 per kWh")
    look(page, "special-users")
    picture(page, "special-users", page.get_by_role("row").last)

    _go(night, page, "Station groups", "Bl2", "Bl2-2", "Connector 1")
    look(page, "opening-times")
    week = page.get_by_text("Show the week as a table")
    picture(page, "opening-times", week, page.get_by_role("heading", name="Opening times"))
    page.get_by_role("link", name="Who may charge?").click()
    page.get_by_label("E-mail address of the driver").fill("neighbour@demo.example")
    page.get_by_label("When").fill(f"{_today()}T23:00")
    page.get_by_role("button", name="Show").click()
    price = page.get_by_role("definition").filter(has_text="kWh")
    expect(price).to_have_text("CHF 0.28 per kWh, CHF 0.50 per session")
    until = page.get_by_role("definition").filter(has_text="06:00")
    expect(until).to_have_text(f"{_today() + timedelta(days=1):%d.%m.%Y}, 06:00")
    look(page, "who-may-charge")
    picture(page, "who-may-charge", page.get_by_role("row").nth(3))
