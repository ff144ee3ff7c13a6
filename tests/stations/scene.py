"""A master account with one shared group, and accounts that hold every kind of standing to it."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.licences.models import Kind
from portal.stations.models import Connector, Station, StationGroup
from tests import world


@dataclass(frozen=True)
class Scene:
    """`station` is in `group`, `lonely` in no group. The unlicensed account holds a grant without a licence."""

    owner: Account
    administrate: Account
    manage: Account
    display: Account
    unlicensed: Account
    stranger: Account
    group: StationGroup
    station: Station
    lonely: Station

    @property
    def connector(self) -> Connector:
        return self.station.connectors[0]


def build(session: Session) -> Scene:
    licensed = {
        name: world.account(session, f"{name}@demo.example", Kind.AUTHORISATION)
        for name in ("owner", "administrate", "manage", "display", "stranger")
    }
    unlicensed = world.account(session, "unlicensed@demo.example")
    group = world.station_group(session, licensed["owner"], "Lugano Centro")
    station = world.station(session, licensed["owner"], "Via Nassa", group, connectors=2)
    lonely = world.station(session, licensed["owner"], "Depot")
    for role in ("administrate", "manage", "display"):
        world.grant(session, group, role, licensed[role].email)
    world.grant(session, group, "manage", unlicensed.email)
    return Scene(**licensed, unlicensed=unlicensed, group=group, station=station, lonely=lonely)
