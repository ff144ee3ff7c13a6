"""Whether a utility can tell the meters of a task apart by what its formatter writes of them: asked when a task is
saved, and when a formatter that tasks use is changed, so that nobody hears of it from the utility."""

from collections import Counter
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from portal.charging.energy import EnergySource
from portal.core.errors import N_, RuleBroken
from portal.exports.meters import meters
from portal.exports.models import ExportTask, Formatter
from portal.exports.writers import WRITERS, settings_of
from portal.formats.errors import FormatError, SettingsError
from portal.formats.rows import LABELS

Place = tuple[str, int | None]


class MetersUnnamed(RuleBroken):
    """Meters of the task have no identifier, one and the same, or one that no receiver takes: `meters` are names and,
    for a charging point, the connector where it is entered (none: the driver)."""

    def __init__(self, message: str, unnamed: list[Place], **params: object) -> None:
        super().__init__("formatter", message, **params)
        self.meters = unnamed


def check_meters(session: Session, task: ExportTask) -> None:
    """MetersUnnamed unless every meter of the task carries what the formatter writes of it, well formed, each another;
    RuleBroken where the formatter cannot be used in the task's time zone."""
    check_named(meters(session, task), task.formatter, ZoneInfo(task.time_zone))


def check_named(found: Sequence[EnergySource], formatter: Formatter, zone: ZoneInfo) -> None:
    """The same for meters that were found already."""
    name = formatter.identifier
    values = [(getattr(source.row, name) or "").strip() for source in found]
    unnamed = [_place(source) for source, value in zip(found, values, strict=True) if not value]
    if unnamed:
        message = N_("%(count)s of %(of)s meters have no %(identifier)s. Enter it there, or choose another formatter.")
        raise MetersUnnamed(message, unnamed, count=len(unnamed), of=len(found), identifier=LABELS[name])
    often = {value for value, times in Counter(values).items() if times > 1}
    if often:
        twins = [_place(source) for source, value in zip(found, values, strict=True) if value in often]
        raise MetersUnnamed(N_("Several meters have the same %(identifier)s."), twins, identifier=LABELS[name])
    _check_forms(found, formatter, zone)


def _check_forms(found: Sequence[EnergySource], formatter: Formatter, zone: ZoneInfo) -> None:
    """By the rule that the format's writer follows itself."""
    try:
        settings = settings_of(formatter, zone)
    except SettingsError as error:
        field = "time_zone" if error.field == "zone" else "formatter"
        raise RuleBroken(field, error.template, **error.params) from None
    check, wrong = WRITERS[formatter.format].check, list[tuple[EnergySource, FormatError]]()
    for source in found:
        try:
            check(source.row, settings)
        except FormatError as error:
            wrong.append((source, error))
    if wrong:
        first = wrong[0][1]
        raise MetersUnnamed(first.template, [_place(source) for source, _ in wrong], **first.params)


def _place(source: EnergySource) -> Place:
    return source.row.name, None if source.driver_id else source.connector_ids[0]
