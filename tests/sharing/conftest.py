"""A master with a station group of two stations, and a sub-account; both licensed."""

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
    """master, sub, stranger (accounts with the licence), group (of the master), users (his user group, with sub)."""
    accounts = {
        name: world.account(session, f"{name}@x.example", Kind.AUTHORISATION) for name in ("master", "sub", "stranger")
    }
    group = world.station_group(session, accounts["master"], "Lugano Centro")
    stations = [world.station(session, accounts["master"], f"Station {n}", group) for n in (1, 2)]
    users = world.user_group(session, accounts["master"], "Piquet", "sub@x.example")
    return SimpleNamespace(**accounts, group=group, users=users, stations=stations)


@pytest.fixture
def master(place: SimpleNamespace, logged_in: Callable[[Account], FlaskClient]) -> FlaskClient:
    return logged_in(place.master)


@pytest.fixture
def sub(place: SimpleNamespace, logged_in: Callable[[Account], FlaskClient]) -> FlaskClient:
    return logged_in(place.sub)
