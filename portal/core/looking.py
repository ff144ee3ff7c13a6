"""An uploaded file that its account looks at before anything is done with it; one at a time of each kind."""

from dataclasses import dataclass

from flask import session

from portal.core import files
from portal.core.db import LARGEST_ID, db


@dataclass(frozen=True)
class LookedAt:
    """`key` names the kind in the account's session, `file_name` the file as it is stored. The caller commits."""

    key: str
    file_name: str

    def keep(self, data: bytes) -> None:
        """Keep the file in the place of an earlier one."""
        self.discard()
        session[self.key] = files.keep(db.session(), self.file_name, [data]).id

    def data(self) -> bytes:
        """What the file holds; nothing without one."""
        file_id = session.get(self.key)
        if not isinstance(file_id, int) or file_id > LARGEST_ID:
            return b""
        return b"".join(files.chunks(db.session(), file_id))

    def discard(self) -> None:
        file_id = session.pop(self.key, None)
        if isinstance(file_id, int):
            files.discard(db.session(), file_id)
