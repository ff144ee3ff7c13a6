"""What a map shows of a section of Switzerland: where in the picture a place is, and the sections around it. Pure."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from portal.stations import map_outline
from portal.stations.map_outline import SQUEEZE, Box

WIDTH, HEIGHT = 1000, 640  # of the picture
COLUMNS, ROWS = 15, 10  # cells of a section; what lies in one is shown as one
NARROWEST = 0.001  # degrees of longitude in a section, about 76 m: charge points side by side stand apart
ZOOM = 3  # how much nearer a step goes
KM = 111.32 * SQUEEZE  # in a degree of longitude
_HIGH = HEIGHT / WIDTH * SQUEEZE  # a section's degrees of latitude for one of longitude
_MARGIN = 1.06


class Section(NamedTuple):
    """A box of the picture's shape, inside WHOLE."""

    box: Box

    @property
    def wide(self) -> float:
        return self.box.east - self.box.west

    @property
    def cell(self) -> float:
        """Degrees of longitude in a cell, which is a square on the map."""
        return self.wide / COLUMNS

    @property
    def text(self) -> str:
        """As it stands in an address."""
        return ",".join(f"{degrees:.6f}" for degrees in self.box)

    @property
    def units(self) -> str:
        """As the view of an SVG that draws the outline."""
        box = self.box
        across, down = map_outline.x(box.west), map_outline.y(box.north)
        return f"{across:.1f} {down:.1f} {map_outline.x(box.east) - across:.1f} {map_outline.y(box.south) - down:.1f}"

    @property
    def off(self) -> int:
        """How far, in units, a line may be off so that nobody sees it."""
        return map_outline.COARSE if self.wide > 2 else 10 if self.wide > 0.7 else 0

    def at(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Where in the picture a place is, from its upper left corner."""
        across = (longitude - self.box.west) / self.wide * WIDTH
        down = (self.box.north - latitude) / (self.box.north - self.box.south) * HEIGHT
        return round(across, 1), round(down, 1)

    def holds(self, latitude: float, longitude: float) -> bool:
        box = self.box
        return box.west <= longitude < box.east and box.south < latitude <= box.north

    def around(self, latitude: float, longitude: float) -> "Section":
        """A step nearer, with this place in the middle; itself where there is no nearer one."""
        if self.wide <= NARROWEST * 1.01:
            return self
        half = self.wide / ZOOM / 2
        return fitting(Box(longitude - half, latitude, longitude + half, latitude))

    def farther(self) -> "Section":
        box, more = self.box, self.wide * (ZOOM - 1) / 2
        return fitting(Box(box.west - more, box.south, box.east + more, box.north))

    def nearer(self) -> "Section":
        box = self.box
        return self.around((box.south + box.north) / 2, (box.west + box.east) / 2)

    def beside(self, columns: int, rows: int) -> "Section":
        """Half a section to the east, and to the north; to the west and to the south for -1."""
        box = self.box
        across, up = columns * self.wide / 2, rows * (box.north - box.south) / 2
        return fitting(Box(box.west + across, box.south + up, box.east + across, box.north + up))


class Scale(NamedTuple):
    """A bar as long as `km` in the picture."""

    km: float
    length: float


class Label(NamedTuple):
    letters: str
    x: float
    y: float


def _shaped(box: Box, wide: float) -> Box:
    """A box of the picture's shape, so many degrees wide, with the middle of this one."""
    west, south = (box.west + box.east - wide) / 2, (box.south + box.north - wide * _HIGH) / 2
    return Box(west, south, west + wide, south + wide * _HIGH)


WHOLE = Section(_shaped(Box(5.86, 45.81, 10.59, 47.82), 4.74))


def fitting(box: Box) -> Section:
    """The narrowest section that shows the box, with the same middle where WHOLE allows it."""
    wide = max(box.east - box.west, (box.north - box.south) / _HIGH, NARROWEST)
    made, whole = _shaped(box, min(wide, WHOLE.wide)), WHOLE.box
    east = max(whole.west - made.west, 0) - max(made.east - whole.east, 0)
    north = max(whole.south - made.south, 0) - max(made.north - whole.north, 0)
    return Section(Box(made.west + east, made.south + north, made.east + east, made.north + north))


def of_canton(letters: str) -> Section | None:
    canton = map_outline.cantons().get(letters)
    if canton is None:
        return None
    box = canton.box
    more = (_MARGIN - 1) / 2 * max(box.east - box.west, (box.north - box.south) / _HIGH)
    return fitting(Box(box.west - more, box.south - more * _HIGH, box.east + more, box.north + more * _HIGH))


def section(text: str) -> Section:
    """What an address asks for, as `Section.text` writes it; all of Switzerland for anything else."""
    try:
        west, south, east, north = (float(part) for part in text[:100].split(","))
    except ValueError:
        return WHOLE
    sound = all(math.isfinite(degrees) and abs(degrees) <= 180 for degrees in (west, south, east, north))
    return fitting(Box(west, south, east, north)) if sound and west <= east and south <= north else WHOLE


def scale(shown: Section) -> Scale:
    """The longest bar of 1, 2 or 5 times a power of ten that is no longer than a fifth of the picture."""
    most = shown.wide * KM / 5
    power = 10.0 ** math.floor(math.log10(most))
    km = max(step * power for step in (1, 2, 5) if step * power <= most)
    return Scale(km, round(km / (shown.wide * KM) * WIDTH, 1))


def labels(shown: Section) -> Sequence[Label]:
    """The cantons whose middle is in the section."""
    found = []
    for letters, canton in map_outline.cantons().items():
        longitude = map_outline.WEST + canton.middle[0] / map_outline.UNITS
        latitude = map_outline.NORTH - canton.middle[1] * SQUEEZE / map_outline.UNITS
        if shown.holds(latitude, longitude):
            found.append(Label(letters, *shown.at(latitude, longitude)))
    return found
