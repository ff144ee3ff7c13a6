from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Iterator

import pytest

from portal.formats.packing import SUFFIXES, gzipped, packed, zipped

PIECES = [b"name;kWh\r\n", b"", b"x" * 70_000, b"\xff\x00"]


def test_gzip_is_read_back_and_names_no_time() -> None:
    file = b"".join(gzipped(PIECES))
    assert gzip.decompress(file) == b"".join(PIECES)
    assert file[4:8] == bytes(4)


def test_zip_is_read_back_under_the_name() -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(packed("zip", "March.csv", PIECES)))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["March.csv"]
        assert archive.read("March.csv") == b"".join(PIECES)


def test_a_zip_of_many_reads_each_in_its_turn() -> None:
    read: list[int] = []

    def files() -> Iterator[tuple[str, list[bytes]]]:
        for number in range(3):
            read.append(number)
            yield f"{number}.xml", [str(number).encode() * 3]

    with zipfile.ZipFile(io.BytesIO(b"".join(zipped(files())))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "0.xml": b"000",
            "1.xml": b"111",
            "2.xml": b"222",
        }
    assert read == [0, 1, 2]


@pytest.mark.parametrize("packing", SUFFIXES)
def test_the_same_content_gives_the_same_bytes(packing: str) -> None:
    files = [b"".join(packed(packing, "a.csv", PIECES)) for _ in range(2)]  # type: ignore[arg-type]  # a plain str
    assert files[0] == files[1]


@pytest.mark.parametrize("packing", SUFFIXES)
def test_memory_stays_flat(packing: str) -> None:
    pieces = packed(packing, "a.csv", (bytes(65_536) for _ in range(500)))  # type: ignore[arg-type]  # a plain str
    tracemalloc.start()
    for _ in pieces:
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
