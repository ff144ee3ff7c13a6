"""SDAT-CH E66 (ebIX): validated quarter hours, one XML document for each meter and local day, versions 1.4 and 1.6.

Structure after files from the field. Instants are UTC, the interval is one local day of 92, 96 or 100 observations,
numbered from 1; an observation without Condition is a measured value. Version 1.6 has national codes beside those of
ebIX: a community's reason C40 and products, which stand as VSENationalCode.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from portal.formats.amounts import Amounts
from portal.formats.errors import FormatError, SettingsError
from portal.formats.issue import Issue
from portal.formats.market_ids import check_company, metering_code_of
from portal.formats.order import Order
from portal.formats.rows import Meter, MeterPeriod, by_day, check_decimals, check_energy, remembered

VERSIONS: Final = {"1.4": ("ValidatedMeteredData_14", "1p4"), "1.6": ("ValidatedMeteredData_16", "1p6")}
REASONS: Final = {"1.4": "E88", "1.6": "C40"}
POINTS: Final = {"consumption": "ConsumptionMeteringPoint", "production": "ProductionMeteringPoint"}

ORIGINAL: Final = "9"
REPLACEMENT: Final = "5"

CODES: Final = {
    "sender_role": (re.compile(r"[A-Z]{2,4}"), "MDR"),
    "receiver_role": (re.compile(r"[A-Z]{2,4}"), "DEC"),
    "reason": (re.compile(r"([A-Z][0-9]{2})?"), "E88"),
    "product": (re.compile(r"[0-9]{13}"), "8716867000030"),
    "substitute_condition": (re.compile(r"[0-9]{2}"), "56"),
    "missing_condition": (re.compile(r"[0-9]{2}"), "21"),
    "document_prefix": (re.compile(r"[A-Za-z0-9]{1,12}"), "PIQUET"),
    "community": (re.compile(r"[A-Za-z0-9._-]{0,35}"), "109900-000001"),
    "community_type": (re.compile(r"[A-Z0-9]{2,6}"), "CT01"),
}
"""How each code is spelled, and one for an example: nothing in it has to be escaped."""

EBIX_REASON = re.compile(r"E[0-9]{2}")
EBIX_PRODUCT: Final = "8716867"


@dataclass(frozen=True, slots=True)
class SdatSettings:
    """How a formatter writes E66; SettingsError on construction names the field at fault.

    `sender` and `receiver` are EIC; with `unchecked_ids` their check characters may be wrong. A `reason` E.. is an
    ebIX code, another one a national code, as is a `product` that is not ebIX's; version 1.4 knows ebIX codes only.
    No `reason` is the version's usual one. `community` names the local community of version 1.6, where there is one.
    `substitute_condition` marks an observation of quality E, `missing_condition` one of quality F.
    """

    sender: str
    receiver: str
    version: Literal["1.4", "1.6"] = "1.4"
    unchecked_ids: bool = False
    sender_role: str = "MDR"
    receiver_role: str = "DEC"
    reason: str = ""
    point: Literal["consumption", "production"] = "consumption"
    product: str = "8716867000030"
    community: str = ""
    community_type: str = "CT01"
    substitute_condition: str = "56"
    missing_condition: str = "21"
    document_prefix: str = "PIQUET"
    decimals: int = 3
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Zurich"))

    def __post_init__(self) -> None:
        for name, choices in (("version", VERSIONS), ("point", POINTS)):
            if getattr(self, name) not in choices:
                raise SettingsError(name, "Choose one of %(choices)s.", choices=" ".join(choices))
        for name, (pattern, example) in CODES.items():
            if not pattern.fullmatch(getattr(self, name)):
                raise SettingsError(name, "Enter a code such as %(example)s.", example=example)
        for name in ("sender", "receiver"):
            check_company(name, "eic", getattr(self, name), unchecked=self.unchecked_ids)
        check_decimals("decimals", self.decimals)
        if self.version == "1.4":
            _check_old_version(self)


def _check_old_version(settings: SdatSettings) -> None:
    if not EBIX_REASON.fullmatch(_reason_code(settings)):
        raise SettingsError("reason", "Version 1.4 has no national codes: the reason is E and two digits.")
    if not settings.product.startswith(EBIX_PRODUCT):
        raise SettingsError("product", "Version 1.4 has no national codes: the product begins with 8716867.")
    if settings.community:
        raise SettingsError("community", "Only version 1.6 names a community.")


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its file name, what it is about, and its bytes, about 10 KB of UTF-8. `number` counts from 1 in
    the run."""

    name: str
    meter: Meter
    day: date
    number: int
    content: bytes


def write(rows: Iterable[MeterPeriod], settings: SdatSettings, issue: Issue) -> Iterator[Document]:
    """The documents in the order of the rows, made as they are taken; each row with quarter hours becomes one for each
    of its local days. A correction has Status 5 (replace) instead of 9 (original).

    Raises FormatError for no rows at all, a missing or malformed metering code, one that two meters have, overlapping
    periods, negative energy, quarter hours that do not fill the period or do not sum to its energy, and a period that
    is not whole local days; ValueError for an instant that is not UTC.
    """
    write_document, order = _document_writer(settings, issue), Order()
    number = 0
    for row in rows:
        check_energy(row)
        code = metering_code_of(row.meter)
        order.check(row, code)
        if not (_is_midnight(row.starts_at, settings.zone) and _is_midnight(row.ends_at, settings.zone)):
            raise FormatError(row.meter.name, "%(meter)s has a period that is not whole days.")
        for day in by_day(row, settings.zone):
            number += 1
            yield write_document(day, code, number)
    if not number:
        raise FormatError(None, "There is no meter to write: the file needs at least one.")


@lru_cache(maxsize=1024)
def _is_midnight(instant: datetime, zone: ZoneInfo) -> bool:
    return instant.astimezone(zone).time() == time()


def _document_writer(settings: SdatSettings, issue: Issue) -> Callable[[MeterPeriod, str, int], Document]:
    """The function that writes one day of one meter; what all documents share is written out once."""
    instant = remembered(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    amounts = Amounts(settings.decimals)
    conditions = {
        "W": "</rsm:Volume></rsm:Observation>\n",
        "E": _condition(settings.substitute_condition),
        "F": _condition(settings.missing_condition),
    }
    template = _template(settings, instant(issue.created))
    end = f"</rsm:MeteringData>\n</rsm:{VERSIONS[settings.version][0]}>\n"
    reference = f"{settings.document_prefix}{issue.run}"
    name = f"{issue.created.astimezone(settings.zone):%Y%m%d_%H%M%S}_{settings.sender}_E66_{settings.receiver}"

    def write_document(day: MeterPeriod, code: str, number: int) -> Document:
        series = day.series
        assert series is not None  # by_day gives it
        pieces = [""] * (3 * len(series.quality))
        pieces[0::3] = _positions(len(series.quality))
        pieces[1::3] = map(amounts.__getitem__, series.energy_wh)
        pieces[2::3] = map(conditions.__getitem__, series.quality)
        head = template % {
            "document": f"{reference}_{number}",
            "status": REPLACEMENT if issue.corrects(code) else ORIGINAL,
            "start": instant(day.starts_at),
            "end": instant(day.ends_at),
            "code": code,
        }
        return Document(
            name=f"{name}_{reference.upper()}_{number}.xml",
            meter=day.meter,
            day=day.starts_at.astimezone(settings.zone).date(),
            number=number,
            content=f"{head}{''.join(pieces)}{end}".encode(),
        )

    return write_document


def _condition(code: str) -> str:
    return f"</rsm:Volume><rsm:Condition>{code}</rsm:Condition></rsm:Observation>\n"


@lru_cache(maxsize=8)  # a day has 92, 96 or 100
def _positions(count: int) -> Sequence[str]:
    """The beginning of each observation, up to its volume."""
    return [
        f"<rsm:Observation><rsm:Position><rsm:Sequence>{number}</rsm:Sequence></rsm:Position><rsm:Volume>"
        for number in range(1, count + 1)
    ]


def _template(settings: SdatSettings, created: str) -> str:
    """A document up to its first observation, with places for `%` and a dict. Every code in the settings is letters,
    digits and hyphens, so nothing has to be escaped."""
    root, schema = VERSIONS[settings.version]
    point = POINTS[settings.point]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<rsm:{root} xsi:schemaLocation="http://www.strom.ch ValidatedMeteredData_{schema}.xsd"'
        ' xmlns:rsm="http://www.strom.ch" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        "<rsm:ValidatedMeteredData_HeaderInformation>\n"
        "<rsm:HeaderVersion>1.0</rsm:HeaderVersion>\n"
        f"{_company('Sender', settings.sender, settings.sender_role)}"
        f"{_company('Receiver', settings.receiver, settings.receiver_role)}"
        "<rsm:InstanceDocument>\n"
        "<rsm:DictionaryAgencyID>260</rsm:DictionaryAgencyID>\n"
        '<rsm:VersionID listAgencyID="260">2007B</rsm:VersionID>\n'
        "<rsm:DocumentID>%(document)s</rsm:DocumentID>\n"
        '<rsm:DocumentType listAgencyID="260"><rsm:ebIXCode>E66</rsm:ebIXCode></rsm:DocumentType>\n'
        f"<rsm:Creation>{created}</rsm:Creation>\n"
        "<rsm:Status>%(status)s</rsm:Status>\n"
        "</rsm:InstanceDocument>\n"
        "<rsm:BusinessScopeProcess>\n"
        f"{_reason(settings)}"
        '<rsm:BusinessDomainType listAgencyID="260">E02</rsm:BusinessDomainType>\n'
        "<rsm:BusinessSectorType>23</rsm:BusinessSectorType>\n"
        f"{_span('ReportPeriod')}"
        '<rsm:BusinessService><rsm:ServiceTransaction isIntelligibleCheckRequired="true"/></rsm:BusinessService>\n'
        "</rsm:BusinessScopeProcess>\n"
        "</rsm:ValidatedMeteredData_HeaderInformation>\n"
        "<rsm:MeteringData>\n"
        "<rsm:DocumentID>%(document)s_D</rsm:DocumentID>\n"
        f"{_span('Interval')}"
        "<rsm:Resolution><rsm:Resolution>15</rsm:Resolution><rsm:Unit>MIN</rsm:Unit></rsm:Resolution>\n"
        f"<rsm:{point}>"
        '<rsm:VSENationalID schemeID="VSE" schemeAgencyID="260">%(code)s</rsm:VSENationalID>'
        f"</rsm:{point}>\n"
        f"<rsm:Product>{_product(settings)}<rsm:MeasureUnit>KWH</rsm:MeasureUnit></rsm:Product>\n"
        f"{_community(settings)}"
    )


def _company(element: str, eic: str, role: str) -> str:
    code = f'<rsm:EICID schemeAgencyID="305">{eic}</rsm:EICID>'
    return f"<rsm:{element}><rsm:ID>{code}</rsm:ID><rsm:Role>{role}</rsm:Role></rsm:{element}>\n"


def _span(element: str) -> str:
    start, end = "%(start)s</rsm:StartDateTime>", "%(end)s</rsm:EndDateTime>"
    return f"<rsm:{element}><rsm:StartDateTime>{start}<rsm:EndDateTime>{end}</rsm:{element}>\n"


def _reason_code(settings: SdatSettings) -> str:
    return settings.reason or REASONS[settings.version]


def _reason(settings: SdatSettings) -> str:
    reason = _reason_code(settings)
    list_id = "" if settings.version == "1.4" else ' codeListID="VSE"'
    element = "ebIXCode" if EBIX_REASON.fullmatch(reason) else "VSENationalCode"
    code = f"<rsm:{element}>{reason}</rsm:{element}>"
    return f'<rsm:BusinessReasonType codeListAgency="260"{list_id}>{code}</rsm:BusinessReasonType>\n'


def _product(settings: SdatSettings) -> str:
    if settings.version == "1.4":
        return f'<rsm:ID schemeAgencyID="9">{settings.product}</rsm:ID>'
    is_ebix = settings.product.startswith(EBIX_PRODUCT)
    element, agency = ("ebIXCode", "9") if is_ebix else ("VSENationalCode", "260")
    return f'<rsm:ID><rsm:{element} schemeAgencyID="{agency}">{settings.product}</rsm:{element}></rsm:ID>'


def _community(settings: SdatSettings) -> str:
    if not settings.community:
        return ""
    code = f"<rsm:VSENationalCode>{settings.community_type}</rsm:VSENationalCode>"
    kind = f'<rsm:CommunityType codeListAgency="260">{code}</rsm:CommunityType>'
    return f"<rsm:Community><rsm:CommunityID>{settings.community}</rsm:CommunityID>{kind}</rsm:Community>\n"
