"""First pages in the large world, against the same pages in a world 100 times smaller, request by request in turns.

The typical account sees the same rows in both; what the large account and the operator take is only reported.
"""

from collections.abc import Callable, Iterator, Mapping

from flask import Flask
from flask.testing import FlaskClient

from benchmarks import worlds
from benchmarks.browsers import PAGES, application, browser, get
from benchmarks.clocked import in_turns
from benchmarks.large_world import LARGE, OPERATOR, TYPICAL
from benchmarks.result import Result
from benchmarks.worlds import FULL, SMALL

READERS = {"typical": (TYPICAL, 100, "<= 1.3"), "large": (LARGE, 15, ""), "operator": (OPERATOR, 50, "")}
PEER = "the same page in a world 100 times smaller"


def run() -> Iterator[Result]:
    for engine in worlds.ENGINES:
        yield worlds.making(engine)
        yield from compared({scale: application(worlds.url(engine, scale)) for scale in (FULL, SMALL)}, PAGES, engine)


def compared(apps: Mapping[int, Flask], pages: Mapping[str, str], told: str) -> Iterator[Result]:
    """How long each reader waits for these pages in the applications of both worlds; `told` ends the names."""
    for reader, (account, rounds, demand) in READERS.items():
        browsers = {scale: browser(app, account) for scale, app in apps.items()}
        for name, path in pages.items():
            calls = {scale: _call(opened, path) for scale, opened in browsers.items()}
            times = in_turns(calls, rounds)
            title = f"{name}, {reader}, {told}"
            yield Result(f"{title}, p50", "ms", times[FULL].p50, PEER, times[SMALL].p50, demand)
            yield Result(f"{title}, p99", "ms", times[FULL].p99, PEER, times[SMALL].p99, "")


def _call(opened: FlaskClient, path: str) -> Callable[[int], object]:
    return lambda _number: get(opened, path)
