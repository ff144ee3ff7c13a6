"""Pictures of stations: whatever was uploaded is decoded and written anew, so that nothing but pixels is kept."""

import io

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from portal.core.errors import RuleBroken

FIELD = "image"
MOST_BYTES = 5 * 1024 * 1024
MOST_PIXELS = 50_000_000  # decoded at most 200 MB for an instant; phones take up to 50 megapixels
LONGEST_SIDE = 1600
MIME_TYPE = "image/webp"


def rewritten(data: bytes) -> bytes:
    """The picture as WebP, upright, at most 1600 pixels on a side, without EXIF or any other data of the original.

    Takes PNG, JPEG and WebP up to 5 MB; RuleBroken on "image" for everything else.
    """
    if len(data) > MOST_BYTES:
        raise RuleBroken(FIELD, "This picture is larger than 5 MB. Choose a smaller one.")
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # WeasyPrint, where it is loaded, lets Pillow take what is cut short
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise RuleBroken(FIELD, "This picture has too many pixels. Choose a smaller one.")
            picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            upright = ImageOps.exif_transpose(picture)
            upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            return _webp(upright)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        raise RuleBroken(FIELD, "This is no PNG, JPEG or WebP picture that can be read.") from None


def _webp(picture: Image.Image) -> bytes:
    transparent = "A" in picture.mode or "transparency" in picture.info
    pixels = picture.convert("RGBA" if transparent else "RGB")
    pixels.info.clear()
    written = io.BytesIO()
    pixels.save(written, "WEBP", quality=82)
    return written.getvalue()
