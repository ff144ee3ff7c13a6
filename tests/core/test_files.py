"""Files in the database: whole, in pieces, as streams."""

import hashlib
import io
import random
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import files
from portal.core.files import PIECE, StoredFile, StoredPiece

LONG = random.Random(1).randbytes(2 * PIECE + 12_345)


@pytest.fixture
def long(session: Session) -> StoredFile:
    """A file of three pieces that arrived in chunks of other sizes."""
    chunks = (LONG[at : at + 300_001] for at in range(0, len(LONG), 300_001))
    kept = files.keep(session, "long.bin", chunks)
    session.commit()
    return kept


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE])
def test_it_comes_back_as_it_went_in(session: Session, size: int) -> None:
    content = LONG[:size]
    kept = files.keep(session, "a.bin", [content])
    session.commit()
    assert b"".join(files.chunks(session, kept.id)) == content
    assert (kept.size, kept.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert files.opened(session, kept).read() == content


def test_a_chunk_may_be_larger_than_a_piece_and_empty(session: Session) -> None:
    kept = files.keep(session, "a.bin", [b"", LONG, b"", b"x"])
    assert b"".join(files.chunks(session, kept.id)) == LONG + b"x"


def test_no_piece_is_larger_than_the_others(session: Session, long: StoredFile) -> None:
    assert [len(piece) for piece in files.chunks(session, long.id)] == [PIECE, PIECE, 12_345]


def test_it_is_stored_while_it_arrives(session: Session) -> None:
    def arriving() -> Iterator[bytes]:
        for at in range(0, len(LONG), PIECE):
            yield LONG[at : at + PIECE]
            stored.append(session.scalar(sa.select(sa.func.count()).select_from(StoredPiece)))

    stored: list[object] = []
    files.keep(session, "a.bin", arriving())
    assert stored == [1, 2, 2]  # the rest, less than a piece, at the end


def test_what_breaks_off_leaves_nothing(session: Session) -> None:
    def breaking() -> Iterator[bytes]:
        yield LONG
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        files.keep(session, "a.bin", breaking())
    session.rollback()
    assert session.query(StoredFile).count() == session.query(StoredPiece).count() == 0


def test_the_stream_seeks_like_a_file(session: Session, long: StoredFile) -> None:
    stream, same = files.opened(session, long), io.BytesIO(LONG)
    places = random.Random(2)
    for _ in range(60):
        whence = places.choice((0, 1, 2))
        offset = places.randrange(PIECE) * (-1 if whence == 2 else 1)
        assert stream.seek(offset, whence) == same.seek(offset, whence)
        count = places.choice((1, 100, PIECE, 2 * PIECE))
        assert stream.read(count) == same.read(count)
        assert stream.tell() == same.tell()


def test_the_stream_ends_and_reads_on_behind_the_end(session: Session, long: StoredFile) -> None:
    stream = files.opened(session, long)
    assert stream.seek(5, 2) == len(LONG) + 5
    assert stream.read() == b""


def test_text_is_read_line_by_line(session: Session) -> None:
    lines = [f"Zeile {number} ä\n" for number in range(100_000)]
    kept = files.keep(session, "a.csv", (line.encode() for line in lines))
    with io.TextIOWrapper(files.opened(session, kept), encoding="utf-8") as text:
        assert list(text) == lines


def test_discarding_it_takes_its_pieces_along(session: Session, long: StoredFile) -> None:
    other = files.keep(session, "other.bin", [b"stays"])
    files.discard(session, long.id)
    session.commit()
    assert [piece.file_id for piece in session.query(StoredPiece)] == [other.id]
    assert list(files.chunks(session, long.id)) == []


def test_a_long_name_keeps_its_end(session: Session) -> None:
    assert files.keep(session, f"{'x' * 300}.csv", []).name == f"{'x' * 251}.csv"
