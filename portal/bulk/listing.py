"""The list of stations as the rows of a file: one row for each connector, one for a station without any."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from portal.bulk.columns import CONNECTOR, FIGURES, LABELS, STATION, Value, plain, worded
from portal.formats.xlsx_download import Cell
from portal.stations.models import IDENTIFIERS, Connector, Station
from portal.stations.operations.connectors import entered_without_times
from portal.stations.operations.stations import entered


def headings() -> list[str]:
    """The titles of the columns in the reader's language."""
    return [str(label) for label in LABELS.values()]


def rows(batches: Iterable[Sequence[Station]]) -> Iterator[list[Cell]]:
    """The rows of these stations: figures as they are stored, choices in the reader's words, nothing as None."""
    for stations in batches:
        for station in stations:
            own = [_cell(name, value) for name, value in of_station(station).items()]
            for connector in station.connectors or (None,):
                yield [station.id, connector.number if connector else None, *own, *_of_connector(connector)]


def _of_connector(connector: Connector | None) -> list[Cell]:
    if connector is None:
        return [None] * len(CONNECTOR)
    return [_cell(name, value) for name, value in of_connector(connector).items()]


def texts(row: Sequence[Cell]) -> list[str]:
    """The cells of a row as CSV has them."""
    return [str(cell) if isinstance(cell, int) else plain(cell) for cell in row]


def of_station(station: Station) -> Mapping[str, Value]:
    """The fields of a station with their values."""
    values = entered(station)
    return {name: getattr(values, name) for name in STATION}


def of_connector(connector: Connector) -> Mapping[str, Value]:
    """The fields of a connector with their values."""
    values: Any = entered_without_times(connector)
    return {name: values.identifiers[name] if name in IDENTIFIERS else getattr(values, name) for name in CONNECTOR}


def _cell(field: str, value: Value) -> Cell:
    if field in FIGURES and not isinstance(value, str):
        return value
    return worded(field, plain(value)) or None
