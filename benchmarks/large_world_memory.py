"""Memory of a process that loads the application and answers pages: it must not grow with the number of grants.

`python -m benchmarks.large_world_memory URL` is such a process; it prints what it holds of the machine's memory.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import worlds
from benchmarks.browsers import PAGES, application, browser, get
from benchmarks.large_world import TYPICAL
from benchmarks.result import Result
from benchmarks.worlds import FULL, SMALL

ROUNDS = 5


def run() -> Iterator[Result]:
    for engine in worlds.ENGINES:
        full, small = (_of_a_process(worlds.url(engine, scale)) for scale in (FULL, SMALL))
        peer = "the same with 100 times fewer grants"
        yield Result(f"memory of a process, {engine}", "MB", full, peer, small, "<= 1.1")


def _of_a_process(url: str) -> float:
    command = [sys.executable, "-m", "benchmarks.large_world_memory", url]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def _resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _answer_pages(url: str) -> None:
    opened = browser(application(url), TYPICAL)
    for _ in range(ROUNDS):
        for path in PAGES.values():
            get(opened, path)


if __name__ == "__main__":
    _answer_pages(sys.argv[1])
    print(_resident_mb())
