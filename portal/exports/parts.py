"""The files of a run while they are delivered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core.errors import Sentence
from portal.delivery import sending
from portal.delivery.models import Destination
from portal.exports.models import ExportFile, ExportRun


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the run under delivery. Its temporary name is its own in every attempt, so that a worker that woke up
    late writes into nobody's file, and told apart from another portal's by the content."""

    id: int
    run_id: int
    position: int
    file_id: int
    name: str
    size: int
    sha256: str
    temporary: str
    uploaded_to: str | None
    destination: Destination

    @classmethod
    def of(cls, run: ExportRun, file: ExportFile, attempt: int | None = None) -> "Part":
        """With `attempt` as that attempt uploads it; without, as it lies on the server."""
        known = (file.id, run.id, file.position, file.file_id or 0, file.name, file.size, file.sha256)
        part = cls(*known, file.temporary_name or "", file.uploaded_to, run.task.destination)
        return part if attempt is None else replace(part, temporary=part.temporary_of(attempt))

    def temporary_of(self, attempt: int) -> str:
        """The name under which an attempt uploads the file."""
        own = f"{self.sha256[:12]}-{self.run_id}-{self.position}-{attempt}"
        return sending.temporary_name(self.destination, self.name, own)


def is_there(file: ExportFile, place: str) -> bool:
    """Whether the file needs no upload: it has its name already, or lies aside in the right place."""
    return file.published_at is not None or file.uploaded_to == place


def change(session: Session, part: Part, **values: Any) -> None:
    """Note something of the file, in the transaction in which the run's claim is proved."""
    changed = sa.update(ExportFile).where(ExportFile.id == part.id).values(**values)
    session.execute(changed.execution_options(synchronize_session=False))


def by_number(parts: Sequence[Part], most: int) -> Iterator[Sequence[Part]]:
    """So many parts at a time."""
    for first in range(0, len(parts), most):
        yield parts[first : first + most]


def named(names: Sequence[str]) -> str | Sentence:
    """The one name, or how many there are."""
    if len(names) == 1:
        return names[0]
    return Sentence("%(files)s files", {"files": len(names)})
