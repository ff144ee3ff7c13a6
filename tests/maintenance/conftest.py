"""An owner with every licence, a station in a group, a technician who may manage, a guest who may look."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.licences.models import Kind
from tests import world


@pytest.fixture
def place(session: Session) -> SimpleNamespace:
    """owner, technician, guest, stranger (accounts), group (shared with the middle two), station in it, users (the
    owner's user group Piquet with piquet@x.example)."""
    licences = {"owner": list(Kind), "technician": list(Kind), "guest": [Kind.AUTHORISATION], "stranger": list(Kind)}
    people = {name: world.account(session, f"{name}@x.example", *kinds) for name, kinds in licences.items()}
    group = world.station_group(session, people["owner"], "Centro")
    station = world.station(session, people["owner"], "Garage", group)
    world.grant(session, group, "manage", "technician@x.example")
    world.grant(session, group, "display", "guest@x.example")
    users = world.user_group(session, people["owner"], "Piquet", "piquet@x.example")
    return SimpleNamespace(**people, group=group, station=station, users=users)


@pytest.fixture
def owner(place: SimpleNamespace, logged_in: Callable[[Account], FlaskClient]) -> FlaskClient:
    return logged_in(place.owner)
