"""Words of exports for the reader."""

from flask_babel import lazy_gettext as _l

from portal.exports.models import Corrections, Files, Format, RunKind, RunState, Scope, Trigger
from portal.exports.periods import Interval

FORMATS = {
    Format.ESL_XML.value: _l("IS-E (ESL XML)"),
    Format.ISE_PAIR.value: _l("IS-E pair: daily values (XML) and quarter hours (CSV)"),
    Format.ISE_XML.value: _l("IS-E daily values (XML)"),
    Format.ISE_CSV.value: _l("IS-E quarter hours (CSV)"),
    Format.SDAT.value: _l("SDAT-CH (E66)"),
    Format.MSCONS.value: _l("MSCONS"),
    Format.CSV.value: _l("CSV"),
    Format.XLSX.value: _l("Excel (XLSX)"),
}
FORMAT_TEXTS = {
    Format.ESL_XML.value: _l(
        "ESLBillingData: a register reading per meter and period, for innosolv IS-E and its relatives."
    ),
    Format.ISE_PAIR.value: _l(
        "Both files from the same values: each day in the XML is the sum of its quarter hours in the CSV."
    ),
    Format.ISE_XML.value: _l("One cumulated value per meter and day, for innosolv IS-E."),
    Format.ISE_CSV.value: _l("Every quarter hour of every meter with its status, for innosolv IS-E."),
    Format.SDAT.value: _l("Quarter hours as the Swiss energy market exchanges them: a document per meter and day."),
    Format.MSCONS.value: _l("EDIFACT: load profile, energy of the period, or meter reading."),
    Format.CSV.value: _l("Columns, separators and times as you choose them; per period or quarter hour."),
    Format.XLSX.value: _l("A workbook for people, with the columns of CSV."),
}
IDENTIFIER_TEXTS = {
    "device_location_id": _l("The id in IS-E."),
    "factory_no": _l("The manufacturing number."),
    "internal_no": _l("An internal number."),
    "metering_code": _l("The code agreed with the utility."),
}
FILES = {
    "": _l("As usual for the format"),
    Files.TASK.value: _l("One file"),
    Files.METER.value: _l("A file per meter"),
    Files.DAY.value: _l("A file per day"),
    Files.METER_AND_DAY.value: _l("A file per meter and day"),
}
PACKINGS = {"": _l("Not packed"), "gzip": _l("gzip (.gz)"), "zip": _l("zip (.zip)")}
MSCONS_KINDS = {
    "profile_22e": _l("Load profile, version 2.2e"),
    "profile": _l("Load profile, version 2.4c (13025)"),
    "energy": _l("Energy of the period, version 2.4c (13019)"),
    "reading": _l("Meter reading, version 2.4c (13017)"),
}
SCHEMES = {"eic": _l("EIC"), "gln": _l("GLN"), "bdew": _l("BDEW code number")}
SCOPES = {Scope.CHARGING_POINTS.value: _l("Charging points"), Scope.DRIVER.value: _l("One driver")}
TRIGGERS = {
    Trigger.ALL_VALUES.value: _l("When all values are there"),
    Trigger.HOURS_AFTER_END.value: _l("Some hours after the end, whatever is missing"),
}
CORRECTIONS = {
    Corrections.CONFIRM.value: _l("Send a correction after confirmation"),
    Corrections.AUTOMATIC.value: _l("Send a correction by itself"),
    Corrections.NEVER.value: _l("Never send a correction by itself or ask for one"),
}
INTERVALS = {
    Interval.DAILY.value: _l("Daily"),
    Interval.WEEKLY.value: _l("Weekly, from Monday"),
    Interval.MONTHLY.value: _l("Monthly"),
}
RUN_STATES = {
    RunState.PROPOSED.value: _l("Correction to confirm"),
    RunState.SET_ASIDE.value: _l("Set aside"),
    RunState.WAITING.value: _l("Waiting"),
    RunState.DUE.value: _l("Due"),
    RunState.WORKING.value: _l("Running"),
    RunState.UPLOADED.value: _l("Uploaded"),
    RunState.DELIVERED.value: _l("Delivered"),
    RunState.FAILED.value: _l("Error"),
}
RUN_KINDS = {
    "working": "running",
    "uploaded": "running",
    "failed": "error",
    "proposed": "correction",
}  # run state -> kind of the badge
REVISIONS = {
    RunKind.SCHEDULE.value: _l("First delivery"),
    RunKind.CORRECTION.value: _l("Correction"),
    RunKind.REQUEST.value: _l("On request"),
}
STEPS = {
    "waiting": _l("Waiting"),
    "told": _l("Owner told that it waits"),
    "built": _l("File built"),
    "set_aside": _l("Set aside"),
    "uploading": _l("Upload begun"),
    "uploaded": _l("Uploaded"),
    "renamed": _l("Given another name"),
    "moved": _l("Begun anew"),
    "delivered": _l("Delivered"),
    "build": _l("Building the file"),
    "resolve": _l("Finding the server"),
    "connect": _l("Connecting"),
    "host_key": _l("Comparing the host key"),
    "certificate": _l("Checking the certificate"),
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
    "register_kwh": _l("Running virtual register in kWh at the end of the period"),
    "measured": _l("Quarter hours measured"),
    "substitute": _l("Quarter hours substituted"),
    "missing": _l("Quarter hours missing"),
    "completeness": _l("Completeness in percent"),
    "status": _l("Status W, E or F"),
}
ISE_COLUMNS = {
    "identifier": _l("Identifier of the meter"),
    "obis": _l("OBIS code"),
    "stamp": _l("End of the quarter hour"),
    "start": _l("Start of the quarter hour"),
    "energy_kwh": _l("Energy in kWh"),
    "energy_wh": _l("Energy in Wh"),
    "status": _l("Status W, E or F"),
}
DIGESTS = {
    "attention": _l("Only when something needs me"),
    "daily": _l("Every day"),
    "never": _l("Never"),
}
DIGEST_TEXTS = {
    "attention": _l("A failure, a pause, a long wait, or a correction to confirm."),
    "daily": _l("Also what was delivered, and that all is well."),
    "never": _l("Mails about trouble and its end are sent all the same."),
}
EVENTS = {
    "export.delivered": _l("Delivered"),
    "export.failed": _l("Error"),
    "export.paused": _l("Paused"),
    "export.recovered": _l("Delivers again"),
    "export.correction": _l("Correction"),
    "test": _l("Test"),
}
