"""What a format refuses."""

from __future__ import annotations


class FormatError(ValueError):
    """The rows cannot be written as they are.

    `meter` is the name of the meter at fault, None where no single meter is; `message` is an English
    sentence for the owner. What was written so far is not a file: throw it away.
    """

    def __init__(self, meter: str | None, message: str) -> None:
        super().__init__(f"{meter}: {message}" if meter is not None else message)
        self.meter = meter
        self.message = message


class SettingsError(ValueError):
    """A formatter's setting is not usable: `field` names the setting, `message` says what to enter."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
