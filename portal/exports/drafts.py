"""From a claimed run to its stored files: built once, in one look at the database, kept all together or not at all."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.energy import EnergySource
from portal.core import clock, files
from portal.core.errors import Sentence
from portal.exports import gaps, values
from portal.exports import names as file_names
from portal.exports.claims import Claim, step
from portal.exports.documents import documents
from portal.exports.models import ExportFile, ExportRun
from portal.exports.totals import Totals
from portal.formats.errors import FormatError

PIECE = 1 << 20
MOST_FILES = 5_000  # of a run: each is a transfer of its own, and so many more are a matter for a zip


@dataclass(frozen=True, slots=True)
class Draft:
    """The files of a run, one behind the other in `content`, with their names and sizes in bytes."""

    content: IO[bytes]
    names: Sequence[str]
    sizes: Sequence[int]
    totals: Totals
    values: Sequence[values.Value]


def draft(session: Session, run: ExportRun, content: IO[bytes]) -> Draft:
    """Build the run's files into `content`. FormatError names the meter that cannot be written; SettingsError."""
    totals = Totals()
    names, sizes = write(session, run, content, totals)
    names = [file_names.free_name(session, run, name) for name in names]
    return Draft(content, names, sizes, totals, list(totals.said.values()) if totals.said else [])


def write(
    session: Session,
    run: ExportRun,
    content: IO[bytes],
    totals: Totals,
    sources: Sequence[EnergySource] | None = None,
) -> tuple[list[str], list[int]]:
    """Write the run's files, of all meters of its task or of these, one behind the other into `content`; their names
    and sizes. FormatError, SettingsError."""
    created: datetime = clock.now()
    names: list[str] = []
    sizes: list[int] = []
    for document in documents(session, run, totals, created, sources):
        if len(names) == MOST_FILES:
            raise FormatError(
                None, "There are more than %(most)s files: choose one file, or a zip.", most=str(MOST_FILES)
            )
        begins_at = content.tell()
        for chunk in document.content:
            content.write(chunk)
        sizes.append(content.tell() - begins_at)
        names.append(_free(document.name, names))
    return names, sizes


def _free(name: str, names: Sequence[str]) -> str:
    return name if name not in names else file_names.numbered(name, len(names))


def keep(session: Session, held: Claim, drafted: Draft) -> None:
    """Store the files and what they say, as one step of the run. LeaseLost. The caller commits."""
    drafted.content.seek(0)
    session.execute(sa.delete(ExportFile).where(ExportFile.run_id == held.run_id))
    for position, (name, size) in enumerate(zip(drafted.names, drafted.sizes, strict=True)):
        kept = files.keep(session, name, part(drafted.content, size))
        session.add(
            ExportFile(
                run_id=held.run_id, position=position, name=name, file_id=kept.id, size=kept.size, sha256=kept.sha256
            )
        )
    values.keep(session, held.run_id, drafted.values)
    gaps.keep(session, held.run_id, drafted.totals.gaps.kept)
    size = sum(drafted.sizes)
    known = {"built_at": clock.now(), "size": size, "reason": {}, **drafted.totals.values()}
    known["gap_count"] = drafted.totals.gaps.count
    if len(drafted.names) == 1:
        done = Sentence("%(name)s, %(size)s bytes", {"name": drafted.names[0], "size": size})
    else:
        done = Sentence("%(files)s files, %(size)s bytes", {"files": len(drafted.names), "size": size})
    step(session, held, "built", done, known)


def part(content: IO[bytes], size: int) -> Iterator[bytes]:
    """The next `size` bytes, piece by piece."""
    while size:
        piece = content.read(min(PIECE, size))
        size -= len(piece)
        yield piece


def temporary() -> IO[bytes]:
    """A file that is gone when it is closed."""
    return tempfile.TemporaryFile()
