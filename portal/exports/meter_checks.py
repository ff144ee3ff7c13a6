"""Whether a utility can tell the meters of a task apart by the formatter's identifier: asked when a task is saved, so
that nobody hears of it from the utility."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy.orm import Session

from portal.charging.energy import EnergySource
from portal.core.errors import N_, RuleBroken
from portal.exports.meters import meters
from portal.exports.models import ExportTask, Format
from portal.formats.errors import FormatError, SettingsError
from portal.formats.market_ids import check_metering_code
from portal.formats.rows import LABELS, Meter, identifier_of

Place = tuple[str, int | None]


class MetersUnnamed(RuleBroken):
    """Meters of the task have no identifier, one and the same, or one that no receiver takes: `meters` are names and,
    for a charging point, the connector where it is entered (none: the driver)."""

    def __init__(self, message: str, unnamed: list[Place], **params: object) -> None:
        super().__init__("formatter", message, **params)
        self.meters = unnamed


def check_meters(session: Session, task: ExportTask) -> None:
    """MetersUnnamed unless every meter of the task carries the formatter's identifier, well formed, each another."""
    session.expire(task, ["formatter", "station_group", "user"])
    name, found = task.formatter.identifier, meters(session, task)
    values = [(getattr(source.row, name) or "").strip() for source in found]
    unnamed = [_place(source) for source, value in zip(found, values, strict=True) if not value]
    if unnamed:
        message = N_("%(count)s of %(of)s meters have no %(identifier)s. Enter it there, or choose another formatter.")
        raise MetersUnnamed(message, unnamed, count=len(unnamed), of=len(found), identifier=LABELS[name])
    often = {value for value, times in Counter(values).items() if times > 1}
    if often:
        twins = [_place(source) for source, value in zip(found, values, strict=True) if value in often]
        raise MetersUnnamed(N_("Several meters have the same %(identifier)s."), twins, identifier=LABELS[name])
    _check_forms(task, found)


def _check_forms(task: ExportTask, found: Sequence[EnergySource]) -> None:
    wrong = [(source, error) for source in found if (error := _error(task, source.row)) is not None]
    if wrong:
        first = wrong[0][1]
        raise MetersUnnamed(first.template, [_place(source) for source, _ in wrong], **first.params)


def _error(task: ExportTask, meter: Meter) -> FormatError | SettingsError | None:
    try:
        value = identifier_of(meter, task.formatter.identifier)  # type: ignore[arg-type]  # by the form
        if task.formatter.format == Format.SDAT:
            check_metering_code("formatter", value)
    except (FormatError, SettingsError) as error:
        return error
    return None


def _place(source: EnergySource) -> Place:
    return source.row.name, None if source.driver_id else source.connector_ids[0]
