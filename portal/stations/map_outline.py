"""Switzerland as lines to draw: its land, the borders of its cantons, its lakes. Pure.

From swiss-maps (static/vendor/swiss-maps), which holds WGS 84. What is drawn counts in ten-thousandths of a degree of
longitude east of 5° E, and south of 48° N in the same length: an equirectangular projection, true to scale at 46.8° N
and wrong by less than 2 % anywhere in the country. Its meridians and parallels are straight, so that a section of the
map is a range of latitudes and one of longitudes, which a database finds by an index.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).parents[2] / "static" / "vendor" / "swiss-maps" / "ch-combined.json"
SQUEEZE = math.cos(math.radians(46.8))  # how long a degree of longitude is there, in degrees of latitude
UNITS = 10_000  # in a degree of longitude
WEST, NORTH = 5, 48
COARSE = 40  # units that a line may be off where the whole country is seen: about 300 m

# In the order of their numbers at the Federal Statistical Office, from 1 on.
CANTONS = (
    "ZH", "BE", "LU", "UR", "SZ", "OW", "NW", "GL", "ZG", "FR", "SO", "BS", "BL", "SH", "AR", "AI", "SG", "GR", "AG",
    "TG", "TI", "VD", "VS", "NE", "GE", "JU",
)  # fmt: skip

Point = tuple[int, int]
Line = tuple[Point, ...]


class Box(NamedTuple):
    """A section of the earth, in degrees."""

    west: float
    south: float
    east: float
    north: float


class Canton(NamedTuple):
    """`rings` of all its parts, holes included; `middle` of the largest part, in units."""

    box: Box
    middle: Point
    rings: Sequence[Line]


class Drawing(NamedTuple):
    """Paths of SVG, in units."""

    land: str
    borders: str
    lakes: str


class _Map(NamedTuple):
    lines: Sequence[Line]
    layers: Mapping[str, Mapping[Any, Sequence[Sequence[Sequence[int]]]]]  # layer, id, polygon, ring: numbers of lines


def x(longitude: float) -> float:
    """Units east of WEST."""
    return (longitude - WEST) * UNITS


def y(latitude: float) -> float:
    """Units south of NORTH."""
    return (NORTH - latitude) * UNITS / SQUEEZE


@lru_cache(maxsize=4)
def drawing(off: int = 0) -> Drawing:
    """Everything, each line off by so many units at most. Empty paths where the file was taken away."""
    found = _read()
    lines = [_simpler(line, off) for line in found.lines]
    seen: dict[int, int] = {}
    for rings in _rings(found, "cantons"):
        for number in rings:
            seen[_plain(number)] = seen.get(_plain(number), 0) + 1
    return Drawing(
        land=_path(_largest(found, lines)),
        borders=_path(lines[number] for number, cantons in seen.items() if cantons > 1),
        lakes=_path(_joined(ring, lines) for ring in _rings(found, "lakes")),
    )


@lru_cache(maxsize=1)
def cantons() -> Mapping[str, Canton]:
    """By their two letters, in alphabetical order; none where the file was taken away."""
    found = _read()
    lines = [_simpler(line, COARSE) for line in found.lines]
    made = {}
    for number, letters in enumerate(CANTONS, 1):
        rings = [_joined(ring, lines) for polygon in found.layers["cantons"].get(number, ()) for ring in polygon]
        if rings:
            made[letters] = _canton(rings)
    return dict(sorted(made.items()))


def canton_at(latitude: float, longitude: float) -> str | None:
    """The canton of a place by its letters; none outside Switzerland. Within 300 m of a border it may be the other."""
    at = x(longitude), y(latitude)
    for letters, canton in cantons().items():
        box = canton.box
        near = box.west <= longitude <= box.east and box.south <= latitude <= box.north
        if near and sum(_crossings(ring, at) for ring in canton.rings) % 2:
            return letters
    return None


@lru_cache(maxsize=1)
def _read() -> _Map:
    if not FILE.exists():
        return _Map((), {"country": {}, "cantons": {}, "lakes": {}})
    topology = json.loads(FILE.read_bytes())
    (scale_x, scale_y), (west, south) = topology["transform"]["scale"], topology["transform"]["translate"]
    lines = []
    for arc in topology["arcs"]:
        right = up = 0
        points = []
        for dx, dy in arc:
            right, up = right + dx, up + dy
            points.append((round(x(west + right * scale_x)), round(y(south + up * scale_y))))
        lines.append(tuple(points))
    layers = {
        name: {number: shape["arcs"] for number, shape in enumerate(layer["geometries"])}
        if name != "cantons"
        else {shape["id"]: shape["arcs"] for shape in layer["geometries"]}
        for name, layer in topology["objects"].items()
    }
    return _Map(lines, layers)


def _rings(found: _Map, layer: str) -> Iterator[Sequence[int]]:
    for polygons in found.layers[layer].values():
        for polygon in polygons:
            yield from polygon


def _largest(found: _Map, lines: Sequence[Line]) -> list[Line]:
    """Switzerland with its two holes. The layer holds what lies in these besides, and Liechtenstein."""
    polygons = [polygon for polygons in found.layers["country"].values() for polygon in polygons]
    joined = [[_joined(ring, lines) for ring in polygon] for polygon in polygons]
    sizes = [_size(rings[0]) for rings in joined]
    return joined[sizes.index(max(sizes))] if sizes else []


def _size(ring: Line) -> float:
    return abs(_area(ring))


def _plain(number: int) -> int:
    """The line's number; TopoJSON names one that is walked backwards by the complement."""
    return number if number >= 0 else ~number


def _joined(ring: Sequence[int], lines: Sequence[Line]) -> Line:
    points: list[Point] = []
    for number in ring:
        line = lines[number] if number >= 0 else lines[~number][::-1]
        points += line[1:] if points else line
    return tuple(points)


def _path(lines: Iterable[Line]) -> str:
    parts = []
    for line in lines:
        steps = " ".join(f"{b[0] - a[0]} {b[1] - a[1]}" for a, b in pairwise(line) if a != b)
        if steps:
            parts.append(f"M{line[0][0]} {line[0][1]}l{steps}" + ("z" if line[0] == line[-1] else ""))
    return "".join(parts).replace(" -", "-")


def _simpler(line: Line, off: int) -> Line:
    """As few of the points as keep the line this near (Douglas and Peucker 1973). The ends stay; of a ring, two."""
    if not off or len(line) < 3:
        return line
    kept, waiting = {0, len(line) - 1}, [(0, len(line) - 1)]
    while waiting:
        first, last = waiting.pop()
        away = [(_distance(line[n], line[first], line[last]), n) for n in range(first + 1, last)]
        most, far = max(away, default=(0.0, 0))
        if most > off:
            kept.add(far)
            waiting += [(first, far), (far, last)]
    return tuple(line[n] for n in sorted(kept))


def _distance(point: Point, a: Point, b: Point) -> float:
    """From the straight line between two points; where they are one, from that."""
    long = math.dist(a, b)
    if not long:
        return math.dist(point, a)
    return abs((b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])) / long


def _canton(rings: Sequence[Line]) -> Canton:
    across = [point[0] for ring in rings for point in ring]
    down = [point[1] for ring in rings for point in ring]
    box = Box(
        WEST + min(across) / UNITS,
        NORTH - max(down) * SQUEEZE / UNITS,
        WEST + max(across) / UNITS,
        NORTH - min(down) * SQUEEZE / UNITS,
    )
    return Canton(box, _middle(max(rings, key=_size)), rings)


def _area(ring: Line) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) / 2


def _middle(ring: Line) -> Point:
    weights = [a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)]
    whole = sum(weights) * 3
    across = sum((a[0] + b[0]) * weight for (a, b), weight in zip(pairwise(ring), weights, strict=True))
    down = sum((a[1] + b[1]) * weight for (a, b), weight in zip(pairwise(ring), weights, strict=True))
    return round(across / whole), round(down / whole)


def _crossings(ring: Line, at: tuple[float, float]) -> int:
    """How often a ray to the east meets the ring."""
    met = 0
    for (ax, ay), (bx, by) in pairwise(ring):
        if (ay > at[1]) != (by > at[1]) and at[0] < (bx - ax) * (at[1] - ay) / (by - ay) + ax:
            met += 1
    return met
