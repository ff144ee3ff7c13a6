"""Every page in a real browser, light on a desktop and dark on a phone: accessible, within its width, quiet."""

import re

import pytest
from playwright.sync_api import Browser, Page

from portal.app import create_app
from portal.core import config
from tests.browser.conftest import DESKTOP, PHONE, LogIn
from tests.browser.looking import AXE, RULES, SCREENSHOTS
from tests.browser.walk import pages
from tests.conftest import ENVIRONMENT
from tests.servers.portal import Portal

pytestmark = pytest.mark.browser

VARIANTS = {"light-desktop": ("light", DESKTOP), "dark-phone": ("dark", PHONE)}
if SCREENSHOTS:
    VARIANTS |= {"dark-desktop": ("dark", DESKTOP), "light-phone": ("light", PHONE)}


@pytest.fixture(scope="package")
def walked(demo: Portal, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    environ = ENVIRONMENT | {"DATA_DIR": str(tmp_path_factory.mktemp("walk"))}
    found = sorted(set(pages(create_app(config.from_environment(environ)), demo.data_dir / "piquet.db")))
    assert len(found) > 40
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_page_is_accessible_within_its_width_and_quiet(
    demo: Portal, chromium: Browser, log_in: LogIn, walked: list[tuple[str, str]], variant: str
) -> None:
    theme, viewport = VARIANTS[variant]
    faults: list[str] = []
    for who in ("nobody", "operator", "master"):
        options = {"viewport": viewport, "color_scheme": theme, "has_touch": viewport is PHONE}
        stranger = who == "nobody"
        page = chromium.new_page(base_url=demo.url, locale="en-GB", **options) if stranger else log_in(who, **options)
        page.context.add_cookies([{"name": "theme", "value": theme, "url": demo.url}])
        heard = _listen(page)
        for path in [path for visitor, path in walked if visitor == who]:
            faults += [f"{path}: {fault}" for fault in _look(page, path, heard, variant)]
        page.context.close()
    assert not faults, "\n".join(faults)


def _listen(page: Page) -> list[str]:
    """What the browser's console says of errors, the CSP's refusals among them."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


def _look(page: Page, path: str, heard: list[str], variant: str) -> list[str]:
    heard.clear()
    answer = page.request.get(path, max_redirects=0)
    if answer.status in (302, 303) or "text/html" not in answer.headers.get("content-type", ""):
        return []
    if not answer.text().lstrip().lower().startswith("<!doctype"):
        return []  # a part of a page, which htmx puts in its place there
    if answer.status != 200:
        return [f"status {answer.status}"]
    page.goto(path, wait_until="load")
    if SCREENSHOTS:
        name = re.sub(r"[^a-z0-9]+", "-", path.strip("/")) or "overview"
        page.screenshot(path=f"{SCREENSHOTS}/{name}.{variant}.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    faults = [f"{wide} px wider than the window"] if wide > 1 else []
    page.evaluate(AXE.read_text())  # not as a script tag: the CSP refuses that
    for violation in page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]:
        places = [node["html"][:120] for node in violation["nodes"][:3]]
        faults.append(f"axe {violation['id']}: {places}")
    return faults + [f"console: {text[:200]}" for text in heard]
