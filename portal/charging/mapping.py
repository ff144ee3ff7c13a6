"""What the columns of a session file mean, as its user confirmed it. Pure."""

from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from portal.charging.date_text import DateOrder


class EnergyUnit(StrEnum):
    WH = "Wh"
    KWH = "kWh"


class DurationUnit(StrEnum):
    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    CLOCK = "hh:mm:ss"  # hours may exceed 24; hh:mm is understood too


class AmbiguousHour(StrEnum):
    """What happens to a local time in the hour that the autumn clock change repeats."""

    FLAG = "flag"
    FIRST = "first"
    SECOND = "second"


class MappingProblem(ValueError):
    """One field of a mapping is not acceptable; message_key is unknown_column, required, either_or, or unknown."""

    def __init__(self, field_name: str, message_key: str) -> None:
        super().__init__(f"{field_name}: {message_key}")
        self.field = field_name
        self.message_key = message_key


COLUMN_FIELDS = (
    "station",
    "connector",
    "start",
    "start_time",
    "end",
    "end_time",
    "duration",
    "energy",
    "register_start",
    "register_end",
    "driver",
    "card",
    "external_id",
)


@dataclass(frozen=True)
class Mapping:
    """Which column (counted from 0) holds what. MappingProblem on construction when it contradicts itself.

    The station comes from a column or is `constant_station` for the whole file. A session needs a start, an end
    or a duration, and an energy or both register readings. With an end and a duration, the end counts and the
    duration decides which of two equal hours is meant. `start_time` and `end_time` are columns beside a date
    column. `date_order` and `time_zone` may be open in a proposal; `open_questions` names what still is.
    `columns` are the file's column names when the mapping was confirmed.
    """

    columns: tuple[str, ...]
    station: int | None = None
    constant_station: str = ""
    connector: int | None = None
    start: int | None = None
    start_time: int | None = None
    end: int | None = None
    end_time: int | None = None
    duration: int | None = None
    duration_unit: DurationUnit = DurationUnit.SECONDS
    energy: int | None = None
    energy_unit: EnergyUnit = EnergyUnit.KWH
    decimal_mark: str = "."
    register_start: int | None = None
    register_end: int | None = None
    register_unit: EnergyUnit = EnergyUnit.KWH
    driver: int | None = None
    card: int | None = None
    external_id: int | None = None
    date_order: DateOrder | None = None
    time_zone: str = ""
    ambiguous_hour: AmbiguousHour = AmbiguousHour.FLAG

    def __post_init__(self) -> None:
        for name in COLUMN_FIELDS:
            column = getattr(self, name)
            if column is not None and not (type(column) is int and 0 <= column < len(self.columns)):
                raise MappingProblem(name, "unknown_column")
        if self.station is not None and self.constant_station:
            raise MappingProblem("station", "either_or")
        for date_column, time_column in (("start", "start_time"), ("end", "end_time")):
            if getattr(self, time_column) is not None and getattr(self, date_column) is None:
                raise MappingProblem(date_column, "required")
        if (self.register_start is None) != (self.register_end is None):
            raise MappingProblem("register_end" if self.register_end is None else "register_start", "required")
        if self.decimal_mark not in (".", ","):
            raise MappingProblem("decimal_mark", "unknown")
        if self.time_zone and self.time_zone not in available_timezones():
            raise MappingProblem("time_zone", "unknown")

    @property
    def open_questions(self) -> tuple[str, ...]:
        """Fields that must still be answered before rows can be read; empty for a complete mapping."""
        answered = {
            "station": self.station is not None or bool(self.constant_station.strip()),
            "start": self.start is not None,
            "end": self.end is not None or self.duration is not None,
            "energy": self.energy is not None or self.register_start is not None,
            "date_order": self.date_order is not None,
            "time_zone": bool(self.time_zone),
        }
        return tuple(name for name, given in answered.items() if not given)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone of the file's local times; ValueError while that is an open question."""
        return ZoneInfo(self.time_zone)

    def moved_to(self, columns: tuple[str, ...]) -> "Mapping | None":
        """This mapping for a file with the same columns in another order; None when a mapped one is not there,
        or its name stands there twice."""
        moves: dict[str, Any] = {"columns": columns}
        for name in COLUMN_FIELDS:
            column = getattr(self, name)
            if column is None:
                continue
            if columns.count(self.columns[column]) != 1:
                return self if columns == self.columns else None
            moves[name] = columns.index(self.columns[column])
        return replace(self, **moves)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values that `from_json` understands."""
        return {**asdict(self), "columns": list(self.columns)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Mapping":
        """Read foreign JSON: MappingProblem for a field that is missing, unknown or of the wrong kind."""
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise MappingProblem(name, "unknown")
        columns = values.get("columns")
        if not isinstance(columns, list | tuple) or not all(isinstance(name, str) for name in columns):
            raise MappingProblem("columns", "required")
        given: dict[str, Any] = {**values, "columns": tuple(columns)}
        for name in ("constant_station", "decimal_mark", "time_zone"):
            if not isinstance(given.get(name, ""), str):
                raise MappingProblem(name, "unknown")
        for name, kind in _ENUMS.items():
            if given.get(name) is not None:
                try:
                    given[name] = kind(given[name])
                except ValueError as error:
                    raise MappingProblem(name, "unknown") from error
            elif name in given and name != "date_order":
                del given[name]
        return cls(**given)


_ENUMS: dict[str, type[StrEnum]] = {
    "duration_unit": DurationUnit,
    "energy_unit": EnergyUnit,
    "register_unit": EnergyUnit,
    "date_order": DateOrder,
    "ambiguous_hour": AmbiguousHour,
}
