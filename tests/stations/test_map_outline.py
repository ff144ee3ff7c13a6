"""The outline of Switzerland: known places, known lengths, paths that are whole."""

import hashlib
import math
import re
from itertools import pairwise
from pathlib import Path

import pytest

from portal.stations import map_outline, map_picture
from portal.stations.entries import CANTONS
from portal.stations.map_outline import Box
from portal.stations.map_picture import WHOLE, fitting

# Town halls and stations, WGS 84.
TOWNS = (
    ("BE", "Bern", 46.9480, 7.4474), ("ZH", "Zürich", 47.3769, 8.5417), ("TI", "Lugano", 46.0037, 8.9511),
    ("GE", "Genève", 46.2044, 6.1432), ("BS", "Basel", 47.5596, 7.5886), ("BL", "Liestal", 47.4840, 7.7350),
    ("JU", "Moutier, since 2026", 47.2786, 7.3722), ("GR", "Chur", 46.8508, 9.5320), ("VS", "Sion", 46.2333, 7.3600),
    ("AI", "Appenzell", 47.3309, 9.4096), ("AR", "Herisau", 47.3862, 9.2792), ("SG", "St. Gallen", 47.4245, 9.3767),
    ("OW", "Engelberg, apart from Sarnen", 46.8200, 8.4070), ("NW", "Stans", 46.9580, 8.3660),
    ("FR", "Estavayer, apart from Fribourg", 46.8486, 6.8466), ("VD", "Lausanne", 46.5200, 6.6300),
)  # fmt: skip
ABROAD = (
    ("Campione", 45.9706, 8.9711), ("Büsingen", 47.6967, 8.6903), ("Vaduz", 47.1410, 9.5209),
    ("Konstanz", 47.6603, 9.1758), ("Como", 45.8081, 9.0852), ("Trondheim", 63.43, 10.39), ("Cape Town", -33.95, 18.4),
)  # fmt: skip


@pytest.mark.parametrize(("canton", "name", "latitude", "longitude"), TOWNS)
def test_a_town_lies_in_its_canton(canton: str, name: str, latitude: float, longitude: float) -> None:
    assert map_outline.canton_at(latitude, longitude) == canton


@pytest.mark.parametrize(("name", "latitude", "longitude"), ABROAD)
def test_abroad_is_no_canton(name: str, latitude: float, longitude: float) -> None:
    assert map_outline.canton_at(latitude, longitude) is None


def test_the_cantons_are_those_that_a_station_may_be_in() -> None:
    assert tuple(map_outline.cantons()) == CANTONS


@pytest.mark.parametrize(
    ("a", "b", "km"),
    # On the ellipsoid of WGS 84, by Vincenty's inverse formula (1975).
    [((46.9480, 7.4474), (47.3769, 8.5417), 95.7), ((46.2044, 6.1432), (46.8508, 9.5320), 269.7),
     ((46.0037, 8.9511), (47.5596, 7.5886), 201.8)],
)  # fmt: skip
def test_lengths_on_the_map_are_right_to_two_percent(a: tuple[float, float], b: tuple[float, float], km: float) -> None:
    (ax, ay), (bx, by) = WHOLE.at(*a), WHOLE.at(*b)
    drawn = math.dist((ax, ay), (bx, by)) / map_picture.WIDTH * WHOLE.wide * map_picture.KM
    assert drawn == pytest.approx(km, rel=0.02)


def test_the_outline_lies_in_the_picture_of_the_whole_country() -> None:
    for canton in map_outline.cantons().values():
        box = canton.box
        for latitude, longitude in ((box.south, box.west), (box.north, box.east)):
            x, y = WHOLE.at(latitude, longitude)
            assert 0 < x < map_picture.WIDTH
            assert 0 < y < map_picture.HEIGHT


@pytest.mark.parametrize("off", [0, 10, map_outline.COARSE, 3 * map_outline.COARSE])
def test_every_path_is_closed_where_it_fills(off: int) -> None:
    drawing = map_outline.drawing(off)
    for path in (drawing.land, drawing.lakes):
        assert path.count("M") == path.count("z") > 0
    assert all(re.fullmatch(r"(M-?\d+ -?\d+l[-\d ]+z?)+", path.replace("-", " -")) for path in drawing)
    assert len("".join(drawing)) < 60_000


def test_a_simpler_line_is_no_farther_off_than_it_says() -> None:
    line = tuple((n * 10, round(40 * math.sin(n / 3))) for n in range(100))
    simpler = map_outline._simpler(line, 10)
    assert 2 < len(simpler) < len(line)
    for point in line:
        a, b = next((a, b) for a, b in pairwise(simpler) if a[0] <= point[0] <= b[0])
        assert map_outline._distance(point, a, b) <= 10


def test_without_the_file_there_are_no_lines_and_the_map_is_still_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cached = (map_outline._read, map_outline.cantons, map_outline.drawing)
    for function in cached:
        function.cache_clear()
    monkeypatch.setattr(map_outline, "FILE", tmp_path / "none.json")
    assert map_outline.drawing(0) == ("", "", "")
    assert not map_outline.cantons()
    assert not map_picture.labels(WHOLE)
    for function in cached:
        function.cache_clear()


def test_any_box_becomes_a_section_of_the_picture_s_shape() -> None:
    for box in (
        Box(7, 46, 8, 46.1),
        Box(-180, -90, 180, 90),
        Box(9, 47, 9, 47),
        Box(0, 0, 1, 1),
        Box(10.5, 47.8, 11, 48),
    ):
        made = fitting(Box(*box))
        assert (made.box.north - made.box.south) / made.wide == pytest.approx(
            map_picture.HEIGHT / map_picture.WIDTH * map_outline.SQUEEZE
        )
        assert map_picture.NARROWEST * 0.999 <= made.wide <= WHOLE.wide * 1.001
        assert made.box.west >= WHOLE.box.west - 1e-9
        assert made.box.north <= WHOLE.box.north + 1e-9


def test_an_address_gives_back_its_section() -> None:
    made = fitting(Box(8.1234, 46.5, 8.4, 46.6))
    assert map_picture.section(made.text).box == pytest.approx(made.box, abs=2e-6)


def test_nearer_ends_and_farther_comes_back_to_the_whole() -> None:
    shown, steps = WHOLE, 0
    while shown.nearer() != shown:
        shown, steps = shown.nearer(), steps + 1
    assert 4 < steps < 10
    for _step in range(steps + 1):
        shown = shown.farther()
    assert shown.text == WHOLE.text


def test_the_scale_is_a_round_length_and_as_long_as_it_says() -> None:
    for shown in (WHOLE, fitting(Box(8.4, 47.3, 8.7, 47.45)), fitting(Box(8.5, 47.3, 8.5, 47.3))):
        bar = map_picture.scale(shown)
        assert f"{bar.km:e}"[0] in "125"
        assert bar.length == pytest.approx(bar.km / (shown.wide * map_picture.KM) * map_picture.WIDTH, abs=0.1)
        assert 40 < bar.length <= map_picture.WIDTH / 5


def test_what_was_fetched_is_what_the_sums_say() -> None:
    vendor = map_outline.FILE.parents[1]
    sums = dict(line.split("  ")[::-1] for line in (vendor / "SHA256SUMS").read_text().splitlines())
    for name in ("ch-combined.json", "LICENSE"):
        kept = vendor / "swiss-maps" / name
        assert sums[f"swiss-maps/{name}"] == hashlib.sha256(kept.read_bytes()).hexdigest()
    assert map_outline.FILE.stat().st_size < 150_000
