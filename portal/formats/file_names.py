"""Names of export files, from a pattern with placeholders out of a closed list."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from portal.formats.errors import FormatError, SettingsError

ESL_PATTERN: Final = "EdmRegisterWertExport_{period_end}_{sender}_{created_time}.xml"
"""The field's own pattern; its first date is the period's end, so that a backfill written within one second
still gives each period a name of its own."""

CSV_PATTERN: Final = "{task}_{period_start}_{period_last}_{created_time}.csv"

DIVIDES: Final = ("meter", "day", "extension")
"""Placeholders that only the names of a file for each meter, for each day, or of formats with several files have."""

FILE_NAME = re.compile(r"[A-Za-z0-9._=+@-]{1,200}")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._=+@-]+")
LITERAL = re.compile(r"[A-Za-z0-9._=+@-]*")

LONGEST_TEXT: Final = 60

SPELLED_OUT: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "æ": "ae", "ø": "oe"}
)


@dataclass(frozen=True, slots=True)
class FileNameParts:
    """What placeholders stand for. `period_end` is exclusive; `created` is written as its own clock shows, so
    give it in the task's time zone."""

    task: str
    sender: str
    period_start: date
    period_end: date
    created: datetime
    revision: int
    run: int
    meter: str = ""
    day: date | None = None
    extension: str = ""


PLACEHOLDERS: Final[dict[str, Callable[[FileNameParts], str]]] = {
    "task": lambda parts: reduced(parts.task),
    "sender": lambda parts: reduced(parts.sender),
    "period_start": lambda parts: f"{parts.period_start:%Y%m%d}",
    "period_end": lambda parts: f"{parts.period_end:%Y%m%d}",
    "period_last": lambda parts: f"{parts.period_end - timedelta(days=1):%Y%m%d}",
    "created": lambda parts: f"{parts.created:%Y%m%d}",
    "created_time": lambda parts: f"{parts.created:%Y%m%d%H%M%S}",
    "revision": lambda parts: str(parts.revision),
    "run": lambda parts: str(parts.run),
    "meter": lambda parts: reduced(parts.meter),
    "day": lambda parts: f"{parts.day:%Y%m%d}" if parts.day else "",
    "extension": lambda parts: parts.extension,
}
"""period_end is the first day after the period, period_last its last day; run is the export run's number; meter is the
identifier of a meter that has a file of its own, day a local day that has; extension tells two files
of the same rows apart."""


def check_pattern(pattern: str, divided_by: Collection[str] = ()) -> None:
    """SettingsError on `pattern` for an unknown placeholder (the message lists the known ones), a character
    that no file name may hold, a first character that hides a file or reads as an option, and unless it holds those
    of DIVIDES that the files are divided by, and no other."""
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    for name in PLACEHOLDER.findall(pattern):
        if name not in PLACEHOLDERS:
            raise SettingsError(
                "pattern", "%(name)s is not known. Known are %(known)s.", name=f"{{{name}}}", known=known
            )
    if not pattern or pattern[0] in ".-":
        raise SettingsError("pattern", "A file name begins with a letter, a digit or a placeholder.")
    if not LITERAL.fullmatch(PLACEHOLDER.sub("", pattern)):
        raise SettingsError("pattern", "Beside placeholders only A-Z a-z 0-9 . _ = + @ - may stand.")
    for name in DIVIDES:
        if (name in divided_by) > (f"{{{name}}}" in pattern):
            raise SettingsError("pattern", "With several files %(name)s must stand in the name.", name=f"{{{name}}}")
        if (name in divided_by) < (f"{{{name}}}" in pattern):
            raise SettingsError("pattern", "%(name)s needs a file for each.", name=f"{{{name}}}")


def divided(pattern: str, divided_by: Collection[str]) -> str:
    """The pattern with the placeholders that a name of these files needs and that it lacks, before its suffix."""
    stem, dot, suffix = pattern.rpartition(".")
    lacking = [f"_{{{name}}}" for name in DIVIDES if name in divided_by and f"{{{name}}}" not in pattern]
    return "".join([stem, *lacking, dot, suffix])


def file_name(pattern: str, parts: FileNameParts) -> str:
    """The name, 1 to 200 of `A-Za-z0-9._=+@-`, not beginning with `.` or `-`; the same parts give the same
    name. Raises SettingsError for a bad pattern and FormatError for a name that comes out too long."""
    check_pattern(pattern, [name for name in DIVIDES if getattr(parts, name)])
    name = PLACEHOLDER.sub(lambda found: PLACEHOLDERS[found[1]](parts), pattern)
    if not FILE_NAME.fullmatch(name) or name[0] in ".-":
        raise FormatError(None, "%(name)s cannot be a file name: at most 200 of A-Za-z0-9._=+@-.", name=repr(name[:80]))
    return name


def reduced(text: str) -> str:
    """User text as part of a file name: umlauts spelled out, accents dropped, anything else not allowed
    turned into one `-`, at most 60 characters. Text of which nothing is left becomes 12 characters of its
    SHA-256, so that it still names something."""
    spelled = unicodedata.normalize("NFC", text).translate(SPELLED_OUT)
    plain = "".join(char for char in unicodedata.normalize("NFKD", spelled) if not unicodedata.combining(char))
    kept = NOT_IN_NAMES.sub("-", plain)[:LONGEST_TEXT].strip(".-")
    return kept or hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
