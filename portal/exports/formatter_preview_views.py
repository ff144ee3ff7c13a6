"""Files of a formatter, made of values of the reader's own station groups: the first lines, or the whole file."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from flask import Response, render_template
from flask_babel import gettext
from flask_login import current_user

from portal.accounts.login import current_account
from portal.core import forms
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.exports import formatter_previews, formatters, previews, queries
from portal.exports.blueprint import Page, formatters_bp
from portal.exports.formatter_forms import FormatterForm
from portal.exports.forms import SourcesForm
from portal.exports.models import Formatter
from portal.exports.preview_views import building_limit, only_read, shown, whole
from portal.exports.previews import FirstLines, Preview


class Live(NamedTuple):
    """What is shown while somebody types: the first lines of the files of a few meters, or of samples (`note` says
    why), or what is wrong."""

    files: Sequence[FirstLines]
    problem: str = ""
    note: str = ""
    days: tuple[date, date] | None = None


@formatters_bp.post("/preview")
@guard("formatter:list")
def preview() -> str:
    """The first lines of the files that the form's settings make, whatever else is still missing in it."""
    only_read()
    return render_template("formatters/_preview.html", found=live(FormatterForm(), sources_form()))


@formatters_bp.route("/<int:formatter_id>/preview", methods=["GET", "POST"])
@building_limit
@guard("formatter:list", formatter=queries.usable_formatter)
def preview_formatter(formatter: Formatter) -> Page | Response:
    """For who may use it, lent or his own: with all meters of a station group that he may export."""
    only_read()
    form, found = sources_form(), None
    if form.validate_on_submit():
        try:
            found, chosen = _built(form, formatter)
            form.first_day.data, form.last_day.data = chosen.first_day, chosen.last_day
            form.first_day.raw_data = form.last_day.raw_data = None  # else what was typed is shown: nothing
        except RuleBroken as broken:
            forms.show(form, broken)
    if found and form.whole.data and found.names:
        return whole(found)
    return shown("formatters/preview.html", found, row=formatter, form=form), 422 if form.errors else 200


def sources_form() -> SourcesForm:
    form = SourcesForm()
    form.offer(queries.groups_to_export(db.session(), current_user.id))
    return form


def file(form: FormatterForm) -> Preview:
    """The files of the form's settings with all meters that were chosen. RuleBroken."""
    only_read()
    wanted, sources = form.wanted(), sources_form()
    formatters.check(wanted)
    if sources.station_group.choices and not sources.validate():
        field = next(field for field in sources if field.errors)
        raise RuleBroken("", "%(label)s: %(error)s", label=field.label.text, error=field.errors[0])
    return _built(sources, formatters.draft(wanted))[0]


def _built(
    form: SourcesForm, formatter: Formatter, most: int = previews.MOST_METER_DAYS
) -> tuple[Preview, formatter_previews.Sources]:
    """The files, and of what they are made. RuleBroken."""
    session, account = db.session(), current_account()
    if form.station_group.data is None:
        raise RuleBroken("station_group", "You have no station group that you may export.")
    days = (form.first_day.data, form.last_day.data)
    chosen = formatter_previews.sources(session, account, form.station_group.data, *days)
    return formatter_previews.build(session, account, formatter, chosen, most), chosen


def live(form: FormatterForm, sources: SourcesForm) -> Live:
    """For the settings as they stand, with the first meters that were chosen."""
    try:
        wanted = form.wanted()
        formatters.check(wanted)
    except RuleBroken as broken:
        return Live([], form.words(broken))
    except ValueError:
        return Live([], gettext("Choose a format and an identifier."))
    if not sources.station_group.choices:
        return _samples(wanted, "")
    if sources.is_submitted() and not sources.validate():
        return Live([], " ".join(str(error) for errors in sources.errors.values() for error in errors))
    try:
        found = _first_meters(sources, formatters.draft(wanted))
    except RuleBroken as broken:
        words = forms.words(broken)
        return Live([], words) if broken.field else _samples(wanted, words)  # a meter that lacks the identifier
    return found if found.files else _samples(wanted, "")


def _first_meters(sources: SourcesForm, formatter: Formatter) -> Live:
    found, chosen = _built(sources, formatter, formatter_previews.FEW)
    found.content.close()
    return Live(found.beginnings if found.all_meters else [], days=(chosen.first_day, chosen.last_day))


def _samples(wanted: formatters.Wanted, note: str) -> Live:
    try:
        lines = formatters.preview(wanted, formatters.samples())
    except RuleBroken as broken:
        return Live([], forms.words(broken))
    return Live([FirstLines(gettext("Sample"), lines)], note=note)
