"""A page as it is used with a keyboard alone: nothing is focused, clicked or filled in but by keys."""

from playwright.sync_api import Locator, Page

MOST = 150  # presses of the Tab key; more than any page has stops
SEEN = "e => { const box = e.getBoundingClientRect(); return box.bottom > 0 && box.top < innerHeight }"


def tab_to(page: Page, wanted: Locator, *, back: bool = False) -> None:
    """Press Tab, or Shift+Tab, until what is wanted has the focus. AssertionError when it never gets it, or when it is
    out of the window then."""
    element = wanted.element_handle()
    for _ in range(MOST):
        if element.evaluate("e => e === document.activeElement"):
            for _moment in range(20):  # the page may still be scrolling there
                if element.evaluate(SEEN):
                    return
                page.wait_for_timeout(100)
            raise AssertionError(f"{wanted} has the focus and is not in the window")
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"the Tab key never comes to {wanted}")


def press(page: Page, wanted: Locator, key: str = "Enter", *, back: bool = False) -> None:
    """Go to what is wanted by the Tab key and press the key there."""
    tab_to(page, wanted, back=back)
    page.keyboard.press(key)


def write(page: Page, wanted: Locator, text: str) -> None:
    """Go to the field by the Tab key and type the text."""
    tab_to(page, wanted)
    page.keyboard.type(text)
