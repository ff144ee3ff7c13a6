"""GET /healthz names what does not answer."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from portal.app import create_app
from portal.core import background
from portal.core.config import Settings


@pytest.fixture
def ringing() -> Iterator[Callable[[str], None]]:
    """Names the queue server of this process."""
    yield background.connect
    background.connect("")


def test_all_is_well(client: FlaskClient, ringing: Callable[[str], None], valkey_url: str) -> None:
    ringing(valkey_url)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "broken": []})


def test_a_queue_that_is_away_is_named(client: FlaskClient, ringing: Callable[[str], None]) -> None:
    ringing("unix:///nonexistent/valkey.sock")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"status": "broken", "broken": ["queue"]})


def test_a_database_without_our_tables_is_named(
    settings: Settings, ringing: Callable[[str], None], valkey_url: str, tmp_path: Path
) -> None:
    app = create_app(replace(settings, database_url=f"sqlite:///{tmp_path / 'without.db'}"))
    ringing(valkey_url)
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"status": "broken", "broken": ["database"]})
