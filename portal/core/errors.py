"""What can be wrong with a request or a rule, as types that every entry point understands."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class NotThere(Exception):
    """The row does not exist, or the actor may not know that it does: both answer 404, alike to the byte."""


class NotAllowed(Exception):
    """The actor may see the row but not do this to it: 403."""


class RuleBroken(Exception):
    """A rule of the domain refuses what was asked.

    `field` names the form field at fault ("" for the whole form), `message` is the English sentence, a gettext
    key whose placeholders `params` fills. Raised by operations before anything is written.
    """

    def __init__(self, field: str, message: str, **params: object) -> None:
        super().__init__(message % params if params else message)
        self.field = field
        self.message = message
        self.params: Mapping[str, object] = params


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one plain sentence for the operator."""


class Sentence(NamedTuple):
    """An English sentence that is kept for later readers: its gettext key and what fills the placeholders."""

    template: str
    params: Mapping[str, Any] = {}

    def __str__(self) -> str:
        return self.template % self.params if self.params else self.template

    def kept(self) -> dict[str, Any]:
        """As it is stored, to be read back by `portal.core.display.worded`."""
        return {"template": self.template, "params": dict(self.params)}


def N_(message: str) -> str:  # noqa: N802  gettext's customary name
    """The message as it is: marks an English text for extraction where it is translated later."""
    return message
