"""What a file that is billed from must keep: an identifier stands for one meter, and no instant is written twice."""

from __future__ import annotations

from datetime import datetime

from portal.formats.errors import FormatError
from portal.formats.rows import Meter, MeterPeriod


class Order:
    """Of each identifier the meter and how far it has been written: about 300 bytes for each meter."""

    def __init__(self) -> None:
        self._written: dict[str, tuple[Meter, datetime]] = {}

    def check(self, row: MeterPeriod, identifier: str) -> None:
        """FormatError when another meter has this identifier, or the row begins before the meter's last one ended."""
        known = self._written.get(identifier)
        if known is not None:
            meter, ended_at = known
            if meter is not row.meter and meter != row.meter:
                raise FormatError(row.meter.name, "%(meter)s has the same identifier as %(other)s.", other=meter.name)
            if row.starts_at < ended_at:
                raise FormatError(row.meter.name, "%(meter)s has periods that overlap or are not in order.")
        self._written[identifier] = row.meter, row.ends_at
