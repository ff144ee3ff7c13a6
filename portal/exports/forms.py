"""Forms about tasks."""

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import DateField, HiddenField, IntegerField, RadioField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from portal.accounts import time_zones
from portal.exports import operations
from portal.exports.labels import CORRECTIONS, INTERVALS, SCOPES, TRIGGERS
from portal.exports.models import Corrections, Scope, Trigger
from portal.exports.periods import Interval

MUST = InputRequired(_l("This must be filled in."))
OFF = {"autocomplete": "off"}


class TaskForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    name = StringField(_l("Name"), [MUST, Length(max=120)], render_kw=OFF)
    station_group = SelectField(_l("Station group"), [MUST], coerce=int)
    scope = RadioField(_l("Whose consumption"), choices=list(SCOPES.items()), default=Scope.CHARGING_POINTS.value)
    user = StringField(
        _l("User"),
        [MUST, Length(max=254)],
        description=_l("E-mail address of the account: the owner of the station group, or the driver."),
        render_kw={**OFF, "inputmode": "email", "spellcheck": "false"},
    )
    formatter = SelectField(_l("Formatter"), [MUST], coerce=int)
    destination = SelectField(_l("Destination"), [MUST], coerce=int)
    interval = SelectField(_l("Upload interval"), choices=list(INTERVALS.items()), default=Interval.MONTHLY.value)
    trigger = RadioField(_l("Send a period"), choices=list(TRIGGERS.items()), default=Trigger.ALL_VALUES.value)
    hours_after_end = IntegerField(_l("Hours after the end"), [MUST, NumberRange(0, operations.MOST_HOURS)], default=12)
    starts_on = DateField(
        _l("First day"), [MUST], description=_l("A day in the past sends everything since, period by period.")
    )
    ends_on = DateField(_l("Last day"), [Optional()], description=_l("Leave empty to go on without end."))
    time_zone = SelectField(
        _l("Time zone"), choices=time_zones.by_region, description=_l("Periods begin and end at its midnight.")
    )

    corrections = RadioField(
        _l("Values that arrive or change afterwards"),
        choices=list(CORRECTIONS.items()),
        default=Corrections.CONFIRM.value,
    )
    pause_after = IntegerField(
        _l("Pause after so many failures in a row"),
        [MUST, NumberRange(1, operations.MOST_FAILURES)],
        default=20,
        description=_l("You get a mail. Wrong passwords and changed host keys pause the task at once."),
    )
    periods_per_file = IntegerField(
        _l("Periods of a backlog in one file"),
        [MUST, NumberRange(1, operations.MOST_PERIODS)],
        default=1,
        description=_l("Counts for periods that have ended already; later ones come one by one."),
    )

    first_day = DateField(
        _l("From"),
        [Optional()],
        description=_l("Both empty: the first period, or the latest one of a task that runs already."),
    )
    last_day = DateField(_l("To"), [Optional()], description=_l("Empty: one period from that day on."))

    def offer(self, groups: Any, parts: Any, destinations: Any) -> None:
        """Name the station groups (with their owners), formatters and destinations that may be chosen, and who lent
        them."""
        self.station_group.choices = [(group.id, f"{group.name} ({owner.email})") for group, owner in groups]
        self.formatter.choices = [(row.id, _named(row.name, row.lent_by)) for row in parts]
        self.destination.choices = [(row.id, _named(row.name, row.lent_by)) for row in destinations]

    def wanted(self) -> operations.Wanted:
        """What was typed in."""
        return operations.Wanted(
            name=self.name.data or "",
            scope=Scope(self.scope.data),
            user=self.user.data or "",
            station_group_id=self.station_group.data,
            formatter_id=self.formatter.data,
            destination_id=self.destination.data,
            interval=Interval(self.interval.data),
            trigger=Trigger(self.trigger.data),
            hours_after_end=self.hours_after_end.data or 0,
            starts_on=self.starts_on.data,  # type: ignore[arg-type]  # required
            ends_on=self.ends_on.data,
            time_zone=self.time_zone.data,
            corrections=Corrections(self.corrections.data),
            pause_after=self.pause_after.data or 0,
            periods_per_file=self.periods_per_file.data or 0,
        )


def _named(name: str, lent_by: str) -> str:
    return str(gettext("%(name)s (lent by %(email)s)", name=name, email=lent_by)) if lent_by else name


class AgainForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    first_day = DateField(
        _l("First day"), [MUST], description=_l("Every period that ends after this day and was sent before.")
    )
    seen = HiddenField()  # that the number of periods was shown


class SourcesForm(FlaskForm):  # type: ignore[misc]  # as above
    """Whose values a formatter is tried with."""

    station_group = SelectField(_l("Station group"), coerce=int, validate_choice=True)
    first_day = DateField(
        _l("From"), [Optional()], description=_l("Empty: the last day on which the first meters gave energy.")
    )
    last_day = DateField(_l("To"), [Optional()], description=_l("Empty: the same day."))
    whole = HiddenField()  # that the file is wanted, not the page

    def offer(self, groups: Any) -> None:
        """Name the station groups that may be chosen, with their owners; the first one where none was."""
        self.station_group.choices = [(group.id, f"{group.name} ({owner.email})") for group, owner in groups]
        if self.station_group.data is None and groups:
            self.station_group.data = groups[0][0].id


class PreviewForm(FlaskForm):  # type: ignore[misc]  # as above
    first_day = DateField(_l("First day"), [MUST])
    last_day = DateField(_l("Last day"), [MUST])
    whole = HiddenField()  # that the file is wanted, not the page
