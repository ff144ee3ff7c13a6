"""An RQ worker of one queue: `python -m portal.workers.worker exports`.

One queue per process: an RQ worker that listens to two loses jobs when it is killed. Run as many as you like.
"""

import logging
import os
import sys
from pkgutil import resolve_name
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.job import Job

from portal import models  # noqa: F401  every table, before a job is forked off
from portal.core import background, logs, process, schema
from portal.core.errors import SettingsError
from portal.workers.children import die_with_parent

log = logging.getLogger("portal.workers.worker")

# RQ's own defaults leave a job of a killed worker lying for 811 s; with these it is 76 s. The scheduler's sweep of the
# database is faster still, so none of them matters for correctness.
WORKER_TTL_SECONDS = 30
MONITORING_SECONDS = 5
MAINTENANCE_SECONDS = 60


class QueueWorker(Worker):
    """Forks a process per job that ends with the worker: RQ's own would work on alone, beside its successor."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._process = os.getpid()

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        die_with_parent(self._process)
        super().main_work_horse(job, queue)


def main(queue_name: str) -> int:
    """Work until SIGTERM or SIGINT, then finish the present job and leave."""
    if queue_name not in background.QUEUES:
        sys.exit(f"piquet: there is no queue {queue_name!r}, only {', '.join(background.QUEUES)}")
    logs.set_up()
    try:
        settings, sessions = process.context()
        schema.check(sessions.kw["bind"])
    except SettingsError as error:
        sys.exit(f"piquet: {error}")
    sessions.kw["bind"].dispose()  # a job inherits no connection
    resolve_name(background.QUEUES[queue_name])  # what jobs import is imported once, before they are forked off
    try:
        worker = QueueWorker(
            [queue_name],
            connection=background.worker_connection(settings.redis_url),
            worker_ttl=WORKER_TTL_SECONDS,
            job_monitoring_interval=MONITORING_SECONDS,
            maintenance_interval=MAINTENANCE_SECONDS,
            log_job_description=False,
        )
        worker.work(logging_level="WARNING")
    except RedisError as error:
        log.warning("the worker of %s ends without its queue: %s", queue_name, error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
