"""Take out of swiss-maps' TopoJSON what a map of Switzerland needs: country, cantons and lakes.

The file of a year holds districts and 2,100 municipalities besides, and cuts every border where two of these meet. Here
each border is one line from junction to junction; none of its points is moved or left out. The same input gives the
same bytes.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

KEPT = ("country", "cantons", "lakes")

Point = tuple[int, int]
Line = tuple[Point, ...]
Rings = list[list[Line]]  # of each polygon the outer ring, then its holes; a ring ends where it begins


def reduced(content: bytes) -> bytes:
    """The same map, as TopoJSON, with these layers alone."""
    topology = json.loads(content)
    arcs = [_decoded(arc) for arc in topology["arcs"]]
    layers = {name: [_polygons(shape, arcs) for shape in topology["objects"][name]["geometries"]] for name in KEPT}
    junctions = _junctions([ring for shapes in layers.values() for rings in shapes for some in rings for ring in some])
    kept: dict[Line, int] = {}
    objects = {}
    for name, shapes in layers.items():
        ids = [shape.get("id") for shape in topology["objects"][name]["geometries"]]
        geometries = [
            {
                "type": "MultiPolygon",
                "id": id_,
                "arcs": [[[_number(line, kept) for line in _cut(ring, junctions)] for ring in some] for some in rings],
            }
            for id_, rings in zip(ids, shapes, strict=True)
        ]
        objects[name] = {"type": "GeometryCollection", "geometries": geometries}
    made = {
        "type": "Topology",
        "transform": topology["transform"],
        "objects": objects,
        "arcs": [_encoded(line) for line in kept],
    }
    return json.dumps(made, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _decoded(arc: list[list[int]]) -> Line:
    x = y = 0
    points = []
    for dx, dy in arc:
        x, y = x + dx, y + dy
        points.append((x, y))
    return tuple(points)


def _encoded(line: Line) -> list[list[int]]:
    return [[*line[0]], *([b[0] - a[0], b[1] - a[1]] for a, b in pairwise(line))]


def _polygons(shape: dict[str, Any], arcs: list[Line]) -> Rings:
    several = {"Polygon": [shape.get("arcs")], "MultiPolygon": shape.get("arcs")}[shape["type"]]
    return [[_ring(numbers, arcs) for numbers in rings] for rings in several or []]


def _ring(numbers: list[int], arcs: list[Line]) -> Line:
    points: list[Point] = []
    for number in numbers:
        line = arcs[number] if number >= 0 else arcs[~number][::-1]
        points += line if not points else line[1:]
    return tuple(points)


def _junctions(rings: list[Line]) -> set[Point]:
    """The points at which more than one way goes on."""
    beside: dict[Point, set[Point]] = {}
    for ring in rings:
        for a, b in pairwise(ring):
            beside.setdefault(a, set()).add(b)
            beside.setdefault(b, set()).add(a)
    return {point for point, others in beside.items() if len(others) != 2}


def _cut(ring: Line, junctions: set[Point]) -> list[Line]:
    """The ring in lines from junction to junction; one without any begins at its least point, whoever names it."""
    first = next((n for n, point in enumerate(ring[:-1]) if point in junctions), None)
    if first is None:
        first = ring.index(min(ring))
    turned = (*ring[first:-1], *ring[: first + 1])
    ends = [n for n, point in enumerate(turned) if n and (point in junctions or n == len(turned) - 1)]
    return [turned[a : b + 1] for a, b in pairwise([0, *ends])]


def _number(line: Line, kept: dict[Line, int]) -> int:
    """The arc's number in the file, as TopoJSON counts: of one that is walked backwards, the complement."""
    if line[::-1] in kept:
        return ~kept[line[::-1]]
    return kept.setdefault(line, len(kept))
