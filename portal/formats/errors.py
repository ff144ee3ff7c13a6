"""What a format refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FormatError(ValueError):
    """The rows cannot be written as they are.

    `meter` is the name of the meter at fault, None where no single meter is; `message` is an English
    sentence for the owner, `template` its gettext key and `params` what fills it, the meter among it.
    What was written so far is not a file: throw it away.
    """

    def __init__(self, meter: str | None, template: str, **params: str) -> None:
        if meter is not None:
            params = {"meter": meter, **params}
        self.message = template % params if params else template
        super().__init__(self.message)
        self.meter = meter
        self.template = template
        self.params: Mapping[str, Any] = params


class SettingsError(ValueError):
    """A formatter's setting is not usable: `field` names the setting, `message` says in English what to enter;
    `template` is its gettext key and `params` what fills it."""

    def __init__(self, field: str, template: str, **params: str | int) -> None:
        self.message = template % params if params else template
        super().__init__(f"{field}: {self.message}")
        self.field = field
        self.template = template
        self.params: Mapping[str, Any] = params
