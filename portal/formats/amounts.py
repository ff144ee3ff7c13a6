"""Amounts as text, each written once: quarter hours repeat, most are 0 or the full power of a connector."""

from __future__ import annotations

from typing import Final

from portal.formats.rows import kwh

REMEMBERED_AMOUNTS: Final = 65_536


class Amounts(dict[int, str]):
    """kWh by Wh. `map(amounts.__getitem__, ...)` runs without a Python call for an amount seen before, three times as
    fast as a function would; about 5 MB when full, and then emptied.

    With `in_kwh` False the texts are Wh; `before` and `after` stand around each.
    """

    def __init__(
        self, decimals: int, mark: str = ".", *, before: str = "", after: str = "", in_kwh: bool = True
    ) -> None:
        super().__init__()
        self._decimals, self._mark = decimals, mark
        self._before, self._after, self._in_kwh = before, after, in_kwh

    def __missing__(self, energy_wh: int) -> str:
        if len(self) >= REMEMBERED_AMOUNTS:
            self.clear()
        amount = kwh(energy_wh, self._decimals, self._mark) if self._in_kwh else str(energy_wh)
        text = self[energy_wh] = f"{self._before}{amount}{self._after}"
        return text
