"""Asking, as somebody whom nothing is shared with, for what exists and is not his, against what does not exist.

Who takes the time of an answer must learn nothing from it: the medians lie within 5 % of each other.
"""

import random
from collections.abc import Callable, Iterator

from flask.testing import FlaskClient

from benchmarks import worlds
from benchmarks.browsers import application, browser, get
from benchmarks.clocked import in_turns
from benchmarks.large_world import STRANGER, Sizes
from benchmarks.result import Result

REQUESTS = 2_000
PEER = "asking for what does not exist"
SIZES = Sizes()
KINDS = {
    "station": ("/stations/{}", SIZES.stations),
    "station group": ("/station-groups/{}", SIZES.station_groups),
    "grant": ("/grants/{}/change", SIZES.grants),
    "user group": ("/user-groups/{}", SIZES.user_groups),
}


def run() -> Iterator[Result]:
    for engine in worlds.ENGINES:
        opened = browser(application(worlds.url(engine, worlds.FULL)), STRANGER)
        for kind, (path, last) in KINDS.items():
            dice = random.Random(3)
            there = [dice.randint(1, last) for _ in range(REQUESTS)]
            nowhere = [last + dice.randint(1, last) for _ in range(REQUESTS)]
            times = in_turns({"there": _call(opened, path, there), "nowhere": _call(opened, path, nowhere)}, REQUESTS)
            title = f"{kind} that is not mine, {engine}"
            yield Result(f"{title}, most", "ms", times["there"].p50, PEER, times["nowhere"].p50, "<= 1.05")
            yield Result(f"{title}, least", "ms", times["there"].p50, PEER, times["nowhere"].p50, ">= 0.95")


def _call(opened: FlaskClient, path: str, ids: list[int]) -> Callable[[int], object]:
    return lambda number: get(opened, path.format(ids[number]), 404)
