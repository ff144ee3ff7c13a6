"""Table files of any kind: what they look like, and their rows as a stream. Pure.

The session import is built on `detect` and `rows`; neither ever holds a file in memory.
"""

import io
from typing import BinaryIO

from portal.charging.csv_files import ENCODINGS, SEPARATORS, CsvRows, detect_csv, stream_size
from portal.charging.table_shape import (
    DEFAULT_LIMITS,
    UNCLEAR,
    Cell,
    FileFault,
    FileProblem,
    Limits,
    TableRow,
    TableShape,
)
from portal.charging.xlsx_files import XlsxRows, detect_xlsx

__all__ = [
    "DEFAULT_LIMITS",
    "ENCODINGS",
    "SEPARATORS",
    "UNCLEAR",
    "Cell",
    "FileFault",
    "FileProblem",
    "Limits",
    "TableRow",
    "TableShape",
    "detect",
    "rows",
]

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1")
_OTHER_BINARIES = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"Rar!", b"7z\xbc\xaf", b"BZh", b"\xfd7zXZ")


def detect(
    stream: BinaryIO,
    file_name: str,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    sheet: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> TableShape:
    """How the file is written: its kind by its content, never by its name alone.

    The stream must be seekable and is left open at an unknown position. `encoding`, `separator` and `sheet`
    are the user's own choice over what the file suggests. A whole text file is decoded once, so that a wrong
    encoding is known with its line before anything is imported. Raises FileProblem, nothing else.
    """
    size = stream_size(stream)
    head = stream.read(8)
    if not size:
        raise FileProblem(FileFault.EMPTY)
    if size > limits.file_bytes:
        raise FileProblem(FileFault.TOO_LARGE, size=size, limit=limits.file_bytes)
    if head.startswith(_COMPOUND):
        raise FileProblem(FileFault.PASSWORD if _is_encrypted(stream) else FileFault.OLD_EXCEL)
    if head.startswith((_ZIP, _EMPTY_ZIP)):
        return detect_xlsx(stream, sheet, limits)
    if file_name.lower().endswith((".xlsx", ".xlsm")):
        raise FileProblem(FileFault.NOT_A_WORKBOOK)
    if head.startswith(_OTHER_BINARIES):
        raise FileProblem(FileFault.BINARY)
    return detect_csv(stream, head.startswith(_GZIP), encoding, separator, limits)


def rows(stream: BinaryIO, shape: TableShape, limits: Limits = DEFAULT_LIMITS) -> CsvRows | XlsxRows:
    """The data rows below the header, one at a time, with `position` and `size` in bytes for progress.

    Ragged rows come as they are. Raises FileProblem while iterating when the file turns out to be damaged.
    """
    found: CsvRows | XlsxRows
    found = XlsxRows(stream, shape, limits) if shape.kind == "xlsx" else CsvRows(stream, shape, limits)
    if shape.header:
        next(found, None)
    return found


def _is_encrypted(stream: BinaryIO) -> bool:
    """A workbook with a password is a compound file with a stream of this name (ECMA-376, MS-OFFCRYPTO)."""
    name, tail = "EncryptedPackage".encode("utf-16-le"), b""
    stream.seek(0, io.SEEK_SET)
    while chunk := stream.read(256 * 1024):
        if name in tail + chunk:
            return True
        tail = chunk[-len(name) :]
    return False
