"""Special users, price rules, cards, what sessions cost.

Prices are in hundredths of a Rappen with VAT, costs in Rappen; spans begin at an instant and end before one.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import UserGroup
from portal.core import clock
from portal.core.db import Base

_TO_ONE = "(user_group_id IS NULL) <> (email IS NULL)"
_SPAN = "ends_at > starts_at"


def _of_owner(table: str) -> sa.ForeignKeyConstraint:
    """A place of the same owner, which goes to another one together with what is entered at it."""
    pair = [f"{table}.id", f"{table}.owner_id"]
    return sa.ForeignKeyConstraint([f"{table}_id", "owner_id"], pair, ondelete="CASCADE", onupdate="CASCADE")


class Dated:
    """What holds from an instant until before one; none: from ever, for ever."""

    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]

    @property
    def is_over(self) -> bool:
        return self.ends_at is not None and self.ends_at <= clock.now()

    @property
    def is_planned(self) -> bool:
        return self.starts_at is not None and self.starts_at > clock.now()


class SpecialUser(Dated, Base):
    """A driver, or the drivers of a user group, admitted at a Limited place, with an own price or none.

    The place is a station group, a station, or a station's connector. A user group counts as long as it belongs to
    the owner of the place.
    """

    __tablename__ = "special_user"
    __table_args__ = (
        _of_owner("station_group"),
        _of_owner("station"),
        sa.CheckConstraint(_TO_ONE, "a_user_group_or_an_email"),
        sa.CheckConstraint("(station_group_id IS NULL) <> (station_id IS NULL)", "at_one_place"),
        sa.CheckConstraint("connector_id IS NULL OR station_id IS NOT NULL", "connector_of_a_station"),
        sa.CheckConstraint("email = lower(email)", "email_is_lower_case"),
        sa.CheckConstraint(_SPAN, "ends_after_it_starts"),
        sa.CheckConstraint(
            "(price_per_kwh IS NULL) = (price_per_hour IS NULL)"
            " AND (price_per_kwh IS NULL) = (price_per_session IS NULL)",
            "a_whole_price_or_none",
        ),
        sa.CheckConstraint(
            "price_per_kwh >= 0 AND price_per_hour >= 0 AND price_per_session >= 0", "prices_are_not_negative"
        ),
        sa.Index("ix_special_user_station_group_id", "station_group_id"),
        sa.Index("ix_special_user_station_id", "station_id"),
        sa.Index("ix_special_user_email", "email"),
        sa.Index("ix_special_user_owner_id", "owner_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    station_group_id: Mapped[int | None]
    station_id: Mapped[int | None]
    connector_id: Mapped[int | None] = mapped_column(sa.ForeignKey("connector.id", ondelete="CASCADE"), index=True)
    email: Mapped[str | None] = mapped_column(sa.String(254))
    user_group_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_group.id", ondelete="CASCADE"), index=True)
    price_per_kwh: Mapped[int | None]
    price_per_hour: Mapped[int | None]
    price_per_session: Mapped[int | None]
    added_at: Mapped[datetime] = mapped_column(default=clock.now)
    added_by_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    user_group: Mapped[UserGroup | None] = relationship(viewonly=True)


class SpecialUserRequest(Base):
    """A sub-account asks to be entered as special user of a station group that it holds; the owner has the say."""

    __tablename__ = "special_user_request"
    __table_args__ = (_of_owner("station_group"), sa.UniqueConstraint("station_group_id", "account_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"), index=True)
    station_group_id: Mapped[int]
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"), index=True)
    asked_at: Mapped[datetime] = mapped_column(default=clock.now)
    declined_at: Mapped[datetime | None]


class PriceRule(Dated, Base):
    """What the special users of a user group pay at a station group, or at all of the owner's stations."""

    __tablename__ = "price_rule"
    __table_args__ = (
        _of_owner("station_group"),
        sa.CheckConstraint(_SPAN, "ends_after_it_starts"),
        sa.CheckConstraint(
            "price_per_kwh >= 0 AND price_per_hour >= 0 AND price_per_session >= 0", "prices_are_not_negative"
        ),
        sa.Index("ix_price_rule_owner_id", "owner_id"),
        sa.Index("ix_price_rule_station_group_id", "station_group_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    user_group_id: Mapped[int] = mapped_column(sa.ForeignKey("user_group.id", ondelete="CASCADE"), index=True)
    station_group_id: Mapped[int | None]
    price_per_kwh: Mapped[int]
    price_per_hour: Mapped[int]
    price_per_session: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(default=clock.now)
    user_group: Mapped[UserGroup] = relationship(viewonly=True)


class CardState(StrEnum):
    ACTIVE = "active"
    BLOCKED = "blocked"
    REPLACED = "replaced"


class Card(Base):
    """An RFID card, known by its number on the whole platform: of one account, or of a user group."""

    __tablename__ = "card"
    __table_args__ = (
        sa.CheckConstraint("(user_group_id IS NULL) <> (account_id IS NULL)", "of_a_user_group_or_an_account"),
        sa.CheckConstraint("state IN ('active', 'blocked', 'replaced')", "state_is_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(sa.String(64), unique=True)  # as `cards.normalise` writes it
    label: Mapped[str] = mapped_column(sa.String(120), default="")
    account_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"), index=True)
    user_group_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_group.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(sa.String(20), default=CardState.ACTIVE.value)
    replaced_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("card.id", ondelete="SET NULL"), index=True)
    added_at: Mapped[datetime] = mapped_column(default=clock.now)
    ended_at: Mapped[datetime | None]  # blocked or replaced then: what began before still counts as charged with it


class SessionCost(Base):
    """What a charging session cost by the rules in force at its time. Calculated once, when the session is stored;
    again only when somebody says so. The five parts add up to the total."""

    __tablename__ = "session_cost"
    __table_args__ = (
        sa.CheckConstraint("total = energy + time + parking + start + rounding", "parts_add_up_to_the_total"),
        sa.Index(
            "ix_session_cost_gap",
            "session_id",
            sqlite_where=sa.text("gap IS 1"),
            postgresql_where=sa.text("gap IS true"),
        ),
    )

    session_id: Mapped[int] = mapped_column(
        sa.ForeignKey("charging_session.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    energy: Mapped[int]
    time: Mapped[int]
    parking: Mapped[int]
    start: Mapped[int]
    rounding: Mapped[int]
    total: Mapped[int]
    gap: Mapped[bool] = mapped_column(default=False)  # for some of it no price applied
    vat_permille: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.String(3))
    decisions: Mapped[list[Any]]  # what was decided, segment by segment: portal.access.conditions.told
    calculated_at: Mapped[datetime] = mapped_column(default=clock.now)
