"""Why a run waits or failed, and what to do next, as sentences for the reader."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from flask import url_for
from flask_babel import gettext

from portal.core.display import kwh, local_datetime, ngettext, worded
from portal.exports.models import ExportTask
from portal.exports.rights import STOPS
from portal.formats.rows import LABELS


class Advice(NamedTuple):
    """A sentence, and where to go: a link with its label, or two empty texts, and where it helps another one."""

    text: str
    url: str = ""
    label: str = ""
    other_url: str = ""
    other_label: str = ""


def advice(reason: Mapping[str, Any], task: ExportTask, *, reader_id: int, group: str | None) -> Advice:
    """What a reason means to this reader, and who must act. `group`: the station group's name where he may know it.
    Who does not own the task reads no server's words and gets no links, but for the owner of its station group: he
    can let a task go on that has stopped."""
    code, mine = str(reason.get("code", "")), task.owner_id == reader_id
    if not code:
        return Advice("")
    if code in STOPS:
        name = group or gettext("its station group")
        if mine:
            return _stopped_mine(code, reason, name)
        return _stopped(code, reason, task, name, owns=task.station_group.owner_id == reader_id)
    if code == "failed":
        found = _failed(reason, task) if mine else Advice(gettext("A delivery failed. The owner of the task was told."))
    else:
        found = _waiting(code, reason, task)
    return found if mine else Advice(found.text)


def _stopped_mine(code: str, reason: Mapping[str, Any], group: str) -> Advice:
    """For who set up the task."""
    if code == "drivers_hidden":
        text = gettext(
            "The owner of %(group)s no longer shows you its drivers, so nothing more is delivered. Ask there.",
            group=group,
        )
        return Advice(text)
    if code == "authorisation" and reason.get("side") == "own":
        text = gettext("Your licence Authorisation is not active, so nothing more is delivered until it is.")
        return Advice(text, url_for("licences.show"), gettext("Licences"))
    if code == "authorisation":
        return Advice(
            gettext(
                "The other side of %(group)s is not ready, so nothing more is delivered. Ask its owner.", group=group
            )
        )
    return Advice(
        gettext("You may no longer export %(group)s, so nothing more is delivered. Ask its owner.", group=group)
    )


def _stopped(code: str, reason: Mapping[str, Any], task: ExportTask, group: str, *, owns: bool) -> Advice:
    """For everybody else; the owner of the station group is the one who can act."""
    names = {"name": task.owner.name or task.owner.email, "group": group}
    if code == "drivers_hidden":
        text = gettext(
            "The authorisation of %(name)s for %(group)s hides the drivers, so nothing more is delivered.", **names
        )
    elif code == "authorisation" and reason.get("side") == "other":
        if owns:
            text = gettext("Your licence Authorisation is not active, so nothing more is delivered until it is.")
            return Advice(text, url_for("licences.show"), gettext("Licences"))
        text = gettext("The owner of %(group)s is not ready, so nothing more is delivered.", **names)
    elif code == "authorisation":
        text = gettext("%(name)s is not ready, so nothing more is delivered. It is theirs to act.", **names)
    else:
        text = gettext(
            "%(name)s may no longer export %(group)s, so nothing more is delivered. It goes on once the group is "
            "shared with %(name)s again, with Manage stations at least.",
            **names,
        )
    if not owns:
        return Advice(text)
    return Advice(text, url_for("sharing.list_grants", station_group_id=task.station_group_id), gettext("Sharing"))


def _failed(reason: Mapping[str, Any], task: ExportTask) -> Advice:
    words, at = worded(str(reason.get("message", "")), reason), reason.get("step")
    if at == "internal":
        return Advice(
            gettext("Something went wrong in the portal itself. It is tried again; the operator has a record.")
        )
    if task.borrows_formatter if at == "build" else task.borrows_destination:
        return Advice(gettext("%(words)s Ask who lent it to you.", words=words))
    if at == "build":
        return Advice(
            words, url_for("formatters.edit", formatter_id=task.formatter_id), gettext("Look at the formatter")
        )
    if at in ("host_key", "certificate"):
        url = url_for("destinations.host_key", destination_id=task.destination_id)
        return Advice(words, url, gettext("Compare host key or certificate"))
    if at == "login":
        url = url_for("destinations.log_in", destination_id=task.destination_id)
        return Advice(words, url, gettext("Enter the secret again"))
    url = url_for("destinations.test", destination_id=task.destination_id)
    return Advice(words, url, gettext("Test the connection"))


def _waiting(code: str, reason: Mapping[str, Any], task: ExportTask) -> Advice:
    group = task.station_group.name
    group_url = url_for("station_groups.show", station_group_id=task.station_group_id)
    sentences = {
        "paused": lambda: Advice(gettext("Nothing is sent until it is resumed.")),
        "first_period": lambda: Advice(
            gettext("The first period is not over yet: it ends on %(when)s.", when=local_datetime(task.next_due_at))
        ),
        "unconfirmed": lambda: Advice(gettext("Delivered, but a crash left it unknown whether the file arrived.")),
        "licence": lambda: Advice(
            gettext("The licence Auto-export is missing. Everything is sent once it is active."),
            url_for("licences.show"),
            gettext("Licences"),
        ),
        "correction": lambda: _correction(reason),
        "no_difference": lambda: Advice(gettext("Nothing differs any more from what was sent: nothing to correct.")),
        "host_key": lambda: _unconfirmed(task),
        "not_lent": lambda: _not_lent(reason, task),
        "no_connectors": lambda: Advice(
            gettext("There is no charging point in %(group)s.", group=group),
            group_url,
            gettext("Open the station group"),
        ),
        "no_driver": lambda: Advice(
            gettext("The owner of %(group)s knows no driver %(user)s.", group=group, user=reason.get("user", ""))
        ),
        "identifier": lambda: Advice(_unnamed(reason), *_entered_at(reason, task)),
        "meters": lambda: Advice(
            gettext("%(meter)s: %(words)s", meter=reason.get("meter", ""), words=worded("", reason)),
            *_entered_at(reason, task),
        ),
        "values": lambda: Advice(
            _values(reason), *_entered_at(reason, task), url_for("imports.create"), gettext("Import sessions")
        ),
    }
    return sentences.get(code, lambda: Advice(""))()


def _entered_at(reason: Mapping[str, Any], task: ExportTask) -> tuple[str, str]:
    """The meter that the reason names, as a link: the charging point, or the driver for the owner of the stations."""
    if "connector_id" in reason:
        return url_for("connectors.show", connector_id=reason["connector_id"]), gettext("Open the charging point")
    if "driver_id" in reason and task.station_group.owner_id == task.owner_id:
        return url_for("drivers.edit", driver_id=reason["driver_id"]), gettext("Open the driver")
    url = url_for("station_groups.show", station_group_id=task.station_group_id)
    return url, gettext("Open the station group")


def _unconfirmed(task: ExportTask) -> Advice:
    text = gettext("The host key or certificate of the destination is not confirmed.")
    if task.borrows_destination:
        return Advice(gettext("%(words)s Ask who lent it to you.", words=text))
    url = url_for("destinations.host_key", destination_id=task.destination_id)
    return Advice(text, url, gettext("Compare host key or certificate"))


def _not_lent(reason: Mapping[str, Any], task: ExportTask) -> Advice:
    name = str(reason.get("name", ""))
    text = gettext("%(name)s is no longer lent to you. Ask its owner, or choose another one.", name=name)
    return Advice(text, url_for("exports.edit_task", task_id=task.id), gettext("Edit the task"))


def _correction(reason: Mapping[str, Any]) -> Advice:
    if not reason.get("difference_wh"):
        text = ngettext(
            "Quarter hours of %(num)s meter are others than those that were sent; the sum is the same.",
            "Quarter hours of %(num)s meters are others than those that were sent; the sum is the same.",
            int(reason.get("meters", 1)),
        )
    else:
        text = ngettext(
            "Values of %(num)s meter have changed since they were sent: %(difference)s.",
            "Values of %(num)s meters have changed since they were sent: %(difference)s.",
            int(reason.get("meters", 1)), difference=kwh(int(reason["difference_wh"])),
        )  # fmt: skip
    run_id = reason.get("run_id")
    return Advice(text, url_for("exports.show_run", run_id=run_id), gettext("Look at it")) if run_id else Advice(text)


def _unnamed(reason: Mapping[str, Any]) -> str:
    names = {"meter": reason.get("meter", ""), "identifier": LABELS.get(str(reason.get("identifier")), "")}
    return str(ngettext(
        "%(meter)s has no %(identifier)s.", "%(num)s meters have no %(identifier)s, such as %(meter)s.",
        int(reason.get("of", 1)), **names,
    ))  # fmt: skip


def _values(reason: Mapping[str, Any]) -> str:
    try:
        since = local_datetime(datetime.fromisoformat(str(reason.get("since"))))
    except ValueError:
        since = "–"
    return str(ngettext(
        "Waiting for values of %(meter)s from %(since)s on.",
        "Waiting for values of %(num)s meters, such as %(meter)s from %(since)s on.",
        int(reason.get("lacking", 1)), meter=reason.get("meter", ""), since=since,
    ))  # fmt: skip
