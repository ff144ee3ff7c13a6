"""Words of exports for the reader."""

from flask_babel import lazy_gettext as _l

from portal.exports.models import Format, RunState, Scope, Trigger
from portal.exports.periods import Interval

FORMATS = {Format.ESL_XML.value: _l("IS-E (ESL XML)"), Format.CSV.value: _l("CSV")}
SCOPES = {Scope.CHARGING_POINTS.value: _l("Charging points"), Scope.DRIVER.value: _l("One driver")}
TRIGGERS = {
    Trigger.ALL_VALUES.value: _l("When all values are there"),
    Trigger.HOURS_AFTER_END.value: _l("Some hours after the end, whatever is missing"),
}
INTERVALS = {
    Interval.DAILY.value: _l("Daily"),
    Interval.WEEKLY.value: _l("Weekly, from Monday"),
    Interval.MONTHLY.value: _l("Monthly"),
}
RUN_STATES = {
    RunState.WAITING.value: _l("Waiting"),
    RunState.DUE.value: _l("Due"),
    RunState.WORKING.value: _l("Running"),
    RunState.UPLOADED.value: _l("Uploaded"),
    RunState.DELIVERED.value: _l("Delivered"),
    RunState.FAILED.value: _l("Error"),
}
RUN_KINDS = {"working": "running", "uploaded": "running", "failed": "error"}  # run state -> kind of the badge
STEPS = {
    "waiting": _l("Waiting"),
    "built": _l("File built"),
    "uploading": _l("Upload begun"),
    "uploaded": _l("Uploaded"),
    "renamed": _l("Given another name"),
    "moved": _l("Begun anew"),
    "delivered": _l("Delivered"),
    "build": _l("Building the file"),
    "resolve": _l("Finding the server"),
    "connect": _l("Connecting"),
    "host_key": _l("Comparing the host key"),
    "login": _l("Logging in"),
    "directory": _l("Opening the directory"),
    "write": _l("Writing"),
    "size": _l("Checking the size"),
    "rename": _l("Renaming"),
    "delete": _l("Deleting"),
    "read": _l("Reading"),
    "internal": _l("In the portal"),
}
COLUMNS = {
    "identifier": _l("Identifier of the meter"),
    "name": _l("Name of the meter"),
    "obis": _l("OBIS code"),
    "period_start": _l("Start"),
    "period_end": _l("End"),
    "energy_kwh": _l("Energy in kWh"),
    "energy_wh": _l("Energy in Wh"),
    "measured": _l("Quarter hours measured"),
    "substitute": _l("Quarter hours substituted"),
    "missing": _l("Quarter hours missing"),
    "completeness": _l("Completeness in percent"),
    "status": _l("Status W, E or F"),
}
