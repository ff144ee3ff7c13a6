"""Times of calls that take turns, so that what else the machine does falls on all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

Name = TypeVar("Name")


class Times(NamedTuple):
    """In milliseconds."""

    p50: float
    p99: float


def in_turns(calls: Mapping[Name, Callable[[int], object]], rounds: int, unmeasured: int = 2) -> dict[Name, Times]:
    """Each call `rounds` times with the number of the round, one after the other, every second round backwards."""
    took: dict[Name, list[float]] = {name: [] for name in calls}
    for number in range(-unmeasured, rounds):
        order = list(calls) if number % 2 else list(calls)[::-1]
        for name in order:
            started = time.perf_counter()
            calls[name](max(0, number))
            if number >= 0:
                took[name].append((time.perf_counter() - started) * 1000)
    return {name: Times(statistics.median(some), quantile(some, 0.99)) for name, some in took.items()}


def quantile(times: list[float], part: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
