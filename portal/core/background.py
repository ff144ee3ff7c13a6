"""The doorbell: after a commit, RQ is told to look. The row in the SQL database is the job.

A lost ring costs one tick of the scheduler, which asks the database again and rings; with Redis gone it does the work
itself. So an unreachable Redis is logged and otherwise ignored.
"""

import logging
from functools import lru_cache

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

log = logging.getLogger(__name__)

# Queue name -> the function that looks for due rows of that kind and works them off. One queue per worker: RQ loses
# jobs of a worker killed while it listens to two.
QUEUES = {
    "exports": "portal.exports.jobs.drain",
    "imports": "portal.charging.jobs.drain",
    "reports": "portal.reports.jobs.drain",
    "mail": "portal.core.mail.drain",
}
LONGEST_QUEUE = 4  # a ring more would only look at the same rows again
JOB_TIMEOUT_SECONDS = 3600

_redis_url = ""


def connect(redis_url: str) -> None:
    """Name the Redis or Valkey server of this process, before anything rings."""
    global _redis_url  # noqa: PLW0603  one server per process, named once at its start
    _redis_url = redis_url


@lru_cache(maxsize=4)
def client(redis_url: str) -> Redis:
    """The connection to `redis_url`, with short time-outs: nobody waits for the doorbell."""
    return Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=1)


def worker_connection(redis_url: str) -> Redis:
    """A connection without time-outs of ours: a worker waits in it for work."""
    return Redis.from_url(redis_url)


def ring(queue_name: str) -> bool:
    """Ask a worker of the queue to look now; False when Redis could not be reached. Harmless when done twice."""
    if not _redis_url:
        return False
    try:
        queue = Queue(queue_name, connection=client(_redis_url))
        if queue.count < LONGEST_QUEUE:
            queue.enqueue(QUEUES[queue_name], result_ttl=0, failure_ttl=3600, ttl=60, job_timeout=JOB_TIMEOUT_SECONDS)
    except RedisError as error:
        log.warning("the queue %s could not be rung: %s", queue_name, error)
        return False
    return True


def ring_after_commit(session: Session, queue_name: str) -> None:
    """Ring once this session's transaction is committed; not at all if it is rolled back."""
    session.info.setdefault("rings", set()).add(queue_name)


@event.listens_for(Session, "after_commit")
def _ring_all(session: Session) -> None:
    if session.in_nested_transaction():  # a savepoint: nobody else can see it yet
        return
    for queue_name in session.info.pop("rings", ()):
        ring(queue_name)


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, ended: SessionTransaction) -> None:
    if not ended.nested:
        session.info.pop("rings", None)


def reachable() -> bool:
    """Whether Redis answers."""
    try:
        return bool(_redis_url and client(_redis_url).ping())
    except RedisError:
        return False
