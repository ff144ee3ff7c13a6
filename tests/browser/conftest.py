"""A real browser on the real demo: the supervisor with everything it starts, Chromium driven by Playwright.

They end with these tests: Playwright keeps an event loop running in this thread, where deliveries need their own.
"""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.servers.portal import Portal, run_portal

PASSWORD = "piquet-demo"
# Chromium otherwise looks for its maker's servers; the sandbox needs rights that a container's root has not.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)

LogIn = Callable[..., Page]


@pytest.fixture(scope="package")
def demo() -> Iterator[Portal]:
    with run_portal("--demo") as portal:
        yield portal


@pytest.fixture(scope="package")
def chromium(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def contexts() -> dict[str, BrowserContext]:
    """By a demo account's name its browser, logged in: the portal lets one address log in ten times a minute, and the
    stories do it more often. They end with Chromium."""
    return {}


@pytest.fixture
def log_in(demo: Portal, chromium: Browser, contexts: dict[str, BrowserContext]) -> Iterator[LogIn]:
    """A function: a demo account's name → a page in its browser, in which it is logged in; with options in a browser of
    its own."""
    opened: list[Page | BrowserContext] = []

    def open_page(name: str, **options: object) -> Page:
        own = contexts.get(name)
        if own is None or options:
            kept = own.storage_state() if own else None
            settings = {"locale": "en-GB", "viewport": DESKTOP, "storage_state": kept} | options
            own = chromium.new_context(base_url=demo.url, **settings)
            if options:
                opened.append(own)
            else:
                contexts[name] = own
        page = own.new_page()
        opened.append(page)
        page.set_default_timeout(15_000)
        page.goto("/")
        if page.url != f"{demo.url}/":
            page.fill("[name=email]", f"{name}@demo.example")
            page.fill("[name=password]", PASSWORD)
            page.click("main button[type=submit]")
            page.wait_for_url("**/")
        return page

    yield open_page
    for one in reversed(opened):
        one.close()
