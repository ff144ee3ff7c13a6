"""User groups of the reader: named sets of addresses to which station groups are granted."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from portal.accounts import user_groups
from portal.accounts.login import current_account
from portal.accounts.models import UserGroup, UserGroupMember
from portal.core import forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.sharing import endings, memberships, operations, queries
from portal.sharing.answers import letters_limit, tell
from portal.sharing.forms import AddressesForm, NameForm, UserGroupForm
from portal.stations import consequences

bp = Blueprint("user_groups", __name__, url_prefix="/user-groups")

Page = str | tuple[str, int] | Response


@bp.get("")
@guard("user_group:list")
def list_groups() -> str:
    session = db.session()
    return render_template(
        "user_groups/list_groups.html",
        groups=user_groups.owned(session, current_user.id, web.page_number()),
        memberships=user_groups.memberships(session, current_account()),
    )


@bp.route("/new", methods=["GET", "POST"])
@letters_limit
@guard("user_group:create")
def create() -> Page:
    form = UserGroupForm()
    if form.validate_on_submit():
        try:
            group = memberships.create(db.session(), current_account(), form.name.data or "", form.emails.data or "")
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            tell(db.session())
            db.session.commit()
            flash(gettext("The user group is made. Now give it access to a station group."), "success")
            return redirect(url_for("user_groups.show", user_group_id=group.id))
    return render_template("user_groups/create.html", form=form), 422 if form.errors else 200


@bp.get("/<int:user_group_id>")
@guard("user_group:edit", user_group=user_groups.user_group)
def show(user_group: UserGroup) -> str:
    return _show(user_group, AddressesForm())


@bp.route("/<int:user_group_id>/edit", methods=["GET", "POST"])
@guard("user_group:edit", user_group=user_groups.user_group)
def edit(user_group: UserGroup) -> Page:
    form = NameForm(name=user_group.name)
    if form.validate_on_submit():
        try:
            user_groups.rename(db.session(), current_account(), user_group, form.name.data or "")
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            db.session.commit()
            flash(gettext("The user group is renamed."), "success")
            return redirect(url_for("user_groups.show", user_group_id=user_group.id))
    return render_template("user_groups/edit.html", form=form, group=user_group), 422 if form.errors else 200


@bp.route("/<int:user_group_id>/delete", methods=["GET", "POST"])
@guard("user_group:edit", user_group=user_groups.user_group)
def delete(user_group: UserGroup) -> Page:
    session = db.session()
    if request.method == "POST":
        operations.delete_user_group(session, current_account(), user_group)
        session.commit()
        flash(gettext("The user group is deleted."), "success")
        return redirect(url_for("user_groups.list_groups"))
    return render_template(
        "user_groups/delete.html",
        group=user_group,
        members=user_groups.members(session, user_group).total,
        cards=user_groups.cards(session, user_group),
        losses=endings.losses_with_user_group(session, user_group.id),
        ended=consequences.admitting(session, user_group_id=user_group.id),
    )


@bp.post("/<int:user_group_id>/members")
@letters_limit
@guard("user_group:edit", user_group=user_groups.user_group)
def add_member(user_group: UserGroup) -> Page:
    form = AddressesForm()
    if form.validate():
        try:
            found = user_groups.addresses(form.emails.data or "")
            added = memberships.add(db.session(), current_account(), user_group, found)
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            tell(db.session())
            db.session.commit()
            flash(ngettext("%(num)s address was added.", "%(num)s addresses were added.", added), "success")
            return redirect(url_for("user_groups.show", user_group_id=user_group.id))
    return _show(user_group, form), 422


@bp.route("/members/<int:member_id>/remove", methods=["GET", "POST"])
@guard("user_group:edit", member=user_groups.member)
def remove_member(member: UserGroupMember) -> Page:
    session, group = db.session(), user_groups.group_of(db.session(), member)
    if request.method == "POST":
        email = member.email
        operations.remove_member(session, current_account(), member)
        session.commit()
        flash(gettext("%(email)s is no longer in the user group.", email=email), "success")
        return redirect(url_for("user_groups.show", user_group_id=group.id))
    return render_template(
        "user_groups/remove_member.html",
        group=group,
        member=member,
        granted=queries.granted_to(session, group),
        losses=endings.losses_with_member(session, group.id, member.email),
    )


def _show(group: UserGroup, form: AddressesForm) -> str:
    session, text = db.session(), request.args.get("q", "")
    return render_template(
        "user_groups/show.html",
        group=group,
        form=form,
        members=user_groups.members(session, group, web.page_number(), text),
        text=text,
        granted=memberships.granted(session, group),
    )
