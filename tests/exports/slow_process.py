"""A worker or the scheduler, as in production but with a short lease and slow steps, so that kills meet every phase.

`python -m tests.exports.slow_process worker|scheduler SEED`
"""

import random
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from portal.exports import claims, delivering, readiness, troubles
from portal.transports.ftps_session import FtpsSession
from portal.transports.sftp_session import SftpSession
from portal.workers import scheduler, worker

LONGEST_PAUSE = 0.12  # seconds before and after each step
LEASE_SECONDS = 2


def main(kind: str, seed: int) -> int:
    chance = random.Random(seed)
    claims.LEASE_SECONDS = LEASE_SECONDS
    troubles.FIRST_WAIT_SECONDS, troubles.LONGEST_WAIT_SECONDS = 1, 4
    scheduler.TICK_SECONDS = 0.2  # type: ignore[assignment]  # faster than anybody would set it
    scheduler.TOO_LONG = timedelta(seconds=1)
    for owner, name in (
        *((kind, step) for kind in (SftpSession, FtpsSession) for step in ("upload", "publish", "discard")),
        (delivering.Delivery, "_keep"),
        (delivering.Delivery, "_note"),
        (delivering.Delivery, "_put_aside"),
        (delivering.Delivery, "_published"),
        (delivering.Delivery, "_delivered"),
        (readiness, "uncovered"),
    ):
        setattr(owner, name, _slow(getattr(owner, name), chance))
    return worker.main("exports") if kind == "worker" else scheduler.main()


def _slow(step: Callable[..., Any], chance: random.Random) -> Callable[..., Any]:
    def slowly(*arguments: Any, **named: Any) -> Any:
        time.sleep(chance.uniform(0, LONGEST_PAUSE))
        done = step(*arguments, **named)
        time.sleep(chance.uniform(0, LONGEST_PAUSE))
        return done

    return slowly


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
