"""An RQ worker of one queue: `python -m portal.workers.worker exports`.

One queue per process: an RQ worker that listens to two loses jobs when it is killed. Run as many as you like.
"""

import logging
import sys

from rq import Worker

from portal import models  # noqa: F401  every table, before a job is forked off
from portal.core import background, process
from portal.core.errors import SettingsError

# RQ's own defaults leave a job of a killed worker lying for 811 s; with these it is 76 s. The scheduler's sweep of the
# database is faster still, so none of them matters for correctness.
WORKER_TTL_SECONDS = 30
MONITORING_SECONDS = 5
MAINTENANCE_SECONDS = 60


def main(queue_name: str) -> int:
    """Work until SIGTERM or SIGINT, then finish the present job and leave."""
    if queue_name not in background.QUEUES:
        sys.exit(f"piquet: there is no queue {queue_name!r}, only {', '.join(background.QUEUES)}")
    try:
        settings, _ = process.context()
    except SettingsError as error:
        sys.exit(f"piquet: {error}")
    logging.getLogger("rq").setLevel(logging.WARNING)
    worker = Worker(
        [queue_name],
        connection=background.worker_connection(settings.redis_url),
        worker_ttl=WORKER_TTL_SECONDS,
        job_monitoring_interval=MONITORING_SECONDS,
        maintenance_interval=MAINTENANCE_SECONDS,
        log_job_description=False,
    )
    worker.work(logging_level="WARNING")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
