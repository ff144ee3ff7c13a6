"""Invitations and transfers."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core import clock
from portal.core.db import Base


class Invitation(Base):
    """The mail that tells an address of one grant or one membership, with a link that works once.

    What it tells of works without it: nothing has to be accepted. Of the link only the SHA-256 of its token is kept;
    sending again replaces it. `sent_at` is empty while the mail waits for the sender's next day.
    """

    __tablename__ = "invitation"
    __table_args__ = (
        sa.CheckConstraint("(grant_id IS NULL) <> (member_id IS NULL)", "of_a_grant_or_a_membership"),
        sa.CheckConstraint("email = lower(email)", "email_is_lower_case"),
        sa.Index("ix_invitation_owner_id_created_at", "owner_id", "created_at"),
        sa.Index("ix_invitation_invited_by_id_sent_at", "invited_by_id", "sent_at"),
        sa.Index("ix_invitation_email", "email"),
        sa.Index("ix_invitation_sent_at", "sent_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(254))
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))  # of the station group or the user group
    invited_by_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    grant_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("station_group_grant.id", ondelete="CASCADE"), index=True
    )
    member_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_group_member.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str | None] = mapped_column(sa.String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    sent_at: Mapped[datetime | None]
    sends: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime | None]  # of the link
    link_used_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]


class Transfer(Base):
    """A station, a station group with its stations, or all the property of an account, offered to another account.
    Nothing changes before it is accepted."""

    __tablename__ = "transfer"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('station', 'station_group', 'account')", "kind_is_known"),
        sa.CheckConstraint("state IN ('offered', 'accepted', 'declined', 'withdrawn')", "state_is_known"),
        sa.CheckConstraint("to_email = lower(to_email)", "email_is_lower_case"),
        sa.Index("ix_transfer_from_id", "from_id", "created_at"),
        sa.Index("ix_transfer_to_email", "to_email", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    from_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    to_email: Mapped[str] = mapped_column(sa.String(254))
    station_id: Mapped[int | None] = mapped_column(sa.ForeignKey("station.id", ondelete="SET NULL"), index=True)
    station_group_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("station_group.id", ondelete="SET NULL"), index=True
    )
    state: Mapped[str] = mapped_column(sa.String(20), default="offered")
    message: Mapped[str] = mapped_column(sa.String(1000), default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    expires_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))
    moved: Mapped[dict[str, object]] = mapped_column(sa.JSON, default=dict)  # how much went over, for the history
