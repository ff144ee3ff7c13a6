"""Amounts as text, each written once: quarter hours repeat, most are 0 or the full power of a connector."""

from __future__ import annotations

from typing import Final

from portal.formats.rows import kwh

REMEMBERED_AMOUNTS: Final = 65_536


class Amounts(dict[int, str]):
    """kWh by Wh. `map(amounts.__getitem__, ...)` runs without a Python call for an amount seen before, three times as
    fast as a function would; about 5 MB when full, and then emptied."""

    def __init__(self, decimals: int, mark: str = ".") -> None:
        super().__init__()
        self._decimals, self._mark = decimals, mark

    def __missing__(self, energy_wh: int) -> str:
        if len(self) >= REMEMBERED_AMOUNTS:
            self.clear()
        text = self[energy_wh] = kwh(energy_wh, self._decimals, self._mark)
        return text
