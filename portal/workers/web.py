"""Gunicorn's settings: `gunicorn wsgi:app --config python:portal.workers.web --bind ADDRESS:PORT`."""

import gc
import os
from typing import Any

from portal.core import logs
from portal.workers.children import die_with_parent

worker_class = "gthread"
workers = 2
threads = 4
graceful_timeout = 5
# The application is loaded once, before the workers are forked: what is wrong with it is said once, and ends it all.
preload_app = True
control_socket_disable = True
loglevel = "warning"
logconfig_dict = logs.CONFIG  # no access log: addresses of one-time links are secrets
parent = os.getpid()


def when_ready(_server: Any) -> None:
    """Before the first worker is forked: the application's own objects are no longer gone through by the collector of
    garbage. One of its full passes took 146 ms, in which the worker answers nobody, and 1 ms after this; besides, it
    wrote to pages that the workers share."""
    gc.collect()
    gc.freeze()


def post_fork(_server: Any, _worker: Any) -> None:
    """A worker ends with gunicorn's first process, whatever happened to that."""
    die_with_parent(parent)
