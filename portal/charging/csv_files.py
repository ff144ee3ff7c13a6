"""Delimited text files, read as a stream: plain or gzip, in any of the encodings below. Pure."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

from charset_normalizer import from_bytes

from portal.charging.table_shape import (
    DEFAULT_LIMITS,
    FileFault,
    FileProblem,
    Limits,
    TableRow,
    TableShape,
    layout,
)

ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "cp1252",
    "iso-8859-1",
    "cp850",
    "mac-roman",
)
SEPARATORS = (";", "\t", "|", ",")

_SAMPLE_BYTES = 256 * 1024
_LEGACY_SAMPLE_BYTES = 16 * 1024
_CHUNK = 64 * 1024
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\x0c\x1a")
_DIGIT_COMMA_DIGIT = re.compile(r"(?<=\d),(?=\d)")


class CsvRows(Iterator[TableRow]):
    """All rows of a delimited file from its table's first line on; blank lines are passed over.

    Raises FileProblem when a line cannot be decoded or the file ends inside quotes. The memory it needs does
    not depend on the file's size. `position` of `size` bytes are read: of the file as stored.
    """

    def __init__(self, stream: BinaryIO, shape: TableShape, limits: Limits = DEFAULT_LIMITS) -> None:
        self.size = stream_size(stream)
        self._stream, self._shape, self._limits = stream, shape, limits
        self._exhausted = False
        self._count = 0
        self._reader = csv.reader(
            self._lines(_text(stream, shape.packed, shape.encoding, limits)),
            delimiter=shape.separator,
            quotechar=shape.quote,
        )

    @property
    def position(self) -> int:
        """Bytes of the stored file that are consumed, at most `size`."""
        return min(self._stream.tell(), self.size)

    def _lines(self, text: io.TextIOWrapper) -> Iterator[str]:
        yield from text
        self._exhausted = True

    def __next__(self) -> TableRow:
        while True:
            line = self._reader.line_num + 1
            cells = self._cells(line)
            if line < self._shape.first_line or not any(cell.strip() for cell in cells):
                continue
            self._count += 1
            if self._count > self._limits.rows:
                raise FileProblem(FileFault.TOO_MANY_ROWS, limit=self._limits.rows)
            return TableRow(line, tuple(cells))

    def _cells(self, line: int) -> list[str]:
        try:
            cells = next(self._reader)
        except UnicodeDecodeError:
            _check_encoding(self._stream, self._shape.packed, self._shape.encoding, self._limits)
            raise
        except csv.Error as error:
            raise FileProblem(FileFault.CELL_TOO_LONG, line=line) from error
        # The last row is handed out before the reader asks for a further line; when it did ask, the quotes
        # that opened in this row were never closed and have swallowed the rest of the file.
        if self._exhausted:
            raise FileProblem(FileFault.UNCLOSED_QUOTE, line=line)
        return cells


def detect_csv(
    stream: BinaryIO, packed: bool, encoding: str | None, separator: str | None, limits: Limits
) -> TableShape:
    """How this text file is written; `encoding` and `separator` overrule what the file suggests."""
    head = _unpacked(stream, packed, limits).read(_SAMPLE_BYTES)
    if not head.strip(b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"):
        raise FileProblem(FileFault.EMPTY)
    encoding = encoding or _detect_encoding(stream, packed, head, limits)
    if encoding not in ENCODINGS:
        raise FileProblem(FileFault.UNKNOWN_ENCODING, encoding=encoding)
    _check_encoding(stream, packed, encoding, limits)
    sample = _whole_lines(codecs.getincrementaldecoder(encoding)().decode(head), len(head) < _SAMPLE_BYTES)
    hint = re.match(r"sep=(.)\r?\n?", sample)
    separator = separator or (hint[1] if hint else _separator(sample))
    quote = _quote(sample, separator)
    rows = _sample_rows(sample, separator, quote)
    table = layout(rows[1:] if hint else rows, limits)
    return TableShape(
        kind="csv",
        encoding=encoding,
        separator=separator,
        quote=quote,
        decimal_mark=table.decimal_mark,
        header=table.header,
        columns=table.columns,
        first_line=table.first_line,
        packed=packed,
        first_rows=table.data[:20],
    )


def stream_size(stream: BinaryIO) -> int:
    """Length of a seekable stream in bytes; leaves it at its beginning."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return size


class _Unpacked(io.RawIOBase):
    """The file's bytes, unpacked and counted; closing it leaves the caller's stream open."""

    def __init__(self, stream: BinaryIO, packed: bool, limit: int) -> None:
        stream.seek(0)
        self._source = gzip.GzipFile(fileobj=stream) if packed else stream
        self._limit = limit
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._source.read(len(buffer))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileProblem(FileFault.DAMAGED, format="gzip") from error
        self._count += len(data)
        if self._count > self._limit:
            raise FileProblem(FileFault.UNPACKS_TOO_LARGE, limit=self._limit)
        buffer[: len(data)] = data
        return len(data)


def _unpacked(stream: BinaryIO, packed: bool, limits: Limits) -> io.BufferedReader:
    return io.BufferedReader(_Unpacked(stream, packed, limits.unpacked_bytes), _CHUNK)


def _text(stream: BinaryIO, packed: bool, encoding: str, limits: Limits) -> io.TextIOWrapper:
    # newline="" ends lines at CR, LF and CRLF alike and hands the breaks inside quotes on as they are.
    return io.TextIOWrapper(_unpacked(stream, packed, limits), encoding=encoding, newline="")


def _detect_encoding(stream: BinaryIO, packed: bool, head: bytes, limits: Limits) -> str:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head:
        return _utf16_without_mark(head)
    if sum(byte in _CONTROL for byte in head) > len(head) // 50:
        raise FileProblem(FileFault.BINARY)
    if _undecodable_line(_unpacked(stream, packed, limits), "utf-8") is None:
        return "utf-8"
    return _legacy_encoding(stream, packed, limits)


def _utf16_without_mark(head: bytes) -> str:
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > len(head) // 4 and not even:
        return "utf-16-le"
    if even > len(head) // 4 and not odd:
        return "utf-16-be"
    raise FileProblem(FileFault.BINARY)


def _legacy_encoding(stream: BinaryIO, packed: bool, limits: Limits) -> str:
    """Which 8-bit encoding: cp1252 unless it cannot be, or reads clearly worse than a DOS or Mac page."""
    matches = from_bytes(
        _lines_beyond_ascii(_unpacked(stream, packed, limits)), cp_isolation=["cp1252", "cp850", "mac_roman"]
    )
    chaos = {match.encoding: match.chaos for match in matches}
    best = matches.best()
    if best is not None and chaos.get("cp1252", 1.0) > best.chaos + 0.02:
        return best.encoding.replace("_", "-")
    undefined = _undecodable_line(_unpacked(stream, packed, limits), "cp1252")
    return "cp1252" if undefined is None else "iso-8859-1"


def _lines_beyond_ascii(source: io.BufferedReader) -> bytes:
    found = bytearray()
    while len(found) < _LEGACY_SAMPLE_BYTES and (line := source.readline(_CHUNK)):
        if not line.isascii():
            found += line[:_LEGACY_SAMPLE_BYTES]
    return bytes(found)


def _check_encoding(stream: BinaryIO, packed: bool, encoding: str, limits: Limits) -> None:
    line = _undecodable_line(_unpacked(stream, packed, limits), encoding)
    if line is not None:
        raise FileProblem(FileFault.UNDECODABLE, line=line, encoding=encoding)


def _undecodable_line(source: io.BufferedReader, encoding: str) -> int | None:
    """The first line with bytes that this encoding does not know, or None when the whole file is sound."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    line, final = 1, False
    while not final:
        chunk = source.read(_CHUNK)
        final = not chunk
        try:
            line += decoder.decode(chunk, final=final).count("\n")
        except UnicodeDecodeError as error:
            sound = error.object[: error.start].decode(error.encoding, errors="ignore")
            return line + len(re.findall(r"\r\n?|\n", sound))
    return None


def _whole_lines(sample: str, complete: bool) -> str:
    sample = sample.removeprefix("\ufeff")
    if complete:
        return sample
    end = max(sample.rfind("\n"), sample.rfind("\r"))
    return sample[: end + 1] if end >= 0 else sample


def _sample_rows(sample: str, separator: str, quote: str) -> list[TableRow]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=separator, quotechar=quote)
    rows, line = [], 1
    try:
        for cells in reader:
            rows.append(TableRow(line, tuple(cells)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise FileProblem(FileFault.CELL_TOO_LONG, line=line) from error
    return rows


def _separator(sample: str) -> str:
    """The separator that gives most rows the same number of cells, then the most cells.

    A comma that only ever stands between digits is taken for a decimal mark while any other one fits.
    """
    best, best_score = ",", (0, 0.0, 0)
    commas_are_decimal = sample.count(",") == len(_DIGIT_COMMA_DIGIT.findall(sample))
    for separator in SEPARATORS:
        try:
            rows = _sample_rows(sample, separator, '"')
        except FileProblem:
            continue
        widths = Counter(len(row.cells) for row in rows if row.cells)
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        trusted = 0 if separator == "," and commas_are_decimal else 1
        score = (trusted, round(count / widths.total(), 2), width)
        if width > 1 and score > best_score:
            best, best_score = separator, score
    return best


def _quote(sample: str, separator: str) -> str:
    """The apostrophe where it encloses cells in most lines and no double quote stands in the file."""
    if '"' in sample:
        return '"'
    enclosed = sample.count(f"'{separator}'")
    return "'" if enclosed and enclosed * 2 >= len(sample.splitlines()) else '"'
