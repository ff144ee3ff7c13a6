"""Destinations: set up, log in, host key, connection test."""

import logging
import time
from collections.abc import Generator

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.core import forms
from portal.core.config import Settings
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.vault import Vault, VaultError
from portal.core.web import guard, limiter
from portal.delivery import operations, queries
from portal.delivery.forms import DestinationForm, KeyForm, PasswordForm
from portal.delivery.models import Destination, Login
from portal.delivery.sending import SECRET_LOST, probe, reach, target
from portal.transports import DeliveryError, StepName
from portal.transports.addresses import Reach
from portal.transports.probing import Step
from portal.transports.sftp import SftpTarget, fetch_host_key

log = logging.getLogger(__name__)
bp = Blueprint("destinations", __name__, url_prefix="/exports/destinations")
Page = str | tuple[str, int] | Response

ONE_WAIT_SECONDS, WHOLE_TEST_SECONDS = 6.0, 25.0  # below the 30 s after which gunicorn ends a request


def _reach() -> Reach:
    settings: Settings = current_app.extensions["settings"]
    allowed = reach(settings)
    return Reach(networks=allowed.networks, ports=allowed.ports, timeout=ONE_WAIT_SECONDS)


def _vault() -> Vault:
    vault: Vault = current_app.extensions["vault"]
    return vault


@bp.get("")
@guard("destination:list")
def list_destinations() -> str:
    return render_template("destinations/list.html", rows=queries.destinations(db.session(), current_user.id))


@bp.route("/new", methods=["GET", "POST"])
@guard("destination:edit")
def create() -> Page:
    form = DestinationForm()
    if form.validate_on_submit():
        try:
            row = operations.create(db.session(), current_account(), form.address(), _reach())
        except RuleBroken as broken:
            db.session.rollback()
            forms.show(form, broken)
        else:
            db.session.commit()
            return redirect(url_for("destinations.log_in", destination_id=row.id))
    return render_template("destinations/create.html", form=form), 422 if form.errors else 200


@bp.get("/<int:destination_id>")
@guard("destination:list", destination=queries.destination)
def show(destination: Destination) -> str:
    tasks = queries.tasks_of(db.session(), destination)
    return render_template("destinations/show.html", row=destination, tasks=tasks, steps=operations.STEPS)


@bp.route("/<int:destination_id>/edit", methods=["GET", "POST"])
@guard("destination:edit", destination=queries.destination)
def edit(destination: Destination) -> Page:
    form = DestinationForm(obj=destination)
    if form.validate_on_submit():
        row_id = destination.id
        try:
            operations.edit(db.session(), current_account(), destination, form.address(), _reach())
        except RuleBroken as broken:
            db.session.rollback()
            forms.show(form, broken)
        else:
            db.session.commit()
            flash(gettext("The destination is saved."), "success")
            return redirect(url_for("destinations.show", destination_id=row_id))
    return render_template("destinations/edit.html", form=form, row=destination), 422 if form.errors else 200


@bp.route("/<int:destination_id>/log-in", methods=["GET", "POST"])
@guard("destination:edit", destination=queries.destination)
def log_in(destination: Destination) -> Page:
    if destination.login == Login.KEY:
        return _own_key(destination)
    form = PasswordForm()
    if form.validate_on_submit():
        operations.set_password(db.session(), current_account(), destination, _vault(), form.password.data or "")
        db.session.commit()
        flash(gettext("The password is kept encrypted."), "success")
        return _next(destination)
    return render_template("destinations/password.html", form=form, row=destination), 422 if form.errors else 200


def _own_key(destination: Destination) -> Page:
    form = KeyForm()
    if form.validate_on_submit():
        try:
            fields = (form.private_key.data or "", form.passphrase.data or "")
            operations.upload_key(db.session(), current_account(), destination, _vault(), *fields)
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            db.session.commit()
            flash(gettext("The key is kept encrypted."), "success")
            return _next(destination)
    if form.errors:
        form.private_key.data = ""  # a secret is not sent back, not even to its owner
    return render_template("destinations/key.html", form=form, row=destination), 422 if form.errors else 200


@bp.post("/<int:destination_id>/key")
@guard("destination:edit", destination=queries.destination)
def make_key(destination: Destination) -> Response:
    operations.make_key(db.session(), current_account(), destination, _vault())
    db.session.commit()
    flash(gettext("A new key is made. Give the public part to the operator of the server."), "success")
    return redirect(url_for("destinations.log_in", destination_id=destination.id))


def _next(destination: Destination) -> Response:
    step = "show" if destination.host_key_fingerprint else "host_key"
    return redirect(url_for(f"destinations.{step}", destination_id=destination.id))


@bp.route("/<int:destination_id>/host-key", methods=["GET", "POST"])
@limiter.limit("60 per hour")
@guard("destination:edit", destination=queries.destination)
def host_key(destination: Destination) -> Page:
    """Shows the server's key; the one that was shown comes back and is compared with a fresh look."""
    where, problem, code = _without_secret(destination), "", 200
    db.session.commit()  # no transaction while a server is asked
    try:
        fresh = fetch_host_key(where)
        if request.method == "POST":
            shown = (request.form.get("type", ""), request.form.get("fingerprint", ""))
            operations.confirm_host_key(db.session(), current_account(), destination, shown, fresh)
            db.session.commit()
            flash(gettext("The host key is confirmed."), "success")
            return redirect(url_for("destinations.test", destination_id=destination.id))
    except DeliveryError as error:
        log.warning("destination %s, %s: %s", destination.id, error.step, error.message)
        template, params = error.shown
        fresh, problem = None, gettext(template, **params) if params else gettext(template)
    except RuleBroken as broken:
        problem, code = gettext(broken.message), 422
    return render_template("destinations/host_key.html", row=destination, key=fresh, problem=problem), code


def _without_secret(destination: Destination) -> SftpTarget:
    return SftpTarget(host=destination.host, port=destination.port, username=destination.username, reach=_reach())


@bp.route("/<int:destination_id>/test", methods=["GET", "POST"])
@limiter.limit("60 per hour", methods=["POST"])
@guard("destination:edit", destination=queries.destination)
def test(destination: Destination) -> Page:
    """Runs the test on POST. Asked by htmx it answers with the steps alone."""
    if request.method == "POST":
        _test(destination)
    template = "_test" if request.headers.get("HX-Request") else "test"
    return render_template(f"destinations/{template}.html", row=destination, steps=operations.STEPS)


def _test(destination: Destination) -> None:
    try:
        where = target(destination, _vault(), _reach())
    except VaultError as error:
        log.error("destination %s: %s", destination.id, error)
        done = [Step("login", False, SECRET_LOST)]
    else:
        db.session.commit()  # no transaction while a server is asked
        done = _run(probe(where))
    for step in done:
        if step.error is not None:
            log.warning("destination %s, %s: %s", destination.id, step.name, step.error.message)
    operations.keep_test(destination, done)
    db.session.commit()


def _run(steps: Generator[Step]) -> list[Step]:
    limit, done = time.monotonic() + WHOLE_TEST_SECONDS, []
    for step in steps:
        done.append(step)
        if time.monotonic() > limit:
            steps.close()
            done.append(Step(_following(step), False, "The server is too slow: the test was ended."))
            break
    return done


def _following(step: Step) -> StepName:
    names = operations.STEPS
    return names[min(names.index(step.name) + 1, len(names) - 1)]


@bp.route("/<int:destination_id>/delete", methods=["GET", "POST"])
@guard("destination:edit", destination=queries.destination)
def delete(destination: Destination) -> Page:
    session = db.session()
    if request.method == "POST":
        try:
            operations.delete(session, current_account(), destination)
        except RuleBroken as broken:
            flash(gettext(broken.message), "danger")
            return redirect(url_for("destinations.show", destination_id=destination.id))
        session.commit()
        flash(gettext("The destination is deleted."), "success")
        return redirect(url_for("destinations.list_destinations"))
    tasks = queries.tasks_of(session, destination)
    return render_template("destinations/delete.html", row=destination, tasks=tasks)


blueprints: tuple[Blueprint, ...] = (bp,)
