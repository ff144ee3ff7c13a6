"""MSCONS (EDIFACT D.04B): load profile in version 2.2e; load profile, energy of the period and reading in 2.4c.

After messages from the field and the user's manual of edi@energy (MSCONS AHB 3.1f). One interchange, in it one message
for each meter and period. Every quarter hour of a load profile has exactly one value: measured (220), substitute (67),
or what stands for a missing one. Energy and reading know no missing value: a period with substitute or missing quarter
hours is a substitute there. Version 2.4c says of a substitute how and why it was made.

A load profile is corrected by a newer message: the later message date wins. An energy or a reading is cancelled first,
by the number of the message that carried it, and sent again with the reason.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal

from portal.formats.amounts import Amounts
from portal.formats.errors import FormatError
from portal.formats.issue import Issue
from portal.formats.market_ids import metering_code_of
from portal.formats.mscons_settings import KINDS, PROFILES, QUALIFIERS, MsconsSettings
from portal.formats.order import Order
from portal.formats.rows import (
    QUARTER_HOUR,
    Identifier,
    Meter,
    MeterPeriod,
    check_energy,
    checked_series,
    chunks,
    identifier_of,
    remembered,
)

ENCODING: Final = "iso-8859-1"
"""What EDIFACT calls UNOC. The codec takes control characters too; identifier_of refuses them."""

RELEASED: Final = str.maketrans({char: f"?{char}" for char in "?+:'"})

LONGEST_IDENTIFIER: Final = 35
LONGEST_REFERENCE: Final = 14

CANCELLATION: Final = "13006"
MEASURED, SUBSTITUTE = "220", "67"


def write(rows: Iterable[MeterPeriod], settings: MsconsSettings, issue: Issue, part: int = 0) -> Iterator[bytes]:
    """The interchange, ISO 8859-1, in pieces of about 64 KB or one message; rows are read as the pieces are taken.
    `part` numbers the files of a run that has several.

    Raises FormatError for no rows at all, an identifier that is missing, malformed, too long, not in ISO 8859-1 or that
    of two meters, overlapping periods, negative energy, quarter hours that do not fill the period or do not sum to its
    energy, a missing register or device number where one is written, and a run whose number is too long; ValueError
    for an instant that is not UTC.
    """
    return chunks(_interchange(rows, settings, issue, part), ENCODING)


def _interchange(rows: Iterable[MeterPeriod], settings: MsconsSettings, issue: Issue, part: int) -> Iterator[str]:
    reference = f"{settings.document_prefix}{issue.run}" + (f"-{part}" if part else "")
    if len(reference) > LONGEST_REFERENCE:
        raise FormatError(
            None, "%(reference)s is too long for an interchange: shorten the prefix.", reference=reference
        )
    companies = [
        f"{getattr(settings, side)}:{getattr(settings, f'{side}_qualifier') or QUALIFIERS[scheme][0]}"
        for side, scheme in (("sender", settings.sender_scheme), ("receiver", settings.receiver_scheme))
    ]
    created = _clock(settings)(issue.created)
    application = KINDS[settings.kind].application
    yield f"UNA:+{settings.decimal_mark}? '"
    yield f"UNB+UNOC:3+{'+'.join(companies)}+{created:%y%m%d}:{created:%H%M}+{reference}++{application}'"
    messages = _Messages(settings, issue)
    for row in rows:
        check_energy(row)
        yield from messages.about(row)
    if not messages.count:
        raise FormatError(None, "There is no meter to write: the file needs at least one.")
    yield f"UNZ+{messages.count}+{reference}'"


class _Messages:
    """The messages of an interchange, numbered and counted; what they share is written out once."""

    def __init__(self, settings: MsconsSettings, issue: Issue) -> None:
        self.count = 0
        self._order = Order()
        self._settings, self._issue, self._kind = settings, issue, KINDS[settings.kind]
        self._amounts = Amounts(settings.decimals, settings.decimal_mark)
        self._instant = _instants(settings)
        self._parties = [
            _name_and_address(settings, "sender"),
            _name_and_address(settings, "receiver"),
            "UNS+D",
            "NAD+DP",
        ]
        self._product = f"PIA+5+{(settings.obis or self._kind.obis).translate(RELEASED)}:SRW"
        self._intervals = lru_cache(maxsize=32)(self._intervals_of)  # all meters of a period have the same

    def about(self, row: MeterPeriod) -> Iterator[str]:
        """The message of this row; before that of a correction the one that cancels what it replaces."""
        code, device = codes_of(row.meter, self._settings)
        self._order.check(row, code)
        corrects = self._issue.corrects(code)
        if self._settings.kind in PROFILES:
            yield self._profile(row, code, corrects)
            return
        if corrects and self._issue.replaces is not None:
            cancelled = self._document(self._issue.replaces, self._kind.check, code, row)
            yield self._framed([*self._opening(CANCELLATION, code, row, cancelled), "LOC+172"])
        yield self._single(row, code, device, corrects)

    def _profile(self, row: MeterPeriod, code: str, corrects: bool) -> str:
        series, statuses = checked_series(row), self._statuses(corrects)
        texts = {quality: "".join(f"{status}'" for status in held) for quality, held in statuses.items()}
        quantities = {"W": f"QTY+{MEASURED}:", "E": f"QTY+{SUBSTITUTE}:", "F": f"QTY+{self._settings.missing}:"}
        pieces = [""] * (4 * len(series.quality))
        pieces[0::4] = map(quantities.__getitem__, series.quality)
        pieces[1::4] = map(self._amounts.__getitem__, series.energy_wh)
        pieces[2::4] = self._intervals(series.starts_at, len(series.quality))
        pieces[3::4] = map(texts.__getitem__, series.quality)
        counted = 3 * len(series.quality) + sum(series.quality.count(which) * len(statuses[which]) for which in "WEF")
        period = [f"DTM+163:{self._instant(row.starts_at)}:303", f"DTM+164:{self._instant(row.ends_at)}:303"]
        opening = [*self._opening(self._kind.check, code, row), f"LOC+172+{code.translate(RELEASED)}", *period]
        return self._framed([*opening, "LIN+1", self._product], "".join(pieces), counted)

    def _single(self, row: MeterPeriod, code: str, device: str, corrects: bool) -> str:
        """The message with one amount: the energy of the period, or the register at its end."""
        quality = "E" if row.substitute or row.missing else "W"
        qualifier = MEASURED if quality == "W" else SUBSTITUTE
        starts_at, ends_at = self._instant(row.starts_at), self._instant(row.ends_at)
        opening = [*self._opening(self._kind.check, code, row), f"LOC+172+{code.translate(RELEASED)}"]
        if self._settings.kind == "energy":
            amount, times = row.energy_wh, [f"DTM+163:{starts_at}:303", f"DTM+164:{ends_at}:303"]
        else:
            amount, times = _register(row), [f"DTM+7:{ends_at}:303"]
            if quality == "W":  # only what was read has a time of reading
                times.insert(0, f"DTM+9:{ends_at}:303")
            if device:
                opening.append(f"RFF+MG:{device.translate(RELEASED)}")
        quantity = f"QTY+{qualifier}:{self._amounts[amount]}"
        return self._framed(
            [*opening, "LIN+1", self._product, quantity, *times, *self._statuses(corrects)[quality]],
        )

    def _opening(self, check: str, code: str, row: MeterPeriod, cancels: str | None = None) -> list[str]:
        """From BGM to the delivery point; function 9 is an original, 1 a cancellation of the document named."""
        created = self._instant(self._issue.created)
        moment = f"{created}:303" if self._kind.version != "2.2e" else f"{created.partition('?')[0]}:203"
        number = self._document(self._issue.run, check, code, row)
        return [
            f"BGM+{self._kind.document}+{number}+{9 if cancels is None else 1}",
            f"DTM+137:{moment}",
            *([] if cancels is None else [f"RFF+ACW:{cancels}"]),
            f"RFF+Z13:{check}",
            *self._parties,
        ]

    def _framed(self, segments: Sequence[str], body: str = "", counted: int = 0) -> str:
        """The message from UNH to UNT, which counts both; `body` has its `counted` segments ready."""
        self.count += 1
        head = f"UNH+{self.count}+MSCONS:D:04B:UN:{self._kind.version}'"
        ready = "".join(f"{segment}'" for segment in segments)
        return f"{head}{ready}{body}UNT+{len(segments) + counted + 2}+{self.count}'"

    def _statuses(self, corrects: bool) -> dict[str, list[str]]:
        """By quality, what 2.4c says beside the value: how a substitute was made, why a value replaces one sent before,
        why there is a substitute."""
        if self._kind.version == "2.2e":
            return {"W": [], "E": [], "F": []}
        reason = [f"STS+Z34++{self._settings.correction_reason}"] if corrects else []
        how, why = f"STS+Z32++{self._settings.substitute_method}", f"STS+Z40++{self._settings.substitute_reason}"
        return {"W": reason, "E": [how, *reason, why], "F": []}

    def _document(self, run: int, check: str, code: str, row: MeterPeriod) -> str:
        """The number of the message of this meter and period in that run, 35 characters at most: a later run finds the
        number of what it replaces without being told."""
        about = f"{check} {code} {row.starts_at.astimezone(UTC):%Y%m%d%H%M}"
        digest = b32encode(sha256(about.encode()).digest()[:10]).decode()
        return f"{self._settings.document_prefix}{run}-{digest}"

    def _intervals_of(self, starts_at: datetime, count: int) -> Sequence[str]:
        """What follows each amount: the end of its segment, and where its quarter hour begins and ends."""
        edges = [self._instant(starts_at + number * QUARTER_HOUR) for number in range(count + 1)]
        return [f"'DTM+163:{edges[number]}:303'DTM+164:{edges[number + 1]}:303'" for number in range(count)]


def codes_of(meter: Meter, settings: MsconsSettings) -> tuple[str, str]:
    """What names the meter in its message: its identifier, and of a reading that names it the device number, else "".
    FormatError for one that is missing, malformed, too long or not in ISO 8859-1."""
    if settings.identifier == "metering_code" and settings.swiss_codes:
        code = metering_code_of(meter)
    else:
        code = _checked(meter, settings.identifier)
    named = settings.kind == "reading" and settings.device_number
    return code, _checked(meter, "factory_no") if named else ""


def _checked(meter: Meter, identifier: Identifier) -> str:
    code = identifier_of(meter, identifier)
    if len(code) > LONGEST_IDENTIFIER:
        raise FormatError(meter.name, "%(meter)s has an identifier of more than 35 characters.")
    try:
        code.encode(ENCODING)
    except UnicodeEncodeError:
        raise FormatError(
            meter.name, "%(meter)s has a character that %(encoding)s cannot hold.", encoding="ISO 8859-1"
        ) from None
    return code


def _register(row: MeterPeriod) -> int:
    if row.register_wh is None or row.register_wh < 0:
        raise FormatError(row.meter.name, "%(meter)s has no meter reading at the end of the period.")
    return row.register_wh


def _name_and_address(settings: MsconsSettings, side: Literal["sender", "receiver"]) -> str:
    scheme = settings.sender_scheme if side == "sender" else settings.receiver_scheme
    agency = getattr(settings, f"{side}_agency") or QUALIFIERS[scheme][1]
    return f"NAD+{'MS' if side == 'sender' else 'MR'}+{getattr(settings, side)}::{agency}"


def _clock(settings: MsconsSettings) -> Callable[[datetime], datetime]:
    """From UTC to the time that the file is written in, with its offset."""
    times = settings.times or KINDS[settings.kind].times
    if times == "utc":
        return lambda instant: instant
    if times == "local":
        return lambda instant: instant.astimezone(settings.zone)

    def winter(instant: datetime) -> datetime:
        local = instant.astimezone(settings.zone)
        offset = (local.utcoffset() or timedelta()) - (local.dst() or timedelta())
        return instant.astimezone(timezone(offset))

    return winter


def _instants(settings: MsconsSettings) -> Callable[[datetime], str]:
    """Format 303: minutes and the offset in hours, its plus sign released."""
    clock = _clock(settings)

    def text(instant: datetime) -> str:
        moment = clock(instant)
        return f"{moment:%Y%m%d%H%M}{f'{moment:%z}'[:3].translate(RELEASED)}"

    return remembered(text)
