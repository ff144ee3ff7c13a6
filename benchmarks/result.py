"""One figure beside its peer's."""

import operator
from dataclasses import dataclass

COMPARE = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Result:
    """`demand` is a comparison with the ratio value / peer_value, such as ">= 0.85"; "" for a figure that is only
    reported."""

    name: str
    unit: str
    value: float
    peer: str
    peer_value: float
    demand: str

    @property
    def ratio(self) -> float:
        return self.value / self.peer_value

    @property
    def holds(self) -> bool:
        if not self.demand:
            return True
        sign, _, limit = self.demand.partition(" ")
        return bool(COMPARE[sign](self.ratio, float(limit)))

    def line(self) -> str:
        figures = f"{self.name:<52}{self.value:>12,.1f} {self.unit:<12}{self.peer_value:>12,.1f}  {self.ratio:>8,.2f}  "
        return f"{figures}{self.demand:<10}{('yes' if self.holds else 'NO') if self.demand else '':<6}{self.peer}"
