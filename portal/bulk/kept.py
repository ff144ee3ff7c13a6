"""Wishes that their account looks at before they are fulfilled, one set at a time: those of a choice or of a file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from portal.bulk.judging import Wish
from portal.core.looking import LookedAt

FILE = LookedAt("station_changes", "station-changes.json")


@dataclass(frozen=True, slots=True)
class Kept:
    """`same`: rows of the file, or stations and connectors that were chosen, which are so already."""

    of_file: bool
    same: int
    wishes: Sequence[Wish]


def keep(kept: Kept) -> None:
    """In the place of earlier ones; the caller commits."""
    rows = [[w.line, w.station_id, w.number, dict(w.texts), w.problem] for w in kept.wishes]
    FILE.keep(json.dumps([kept.of_file, kept.same, rows]).encode())


def kept() -> Kept | None:
    """Those of this account; none where it has not chosen any."""
    data = FILE.data()
    if not data:
        return None
    of_file, same, rows = json.loads(data)
    return Kept(of_file, same, [Wish(*row) for row in rows])
