"""Destinations: set up, log in, host key or certificate, connection test, lending."""

import logging
import time
from collections.abc import Generator, Sequence

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.core import clock, forms
from portal.core.config import Settings
from portal.core.db import db
from portal.core.errors import NotThere, RuleBroken
from portal.core.vault import Vault, VaultError
from portal.core.web import guard, limiter, takes_files
from portal.delivery import labels, operations, queries
from portal.delivery.forms import DestinationForm, KeyForm, LendForm, PasswordForm
from portal.delivery.loans import DESTINATIONS
from portal.delivery.models import Destination, DestinationLoan, Login, Protocol
from portal.delivery.sending import SECRET_LOST, look_at_peer, probe, reach, target
from portal.transports import DeliveryError, PeerChangedError, StepName
from portal.transports.addresses import Reach
from portal.transports.probing import Step
from portal.transports.sftp import HostKey

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
    session = db.session()
    rows = queries.destinations(session, current_user.id)
    lent = [each for each in DESTINATIONS.usable(session, current_user.id) if each.lent_by]
    return render_template("destinations/list.html", rows=rows, lent=lent, labels=labels)


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
    return render_template("destinations/create.html", form=form, labels=labels), 422 if form.errors else 200


@bp.get("/<int:destination_id>")
@guard("destination:list", destination=queries.destination)
def show(destination: Destination) -> Page:
    return _shown(destination, LendForm())


def _shown(destination: Destination, form: LendForm) -> Page:
    session = db.session()
    tasks, lent = queries.tasks_of(session, destination), DESTINATIONS.loans(session, destination)
    page = render_template("destinations/show.html", row=destination, tasks=tasks, loans=lent, form=form, labels=labels)
    return page, 422 if form.errors else 200


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
    return render_template(
        "destinations/edit.html", form=form, row=destination, labels=labels
    ), 422 if form.errors else 200


@bp.route("/<int:destination_id>/log-in", methods=["GET", "POST"])
@takes_files
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
            fields = (form.key(), form.passphrase.data or "")
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
    step = "test" if destination.peer_is_known else "host_key"
    return redirect(url_for(f"destinations.{step}", destination_id=destination.id))


@bp.route("/<int:destination_id>/host-key", methods=["GET", "POST"])
@limiter.limit("60 per hour")
@guard("destination:edit", destination=queries.destination)
def host_key(destination: Destination) -> Page:
    """Shows the server's host key or certificate; what was shown comes back and is compared with a fresh look."""
    problem, code, fresh = "", 200, None
    db.session.commit()  # no transaction while a server is asked
    try:
        fresh = look_at_peer(destination, _reach())
        if request.method == "POST":
            compared = (request.form.get("type", ""), request.form.get("fingerprint", ""))
            operations.confirm_peer(db.session(), current_account(), destination, compared, fresh)
            db.session.commit()
            is_key = isinstance(fresh, HostKey)
            flash(
                gettext("The host key is confirmed.") if is_key else gettext("The certificate is confirmed."), "success"
            )
            return redirect(url_for("destinations.test", destination_id=destination.id))
    except DeliveryError as error:
        log.warning("destination %s, %s: %s", destination.id, error.step, error.message)
        template, params = error.shown
        problem = gettext(template, **params) if params else gettext(template)
    except RuleBroken as broken:
        problem, code = gettext(broken.message), 422
    page = "certificate" if Protocol(destination.protocol).is_ftps else "host_key"
    return render_template(
        f"destinations/{page}.html", row=destination, key=fresh, problem=problem, now=clock.now()
    ), code


@bp.route("/<int:destination_id>/test", methods=["GET", "POST"])
@limiter.limit("60 per hour", methods=["POST"])
@guard("destination:edit", destination=queries.destination)
def test(destination: Destination) -> Page:
    """Runs the test on POST. Asked by htmx it answers with the steps alone."""
    if request.method == "POST":
        _test(destination)
    template = "_test" if request.headers.get("HX-Request") else "test"
    steps, tasks = operations.steps_of(destination), queries.tasks_of(db.session(), destination)
    return render_template(f"destinations/{template}.html", row=destination, steps=steps, tasks=tasks)


def _test(destination: Destination) -> None:
    try:
        where = target(destination, _vault(), _reach())
    except VaultError as error:
        log.error("destination %s: %s", destination.id, error)
        done = [Step("login", False, SECRET_LOST)]
    else:
        db.session.commit()  # no transaction while a server is asked
        done = _run(probe(where), operations.steps_of(destination))
    for step in done:
        if step.error is not None:
            log.warning("destination %s, %s: %s", destination.id, step.name, step.error.message)
        if isinstance(step.error, PeerChangedError):
            operations.keep_change(db.session(), destination, step.error)
    operations.keep_test(destination, done)
    db.session.commit()


def _run(steps: Generator[Step], names: Sequence[StepName]) -> list[Step]:
    limit, done = time.monotonic() + WHOLE_TEST_SECONDS, []
    for step in steps:
        done.append(step)
        if time.monotonic() > limit:
            steps.close()
            done.append(Step(_following(step, names), False, "The server is too slow: the test was ended."))
            break
    return done


def _following(step: Step, names: Sequence[StepName]) -> StepName:
    return names[min(names.index(step.name) + 1, len(names) - 1)]


@bp.post("/<int:destination_id>/lend")
@guard("destination:edit", destination=queries.destination)
def lend(destination: Destination) -> Page:
    form = LendForm()
    if form.validate_on_submit():
        try:
            DESTINATIONS.lend(db.session(), current_account(), destination, form.email.data or "")
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            db.session.commit()
            flash(gettext("The destination is lent by its name."), "success")
            return redirect(url_for("destinations.show", destination_id=destination.id))
    return _shown(destination, form)


@bp.post("/<int:destination_id>/loans/<int:destination_loan_id>/end")
@guard("destination:edit", destination=queries.destination, destination_loan=DESTINATIONS.loan)
def end_loan(destination: Destination, destination_loan: DestinationLoan) -> Response:
    if destination_loan.destination_id != destination.id:
        raise NotThere
    DESTINATIONS.end(db.session(), current_account(), destination, destination_loan)
    db.session.commit()
    flash(gettext("The destination is lent to this address no longer."), "success")
    return redirect(url_for("destinations.show", destination_id=destination.id))


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
