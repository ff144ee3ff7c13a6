"""How stories look at a page: as axe does, and as a picture for people."""

import os
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page

AXE = Path(__file__).with_name("axe") / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
OPEN_TAB_IS_SEEN = """() => {
  const tab = document.querySelector(".tabs [aria-current]");
  return !tab || tab.getBoundingClientRect().right <= innerWidth;
}"""
SCREENSHOTS = os.environ.get("SCREENSHOTS")  # a folder: the pages are kept there as pictures


def look(page: Page, name: str) -> None:
    """The page, loaded anew, is within its width in both themes and sizes, and accessible in one of them, in turns by
    its name: axe costs most. It is left light and as wide as a desktop."""
    for number, (theme, width) in enumerate((("dark", 390), ("light", 1280))):
        page.set_viewport_size({"width": width, "height": 900})
        page.context.add_cookies([{"name": "theme", "value": theme, "url": page.url}])
        page.reload()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate(OPEN_TAB_IS_SEEN), name
        if SCREENSHOTS or zlib.crc32(name.encode()) % 2 == number:
            page.evaluate(AXE.read_text())  # not as a script tag: the CSP refuses that
            faults = page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]
            assert not faults, (name, faults)
        if SCREENSHOTS:
            page.screenshot(path=f"{SCREENSHOTS}/{name}-{theme}-{width}.png", full_page=True)


def picture(page: Page, name: str, last: Locator, first: Locator | None = None) -> None:
    """With SCREENSHOTS set: a small picture for a guide, of the page's contents from the top, or from the first thing
    that matters, down to the last."""
    if not SCREENSHOTS:
        return
    page.evaluate("scrollTo(0, 0)")
    frame, end = page.get_by_role("main").bounding_box(), last.bounding_box()
    assert frame
    assert end
    begin = first.bounding_box() if first else None
    frame["y"] = max(begin["y"] - 16, frame["y"]) if begin else frame["y"]
    height = end["y"] + end["height"] + 16 - frame["y"]
    taken = Image.open(BytesIO(page.screenshot(full_page=True, clip={**frame, "height": height})))
    taken.quantize(256).save(f"{SCREENSHOTS}/{name}.png", optimize=True)
