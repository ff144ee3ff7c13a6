"""Ways out: a file goes to a server, or DeliveryError says at which step it did not."""

from typing import Literal

StepName = Literal["resolve", "connect", "host_key", "login", "directory", "write", "size", "rename", "delete", "read"]

UNREACHABLE = "The server cannot be reached at this address and port, or they are not allowed here."


class DeliveryError(Exception):
    """Why a delivery stopped.

    `step` is one of `StepName`. `message` is a sentence, with the server's own words where it gave any.
    `permanent`: trying again without a human's change is useless. `private`: it happened before a connection
    to an allowed address stood, so `message` is for the operator's log alone (it would make the portal a port
    scanner); `shown` is what the owner of the destination may read.
    """

    def __init__(self, step: StepName, message: str, permanent: bool = False, *, private: bool = False) -> None:
        super().__init__(message)
        self.step: StepName = step
        self.message = message
        self.permanent = permanent
        self.private = private

    @property
    def shown(self) -> str:
        return UNREACHABLE if self.private else self.message


class HostKeyError(DeliveryError):
    """The server's key is not the pinned one; no secret was sent.

    `pinned` and `seen` are fingerprints; `seen` is None if the server offered no key of the pinned type.
    """

    def __init__(self, message: str, pinned: str, seen: str | None) -> None:
        super().__init__("host_key", message, permanent=True)
        self.pinned = pinned
        self.seen = seen


class TemporaryGoneError(DeliveryError):
    """There is no temporary file to rename, while its directory stands.

    Exactly-once rests on this: one rename of one temporary name can succeed, ever. Whoever uploaded it, saw
    its size confirmed and now meets this, knows that an earlier attempt has published it.
    """

    def __init__(self, temporary_name: str) -> None:
        super().__init__("rename", f"{temporary_name} is no longer there.", permanent=True)


class NameTakenError(DeliveryError):
    """A file of the final name is on the server already; it was left as it is."""

    def __init__(self, final_name: str) -> None:
        super().__init__("rename", f"{final_name} exists on the server already.", permanent=True)
