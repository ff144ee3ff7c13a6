"""Every page in a real browser, light on a desktop and then dark on a phone: accessible, within its width, quiet."""

import re
from collections.abc import Collection, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, ViewportSize

from portal.app import create_app
from portal.core import config
from tests.browser.conftest import DESKTOP, PHONE, LogIn
from tests.browser.looking import AXE, RULES, SCREENSHOTS
from tests.browser.walk import pages, wait_for_a_delivery
from tests.conftest import ENVIRONMENT
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

Look = tuple[str, ViewportSize]
LOOKS: tuple[Look, ...] = (("light", DESKTOP), ("dark", PHONE))
if SCREENSHOTS:
    LOOKS += (("dark", DESKTOP), ("light", PHONE))


@pytest.fixture(scope="package")
def walked(demo: Portal, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    environ = ENVIRONMENT | {"DATA_DIR": str(tmp_path_factory.mktemp("walk"))}
    wait_for_a_delivery(demo.data_dir / "piquet.db")
    found = sorted(set(pages(create_app(config.from_environment(environ)), demo.data_dir / "piquet.db")))
    assert len(found) > 40
    return found


@pytest.mark.parametrize("in_both", [False, pytest.param(True, marks=pytest.mark.deep)], ids=["in turns", "in both"])
@pytest.mark.parametrize("who", ["nobody", "operator", "master"])
def test_every_page_is_accessible_within_its_width_and_quiet(
    demo: Portal, chromium: Browser, log_in: LogIn, walked: list[tuple[str, str]], who: str, *, in_both: bool
) -> None:
    """Every page keeps within its width in both looks. Axe, which costs ten times as much, asks each in one look, in
    turns; in the long form in both."""
    faults: list[str] = []
    options = {"has_touch": True, "reduced_motion": "reduce"}  # no colour is measured on its way to another
    nobody = who == "nobody"
    page = chromium.new_page(base_url=demo.url, locale="en-GB", **options) if nobody else log_in(who, **options)
    page.context.add_cookies([{"name": "theme", "value": "light", "url": demo.url}])
    heard = _listen(page)
    for number, path in enumerate(path for visitor, path in walked if visitor == who):
        page.set_viewport_size(DESKTOP)
        asked = LOOKS if in_both else [LOOKS[number % 2]]
        faults += [f"{path}: {fault}" for fault in _look(page, path, heard, asked)]
    page.context.close()
    assert not faults, "\n".join(faults)


def _listen(page: Page) -> list[str]:
    """What the browser's console says of errors, the CSP's refusals among them."""
    heard: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # Chromium asks for an icon by itself where a bare file was shown.
        if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
            heard.append(f"{message.text} {message.location['url']}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


def _look(page: Page, path: str, heard: list[str], asked: Collection[Look]) -> list[str]:
    heard.clear()
    try:
        answer = page.goto(path, wait_until="load")
    except Error as error:
        if "Download is starting" in error.message:
            return []
        raise
    assert answer
    if answer.request.redirected_from or "text/html" not in answer.headers.get("content-type", ""):
        return []
    if not answer.text().lstrip().lower().startswith("<!doctype"):
        return []  # a part of a page, which htmx puts in its place there
    if answer.status != 200:
        return [f"status {answer.status}"]
    page.evaluate(AXE.read_text())  # not as a script tag: the CSP refuses that
    faults = [fault for look in LOOKS for fault in _faults(page, path, look, is_asked=look in asked)]
    return faults + [f"console: {text[:300]}" for text in heard]


def _faults(page: Page, path: str, look: Look, *, is_asked: bool) -> Iterator[str]:
    """In one look; the theme is put on as the switch of the page does it. `is_asked`: of axe as well."""
    theme, size = look
    page.set_viewport_size(size)
    page.evaluate("theme => document.documentElement.setAttribute('data-bs-theme', theme)", theme)
    shape = "phone" if size is PHONE else "desktop"
    if SCREENSHOTS:
        name = re.sub(r"[^a-z0-9]+", "-", path.strip("/")) or "overview"
        page.screenshot(path=f"{SCREENSHOTS}/{name}.{theme}-{shape}.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 1:
        yield f"{shape}: {wide} px wider than the window"
    if not is_asked:
        return
    for violation in page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]:
        places = [node["html"][:120] for node in violation["nodes"][:3]]
        yield f"{theme} {shape}: axe {violation['id']}: {places}"
