"""Forms about maintenance."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import DateTimeLocalField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from portal.charging.moments import MomentProblem, to_utc
from portal.core import web
from portal.core.errors import RuleBroken
from portal.maintenance.models import MaintenanceEntry
from portal.maintenance.operations import LONGEST_NAME, LONGEST_TEXT, Plan

MUST = InputRequired(_l("This must be filled in."))
YEARS = range(2000, 2200)
LOCAL = "%Y-%m-%dT%H:%M"  # as browsers send it


class RecipientsForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    # Blanks count as nothing chosen, as they do for Optional(): else they would pass for the number of a group.
    user_group = SelectField(_l("User group"), [Optional()], filters=[lambda chosen: (chosen or "").strip()])
    emails = TextAreaField(
        _l("E-mail addresses"),
        [Optional(), Length(max=200_000)],
        description=_l("One or many, separated by lines, commas, semicolons or blanks. None needs an account."),
        render_kw={"rows": 4, "autocomplete": "off", "spellcheck": "false"},
    )

    def offer_user_groups(self, names: Iterable[tuple[int, str]]) -> None:
        """Name the user groups that may be chosen."""
        self.user_group.choices = [("", _l("– none –")), *((str(row_id), name) for row_id, name in names)]

    @property
    def user_group_id(self) -> int | None:
        return int(self.user_group.data) if self.user_group.data else None


class NoteForm(FlaskForm):  # type: ignore[misc]  # as above
    text = TextAreaField(
        _l("Note"),
        [MUST, Length(max=LONGEST_TEXT)],
        description=_l("Everyone who sees the station reads it."),
        render_kw={"rows": 4, "maxlength": LONGEST_TEXT},
    )


class WorkForm(FlaskForm):  # type: ignore[misc]  # as above
    """Planned work. Its dates are wall-clock times of the reader; an hour that the clock goes through twice begins the
    first and ends the second time."""

    text = TextAreaField(
        _l("What will be done"),
        [MUST, Length(max=LONGEST_TEXT)],
        description=_l("Everyone who sees the station reads it."),
        render_kw={"rows": 3, "maxlength": LONGEST_TEXT},
    )
    starts_at = DateTimeLocalField(_l("Beginning"), [MUST], format=[LOCAL, LOCAL + ":%S"])
    ends_at = DateTimeLocalField(_l("End"), [MUST], format=[LOCAL, LOCAL + ":%S"])

    @classmethod
    def of(cls, entry: MaintenanceEntry) -> "WorkForm":
        """The form as the planned work stands."""
        zone = web.zone()
        dates = {
            name: at.astimezone(zone).replace(tzinfo=None)
            for name, at in (("starts_at", entry.starts_at), ("ends_at", entry.ends_at))
            if at is not None
        }
        return cls(text=entry.text, **dates)

    def plan(self) -> Plan:
        """What the form asks for. RuleBroken for a time that the clock skips or no calendar of ours holds."""
        zone = web.zone()
        starts_at = _instant("starts_at", self.starts_at.data, zone, fold=0)
        return Plan(self.text.data or "", starts_at, _instant("ends_at", self.ends_at.data, zone, fold=1))


class DoneForm(FlaskForm):  # type: ignore[misc]  # as above
    done_by = StringField(
        _l("Done by"),
        [MUST, Length(max=LONGEST_NAME)],
        description=_l("A person or a company, with or without an account."),
        render_kw={"maxlength": LONGEST_NAME, "autocomplete": "off"},
    )
    remark = TextAreaField(
        _l("What was done"), [Length(max=LONGEST_TEXT)], render_kw={"rows": 3, "maxlength": LONGEST_TEXT}
    )


def _instant(field: str, local: datetime | None, zone: ZoneInfo, *, fold: int) -> datetime:
    if local is None or local.year not in YEARS:
        raise RuleBroken(field, "Choose a day between 2000 and 2199.")
    found = to_utc(local, zone, fold)
    if isinstance(found, MomentProblem):
        raise RuleBroken(field, "The clock skips this time: it goes forward that night. Choose another.")
    return found.utc
