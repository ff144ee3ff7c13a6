"""The texts of mails."""

import pytest
from jinja2 import UndefinedError

from portal.core import letters

NAMES = sorted(path.stem for path in (letters.ROOT / "templates/emails").glob("*.txt"))


def test_a_letter_has_a_subject_and_a_text() -> None:
    subject, body = letters.write("en", "verify", link="http://piquet.example/verify/x?a=1&b=2")
    assert subject == "Confirm your e-mail address"
    assert body.startswith("Hello,\n\nSomebody")
    assert "\n\nhttp://piquet.example/verify/x?a=1&b=2\n\n" in body


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in ("letter", "review_due") and not name.startswith("_")]
)
def test_a_letter_is_not_written_without_its_values(name: str) -> None:
    with pytest.raises(UndefinedError):
        letters.write("de", name)


def test_an_unknown_language_is_english() -> None:
    assert letters.write("xx", "verify", link="") == letters.write("en", "verify", link="")
