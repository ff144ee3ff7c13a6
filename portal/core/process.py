"""What a process without Flask works with: its settings and its database sessions, made once."""

import os
from functools import lru_cache

from sqlalchemy.orm import Session, sessionmaker

from portal.core import background
from portal.core.config import Settings, from_environment
from portal.core.db import session_factory


@lru_cache(maxsize=1)
def context() -> tuple[Settings, sessionmaker[Session]]:
    """Settings from the environment and a session factory; SettingsError when a setting is wrong."""
    settings = from_environment(os.environ)
    background.connect(settings.redis_url)
    return settings, session_factory(settings.database_url)
