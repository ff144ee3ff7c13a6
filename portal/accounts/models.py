"""Accounts and user groups."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core import clock
from portal.core.db import Base


class Account(Base):
    """A person or an organisation that can log in. Only a verified address counts for grants and memberships."""

    __tablename__ = "account"
    __table_args__ = (sa.CheckConstraint("email = lower(email)", "email_is_lower_case"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(254), unique=True)
    name: Mapped[str] = mapped_column(sa.String(120), default="")
    password_hash: Mapped[str | None] = mapped_column(sa.String(255))  # none: cannot log in until it is set by mail
    verified_at: Mapped[datetime | None]
    language: Mapped[str] = mapped_column(sa.String(5), default="en")
    time_zone: Mapped[str] = mapped_column(sa.String(60), default="Europe/Zurich")
    is_operator: Mapped[bool] = mapped_column(default=False)
    session_version: Mapped[int] = mapped_column(default=0)  # raised to end every session of the account
    currency: Mapped[str] = mapped_column(sa.String(3), default="CHF")  # of what charging at his stations costs
    five_rappen: Mapped[bool] = mapped_column(default=False)  # round what a session costs to five Rappen
    grant_default_days: Mapped[int | None]  # how long access to what is his is proposed for; none: without end
    grant_most_days: Mapped[int | None]  # how long it may last at most; none: no limit
    review_reminded_at: Mapped[datetime | None]  # last mail that asked to go through what is shared
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class UserGroup(Base):
    """A named set of e-mail addresses, such as an on-call organisation. Members change without a new grant."""

    __tablename__ = "user_group"
    __table_args__ = (sa.UniqueConstraint("owner_id", "name"), sa.UniqueConstraint("id", "owner_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(sa.String(120))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    members: Mapped[list["UserGroupMember"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="UserGroupMember.email"
    )


class UserGroupMember(Base):
    """An address in a user group, whether or not it has an account."""

    __tablename__ = "user_group_member"
    __table_args__ = (
        sa.UniqueConstraint("user_group_id", "email"),
        sa.Index("ix_user_group_member_email", "email", "user_group_id"),
        sa.CheckConstraint("email = lower(email)", "email_is_lower_case"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_group_id: Mapped[int] = mapped_column(sa.ForeignKey("user_group.id", ondelete="CASCADE"))
    email: Mapped[str] = mapped_column(sa.String(254))
    added_at: Mapped[datetime] = mapped_column(default=clock.now)
    first_used_at: Mapped[datetime | None]  # first opened something granted to the group
    last_used_at: Mapped[datetime | None]  # and last, to the day
    needed_at: Mapped[datetime | None]  # last confirmed that what is granted to the group is still needed
    needed_by_id: Mapped[int | None]  # no foreign key: SQLite would make the table anew for it
