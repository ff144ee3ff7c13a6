"""Runs the benchmarks, prints a table, and adds JSON lines to results.jsonl."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks import (
    cost_rules,
    export_month,
    export_quarters,
    large_world_checks,
    large_world_memory,
    large_world_pages,
    overview_of_quarters,
    permission_checks,
    report_rows,
    tasks_at_once,
    uploads,
    what_is_not_mine,
)
from benchmarks.result import Result

RESULTS = Path(__file__).with_name("results.jsonl")
BENCHMARKS: dict[str, Callable[[], Iterator[Result]]] = {
    "permission_checks": permission_checks.run,
    "export_month": export_month.run,
    "export_quarters": export_quarters.run,
    "large_world_checks": large_world_checks.run,
    "large_world_pages": large_world_pages.run,
    "large_world_memory": large_world_memory.run,
    "what_is_not_mine": what_is_not_mine.run,
    "overview_of_quarters": overview_of_quarters.run,
    "tasks_at_once": tasks_at_once.run,
    "uploads": uploads.run,
    "cost_rules": cost_rules.run,
    "report_rows": report_rows.run,
}


def main(only: list[str]) -> int:
    """0 when every demand holds; 2 for an unknown name."""
    unknown = [name for name in only if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    print(f"{'name':<52}{'value':>12} {'unit':<12}{'peer':>12}  {'ratio':>8}  {'demand':<10}{'holds':<6}peer's name")
    every = True
    with RESULTS.open("a") as lines:
        for name in only or BENCHMARKS:
            for result in BENCHMARKS[name]():
                print(result.line(), flush=True)
                lines.write(json.dumps(asdict(result) | {"ratio": result.ratio, "holds": result.holds}) + "\n")
                every = every and result.holds
    return 0 if every else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
