import pytest
from sqlalchemy.orm import Session

from tests.stations import scene as scenes


@pytest.fixture
def scene(session: Session) -> scenes.Scene:
    return scenes.build(session)
