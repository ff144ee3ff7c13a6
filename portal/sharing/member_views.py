"""Into a user group and out of it: many by a file, many at once, and by oneself."""

import hashlib
from collections.abc import Sequence

from flask import current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from itsdangerous import BadSignature, URLSafeSerializer

from portal.accounts import address_files, user_groups
from portal.accounts.login import current_account
from portal.accounts.models import UserGroup, UserGroupMember
from portal.core import forms
from portal.core.db import LARGEST_ID, db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.paging import SIZE
from portal.core.web import guard, takes_files
from portal.sharing import endings, memberships, operations
from portal.sharing.answers import letters_limit, tell
from portal.sharing.user_group_views import Page, bp

__all__ = ["bp"]

ROWS_SHOWN = 500
LONGEST_FIELD = 450_000  # of a form, of whose fields Flask takes 500 kB


class UploadForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    file = FileField(
        _l("CSV file"),
        [FileRequired(_l("Choose a file."))],
        description=_l("One address per row, in any column; at most 10,000 rows and 1 MB."),
        render_kw={"accept": ".csv,.txt,text/csv,text/plain"},
    )


@bp.route("/<int:user_group_id>/upload", methods=["GET", "POST"])
@guard("user_group:edit", user_group=user_groups.user_group)
@takes_files
def upload(user_group: UserGroup) -> Page:
    """Shows what the file would do; nothing is written before `add_uploaded`."""
    form = UploadForm()
    if form.validate_on_submit():
        try:
            rows = address_files.read(form.file.data.read(address_files.LARGEST_FILE + 1))
            preview = memberships.preview(db.session(), user_group, rows)
            found = _sealed(user_group, preview.new)
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            shown = preview.rows[:ROWS_SHOWN]
            return render_template(
                "user_groups/preview.html", group=user_group, preview=preview, shown=shown, found=found
            )
    page = render_template("user_groups/upload.html", group=user_group, form=form)
    return page, 422 if form.errors else 200


@bp.post("/<int:user_group_id>/upload/add")
@letters_limit
@guard("user_group:edit", user_group=user_groups.user_group)
def add_uploaded(user_group: UserGroup) -> Page:
    try:
        found = _signer(user_group).loads(request.form.get("found", ""))
    except BadSignature:
        flash(gettext("Upload the file once more."), "danger")
        return redirect(url_for("user_groups.upload", user_group_id=user_group.id))
    session = db.session()
    added = memberships.add(session, current_account(), user_group, found)
    flash(ngettext("%(num)s address was added.", "%(num)s addresses were added.", added), "success")
    tell(session)
    session.commit()
    return redirect(url_for("user_groups.show", user_group_id=user_group.id))


@bp.route("/<int:user_group_id>/members/remove", methods=["GET", "POST"])
@guard("user_group:edit", user_group=user_groups.user_group)
def remove_chosen(user_group: UserGroup) -> Page:
    session, members = db.session(), _ticked(user_group)
    back = url_for("user_groups.show", user_group_id=user_group.id)
    if not members:
        flash(gettext("Tick at least one address."), "info")
        return redirect(back)
    if request.method == "POST":
        removed = memberships.remove(session, current_account(), members)
        session.commit()
        flash(ngettext("%(num)s address was removed.", "%(num)s addresses were removed.", removed), "success")
        return redirect(back)
    return render_template(
        "user_groups/remove_chosen.html",
        group=user_group,
        members=members,
        granted=memberships.granted(session, user_group),
        losses=endings.losses_with_members(session, user_group.id, [member.email for member in members]),
        back=back,
    )


@bp.route("/memberships/<int:membership_id>/leave", methods=["GET", "POST"])
@guard("user_group:leave", membership=user_groups.membership)
def leave(membership: UserGroupMember) -> Page:
    session, account = db.session(), current_account()
    group = user_groups.group_of(session, membership)
    if request.method == "POST":
        operations.remove_member(session, account, membership)
        session.commit()
        flash(gettext("You have left the user group “%(name)s”.", name=group.name), "success")
        return redirect(url_for("user_groups.list_groups"))
    granted, without_effect = memberships.losses_of_leaving(session, account, membership)
    return render_template(
        "user_groups/leave.html",
        group=group,
        membership=membership,
        granted=granted,
        without_effect=without_effect,
        losses=endings.losses_with_member(session, group.id, account.email),
    )


def _ticked(group: UserGroup) -> Sequence[UserGroupMember]:
    """The members of the group that were ticked, in the address or in the form."""
    texts = request.values.getlist("member")[:SIZE]
    ids = {int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 11}
    return user_groups.some_members(db.session(), group, {number for number in ids if number <= LARGEST_ID})


def _sealed(group: UserGroup, found: Sequence[str]) -> str:
    """The addresses, packed and signed for the form that confirms them. RuleBroken when they are too long for one."""
    text = str(_signer(group).dumps(list(found)))
    if len(text) > LONGEST_FIELD:
        raise RuleBroken("file", "The addresses are too long together. Divide the file.")
    return text


def _signer(group: UserGroup) -> URLSafeSerializer:
    """Of this group and this reader alone."""
    salt = f"piquet/upload/{group.id}/{current_user.get_id()}"
    key = current_app.extensions["settings"].secret_key
    return URLSafeSerializer(key, salt=salt, signer_kwargs={"digest_method": hashlib.sha256})
