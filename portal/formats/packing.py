"""Files made smaller: gzip and zip, written as the content comes, the same bytes for the same content."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, Literal

Packing = Literal["", "gzip", "zip"]
SUFFIXES: Final[dict[str, str]] = {"": "", "gzip": ".gz", "zip": ".zip"}

EARLIEST: Final = (1980, 1, 1, 0, 0, 0)  # of zip; a real time would give other bytes each time
LEVEL: Final = 6
READABLE: Final = 0o644 << 16


def packed(packing: Packing, name: str, content: Iterable[bytes]) -> Iterator[bytes]:
    """The file as it is, as gzip, or as a zip that holds it under `name`."""
    if packing == "gzip":
        return gzipped(content)
    if packing == "zip":
        return zipped([(name, content)])
    return iter(content)


def gzipped(content: Iterable[bytes]) -> Iterator[bytes]:
    """One gzip member without name or time."""
    press = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in content:
        if pressed := press.compress(piece):
            yield pressed
    yield press.flush()


def zipped(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """A zip of these files, names and contents, without times; each is read when its turn comes."""
    out = _Out()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, READABLE, 3
            with archive.open(entry, "w", force_zip64=True) as inside:
                for piece in content:
                    inside.write(piece)
                    if held := out.taken():
                        yield held
    if held := out.taken():
        yield held


class _Out(io.RawIOBase):
    """What was written since it was last taken. It cannot seek, so that nothing written is gone back to."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # no other buffer comes
        self._held += data
        return len(data)

    def taken(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held
