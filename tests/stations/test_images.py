"""Pictures: what is taken, and what is left of it."""

import io
import struct
import zlib

import pytest
from PIL import Image

from portal.core.errors import RuleBroken
from portal.stations import images


def picture(kind: str, size: tuple[int, int] = (40, 20), mode: str = "RGB", **options: object) -> bytes:
    written = io.BytesIO()
    Image.new(mode, size, (255, 0, 0, 90)[: len(mode)] if mode != "P" else 0).save(written, kind, **options)
    return written.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_written_anew(kind: str) -> None:
    with Image.open(io.BytesIO(images.rewritten(picture(kind)))) as result:
        assert (result.format, result.size) == ("WEBP", (40, 20))


def test_nothing_but_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    rewritten = images.rewritten(picture("JPEG", exif=exif, comment=b"where I live"))
    assert b"where I live" not in rewritten
    with Image.open(io.BytesIO(rewritten)) as result:
        assert not result.getexif()


def test_a_photo_taken_upright_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(images.rewritten(picture("JPEG", exif=exif)))) as result:
        assert result.size == (20, 40)


def test_a_large_picture_is_made_smaller() -> None:
    with Image.open(io.BytesIO(images.rewritten(picture("PNG", (4000, 1000))))) as result:
        assert result.size == (1600, 400)


def test_transparency_stays() -> None:
    with Image.open(io.BytesIO(images.rewritten(picture("PNG", mode="RGBA")))) as result:
        assert result.mode == "RGBA"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"not an image", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        picture("GIF", mode="P"), picture("BMP"), picture("PNG")[:60], png_that_claims(60_000, 60_000),
        png_that_claims(0, 0), b"\x89PNG\r\n\x1a\n" + b"A" * 100, bytes(images.MOST_BYTES + 1),
    ],
)  # fmt: skip
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(RuleBroken) as refused:
        images.rewritten(data)
    assert refused.value.field == "image"
