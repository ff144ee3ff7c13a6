"""What one export run puts on its documents: number, date, and what they replace."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Issue:
    """`run` is a number that no other run has, so that document numbers made from it are unique; `created` is UTC.

    With `replaces`, the number of the run delivered before, it is a correction of what that run held: of every meter,
    or of the identifiers in `replaced` only, and a meter that is not among them is new.
    """

    run: int
    created: datetime
    replaces: int | None = None
    replaced: Container[str] | None = None

    def corrects(self, identifier: str) -> bool:
        return self.replaces is not None and (self.replaced is None or identifier in self.replaced)
