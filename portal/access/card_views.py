"""Pages about RFID cards: those of the reader's account, and those of his user groups."""

from collections.abc import Callable
from typing import Any, NamedTuple

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from werkzeug.wrappers import Response
from wtforms import StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from portal.access import cards
from portal.access.cards import Holder, Row
from portal.access.models import Card
from portal.accounts import user_groups
from portal.accounts.blueprint import reader
from portal.accounts.login import current_account
from portal.accounts.models import UserGroup
from portal.core import forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.looking import LookedAt
from portal.core.paging import SIZE, Page, offset
from portal.core.text_tables import MOST_BYTES
from portal.core.web import guard, limiter, takes_files

bp = Blueprint("cards", __name__)
FILE, WHOSE = LookedAt("card_file", "cards.csv"), "card_file_of"  # in the account's session
Answer = str | tuple[str, int] | Response
View = Callable[..., Answer]
NEEDED = InputRequired(_l("This must be filled in."))
LONGEST_PASTE = 100_000


def _found_one(_response: object) -> bool:
    """Whether the answer told that a card is registered elsewhere."""
    return bool(g.get("card_elsewhere"))


# Each answer tells of cards.MOST_ELSEWHERE numbers at most that somebody has them: nobody tries numbers out by it.
adding_limit = limiter.shared_limit("60 per hour; 300 per day", "cards", key_func=reader, methods=["POST"])
telling_limit = limiter.shared_limit(
    "10 per hour; 20 per day", "cards_elsewhere", key_func=reader, methods=["POST"], deduct_when=_found_one
)


class CardsForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    cards = TextAreaField(
        _l("Cards"),
        [NEEDED, Length(max=LONGEST_PASTE)],
        description=_l("One card in each row: its number, then a label if you like, parted by a semicolon or a tab."),
        render_kw={"rows": 6, "spellcheck": "false", "placeholder": _l("04:A2:1B:7C; Pool car 3")},
    )


class CardFileForm(FlaskForm):  # type: ignore[misc]  # as above
    file = FileField(
        _l("CSV file"),
        [FileRequired(_l("Choose a file."))],
        description=_l("Two columns: number; label. At most 10,000 rows and 1 MB."),
        render_kw={"accept": ".csv,.txt,text/csv,text/plain"},
    )


class ReplaceForm(FlaskForm):  # type: ignore[misc]  # as above
    number = StringField(
        _l("Number of the new card"),
        [NEEDED, Length(max=120)],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )


class Place(NamedTuple):
    """Whose cards a page is about: its addresses, and how it is called."""

    group: UserGroup | None

    def url(self, name: str, **values: Any) -> str:
        if self.group is None:
            return url_for(f"cards.{name}_account", **values)
        return url_for(f"cards.{name}_user_group", user_group_id=self.group.id, **values)

    @property
    def key(self) -> str:
        return f"user_group/{self.group.id}" if self.group else "account"


def at(holder: Holder) -> Place:
    return Place(holder if isinstance(holder, UserGroup) else None)


def for_each_holder(
    path: str, action: str, *methods: str, limits: tuple[Callable[[View], View], ...] = ()
) -> Callable[[View], View]:
    """Puts a view of a holder's cards at the address of the account's and at that of a user group's."""

    def put(view: View) -> View:
        def of_account() -> Answer:
            return view(current_account())

        def of_user_group(user_group: UserGroup) -> Answer:
            return view(user_group)

        # Limits are kept by the name of the view.
        of_account.__name__ = of_account.__qualname__ = f"{view.__name__}_account"
        of_user_group.__name__ = of_user_group.__qualname__ = f"{view.__name__}_user_group"
        account = guard(action)(of_account)
        group = guard("user_group:edit", user_group=user_groups.user_group)(of_user_group)
        for base, name, guarded in (
            ("/profile/cards", "account", account),
            ("/user-groups/<int:user_group_id>/cards", "user_group", group),
        ):
            for limit in limits:
                guarded = limit(guarded)  # noqa: PLW2901  wrapped once by each
            bp.add_url_rule(base + path, f"{view.__name__}_{name}", guarded, methods=list(methods) or None)
        return view

    return put


@for_each_holder("", "card:list")
def list_cards(of: Holder) -> Answer:
    return _listed(of, CardsForm())


def _listed(of: Holder, form: CardsForm) -> Answer:
    text = request.args.get("q", "").strip()[:120]
    page = cards.held(db.session(), of, text, web.page_number())
    template = "cards/list_cards.html"
    return render_template(template, page=page, text=text, form=form, at=at(of)), 422 if form.errors else 200


@for_each_holder("", "card:edit", "POST", limits=(adding_limit, telling_limit))
def add(of: Holder) -> Answer:
    """Register what was pasted: all of it, or nothing where a row is refused."""
    form = CardsForm()
    if form.validate_on_submit():
        try:
            rows = cards.read((form.cards.data or "").encode(), "cards")
            g.card_elsewhere = cards.judge(db.session(), current_account(), rows, "cards")
        except RuleBroken as broken:
            forms.show(form, broken)
            g.card_elsewhere = isinstance(broken, cards.ManyElsewhere)
        else:
            form.cards.errors = [*form.cards.errors, *_refused(rows)]
            if not form.errors:
                return _registered(of, rows)
    return _listed(of, form)


def _refused(rows: list[Row]) -> list[str]:
    """What is wrong with which row, of the first twenty."""
    bad = [row for row in rows if row.problem]
    return [
        gettext("Row %(row)s, “%(text)s”: %(problem)s", row=row.line, text=row.text[:40], problem=gettext(row.problem))
        for row in bad[:20]
    ]


def _registered(of: Holder, rows: list[Row]) -> Response:
    place = at(of)
    try:
        count = len(cards.add(db.session(), current_account(), of, rows))
    except RuleBroken as broken:
        db.session.rollback()
        flash(forms.words(broken), "warning")
        return redirect(place.url("list_cards"))
    db.session.commit()
    flash(ngettext("%(num)s card is registered.", "%(num)s cards are registered.", count), "success")
    return redirect(place.url("list_cards"))


@for_each_holder("/upload", "card:edit", "GET", "POST", limits=(takes_files, adding_limit, telling_limit))
def upload(of: Holder) -> Answer:
    form, place = CardFileForm(), at(of)
    if form.validate_on_submit():
        data = form.file.data.stream.read(MOST_BYTES + 1)
        try:
            g.card_elsewhere = cards.judge(db.session(), current_account(), cards.read(data))
        except RuleBroken as broken:
            forms.show(form, broken)
            g.card_elsewhere = isinstance(broken, cards.ManyElsewhere)
        else:
            FILE.keep(data)
            session[WHOSE] = place.key
            db.session.commit()
            return redirect(place.url("preview"))
    return render_template("cards/upload.html", form=form, at=place), 422 if form.errors else 200


@for_each_holder("/upload/preview", "card:edit")
def preview(of: Holder) -> Answer:
    """Every row with what it would do, those with a problem first; nothing is written."""
    place, rows = at(of), _kept(of)
    if not rows:
        return _again(place)
    good = sum(not row.problem for row in rows)
    ordered, number = sorted(rows, key=lambda row: (not row.problem, row.line)), web.page_number()
    page = Page(ordered[offset(number) : offset(number) + SIZE], number, len(rows))
    return render_template("cards/preview.html", at=place, page=page, good=good, bad=len(rows) - good)


@for_each_holder("/upload/write", "card:edit", "POST", limits=(adding_limit,))
def write(of: Holder) -> Answer:
    """Register what the preview showed, in one transaction; where something has changed since, show it anew first."""
    place, rows = at(of), _kept(of)
    if not rows:
        return _again(place)
    if str(sum(not row.problem for row in rows)) != request.form.get("expected"):
        flash(gettext("Something has changed since you looked: nothing is written yet. Look again."), "warning")
        return redirect(place.url("preview"))
    FILE.discard()
    return _registered(of, rows)


@for_each_holder("/upload/discard", "card:edit", "POST")
def discard(of: Holder) -> Answer:
    FILE.discard()
    db.session.commit()
    flash(gettext("The file is discarded. Nothing was changed."), "info")
    return redirect(at(of).url("upload"))


def _kept(of: Holder) -> list[Row]:
    """The judged rows of the file that is looked at; none without one for this holder, or where it became bad."""
    data = FILE.data() if session.get(WHOSE) == at(of).key else b""
    rows = cards.read(data) if data else []
    try:
        cards.judge(db.session(), current_account(), rows)
    except RuleBroken:
        return []
    return rows


def _again(place: Place) -> Response:
    flash(gettext("Choose a file first."), "info")
    return redirect(place.url("upload"))


@bp.post("/cards/<int:card_id>/block")
@guard("card:edit", card=cards.card)
def block(card: Card) -> Response:
    cards.block(db.session(), current_account(), card)
    db.session.commit()
    flash(gettext("The card %(number)s is blocked.", number=card.number), "success")
    return redirect(_back(card))


@bp.post("/cards/<int:card_id>/unblock")
@guard("card:edit", card=cards.card)
def unblock(card: Card) -> Response:
    try:
        cards.unblock(db.session(), current_account(), card)
    except RuleBroken as broken:
        flash(forms.words(broken), "danger")
    else:
        db.session.commit()
        flash(gettext("The card %(number)s can be used again.", number=card.number), "success")
    return redirect(_back(card))


@bp.route("/cards/<int:card_id>/replace", methods=["GET", "POST"])
@adding_limit
@telling_limit
@guard("card:edit", card=cards.card)
def replace(card: Card) -> Answer:
    form, place = ReplaceForm(), at(cards.holder(db.session(), card))
    if form.validate_on_submit():
        try:
            new = cards.replace(db.session(), current_account(), card, form.number.data or "")
        except RuleBroken as broken:
            g.card_elsewhere = broken.message == cards.ELSEWHERE
            db.session.rollback()
            forms.show(form, broken)
        else:
            db.session.commit()
            flash(gettext("The card %(number)s takes its place.", number=new.number), "success")
            return redirect(place.url("list_cards"))
    return render_template("cards/replace.html", form=form, card=card, at=place), 422 if form.errors else 200


@bp.route("/cards/<int:card_id>/delete", methods=["GET", "POST"])
@guard("card:edit", card=cards.card)
def delete(card: Card) -> Answer:
    place, number = at(cards.holder(db.session(), card)), card.number
    if request.method == "POST":
        cards.delete(db.session(), current_account(), card)
        db.session.commit()
        flash(gettext("The card %(number)s is deleted.", number=number), "success")
        return redirect(place.url("list_cards"))
    return render_template("cards/delete.html", card=card, at=place)


def _back(card: Card) -> str:
    return at(cards.holder(db.session(), card)).url("list_cards")
