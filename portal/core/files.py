"""Files kept in the database, in pieces: uploads, delivered files, images.

The database is the only truth and its transaction the only all-or-nothing there is: a row and its file are there
together or not at all, for any number of web and worker processes, and one backup holds both. Pieces of 1 MiB keep
memory flat.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from io import BufferedReader, RawIOBase

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import clock
from portal.core.db import Base

PIECE = 1 << 20


class StoredFile(Base):
    __tablename__ = "stored_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class StoredPiece(Base):
    __tablename__ = "stored_piece"

    file_id: Mapped[int] = mapped_column(sa.ForeignKey("stored_file.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(sa.LargeBinary)


def keep(session: Session, name: str, chunks: Iterable[bytes]) -> StoredFile:
    """Store a stream of bytes; the row carries its size and SHA-256. Nothing is kept before the caller commits."""
    file = StoredFile(name=name[-255:], size=0, sha256="")
    session.add(file)
    session.flush()
    digest, size = hashlib.sha256(), 0
    for position, piece in enumerate(_pieces(chunks)):
        session.execute(sa.insert(StoredPiece).values(file_id=file.id, position=position, data=piece))
        digest.update(piece)
        size += len(piece)
    file.size, file.sha256 = size, digest.hexdigest()
    session.flush()
    return file


def chunks(session: Session, file_id: int) -> Iterator[bytes]:
    """The bytes of a stored file, piece by piece."""
    position = 0
    while (piece := session.scalar(_piece(file_id, position))) is not None:
        yield piece
        position += 1


def opened(session: Session, file: StoredFile) -> BufferedReader:
    """A stored file as a binary stream that reads and seeks, holding one piece at a time in memory."""
    return BufferedReader(_Reader(session, file), PIECE)


def discard(session: Session, file_id: int) -> None:
    session.execute(sa.delete(StoredFile).where(StoredFile.id == file_id))


def _piece(file_id: int, position: int) -> sa.Select[bytes]:
    return sa.select(StoredPiece.data).where(StoredPiece.file_id == file_id, StoredPiece.position == position)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        while len(pending) >= PIECE:
            yield bytes(pending[:PIECE])
            del pending[:PIECE]
    if pending:
        yield bytes(pending)


class _Reader(RawIOBase):
    def __init__(self, session: Session, file: StoredFile) -> None:
        self._session, self._id, self._size, self._at = session, file.id, file.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, (0, self._at, self._size)[whence] + offset)
        return self._at

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer)  # type: ignore[arg-type]  # the io protocol hands over any writable buffer
        piece = self._session.scalar(_piece(self._id, self._at // PIECE)) or b""
        part = piece[self._at % PIECE :][: len(target)]
        target[: len(part)] = part
        self._at += len(part)
        return len(part)
