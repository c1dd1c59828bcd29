"""Turns an untrusted picture file into plain pixels; run as a script, in a process of its own.

Reads the file from standard input. Writes one line of JSON, ``{"width": .., "height": ..}``, and
then the RGB bytes; or ``{"reason": .., "message": .., "advice": ..}`` and nothing else. The process
limits itself before it reads the first byte, so a file made to exhaust a decoder ends only this.
It imports nothing of the server.
"""

import contextlib
import io
import json
import resource
import sys
import warnings
from typing import NoReturn

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

_FORMATS = ("PNG", "JPEG", "WEBP")
_BACKDROP = (236, 236, 236)  # shows through transparent pictures
_SAVE_AS = "Save the picture as PNG, JPEG or WebP and try again."
_SHRINK = "Scale the picture down, or crop it around the face."


def _limit_process(memory_bytes: int, cpu_s: int) -> None:
    for what, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (value, value))


def _refuse(reason: str, message: str, advice: str) -> NoReturn:
    sys.stdout.write(json.dumps({"reason": reason, "message": message, "advice": advice}) + "\n")
    sys.exit(0)


def _check_size(image: Image.Image, min_side: int, max_side: int, max_pixels: int) -> None:
    """Judge by the header, before a single pixel is decoded."""
    width, height = image.size
    if min(width, height) < min_side:
        _refuse(
            "too_small",
            f"The picture is {width} x {height} pixels; each side needs at least {min_side}.",
            "Use a larger picture.",
        )
    if max(width, height) > max_side or width * height > max_pixels:
        _refuse(
            "too_large",
            f"The picture is {width} x {height} pixels; at most {max_pixels / 1e6:.0f} megapixels "
            f"and {max_side} pixels a side are accepted.",
            _SHRINK,
        )


def _upright_rgb(image: Image.Image) -> Image.Image:
    """Apply the camera's rotation, the colour profile and a backdrop; drop everything else."""
    image.load()
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey: plain conversion would clip to white
        image = image.point(lambda value: value / 256).convert("L")
    if profile and image.mode in ("RGB", "L", "CMYK"):
        with contextlib.suppress(
            ImageCms.PyCMSError, OSError
        ):  # a broken profile: keep the colours
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
            image = converted or image
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGB", layer.size, _BACKDROP)
        image.paste(layer, mask=layer.getchannel("A"))
    return image.convert("RGB")


def _decode(content: bytes, min_side: int, max_side: int, max_pixels: int) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
        _check_size(image, min_side, max_side, max_pixels)
        return _upright_rgb(image)
    except UnidentifiedImageError:
        _refuse("not_a_picture", "The file is not a PNG, JPEG or WebP picture.", _SAVE_AS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        _refuse("too_large", "The picture has far more pixels than are accepted.", _SHRINK)
    except MemoryError:
        _refuse("too_complex", "The picture needs too much memory to be decoded.", _SHRINK)
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, IndexError):
        # What Pillow's readers raise on truncated or malformed files.
        _refuse("corrupt", "The picture file is damaged or cut off.", _SAVE_AS)


def main() -> None:
    """Decode standard input within the limits given as arguments."""
    memory_bytes, cpu_s, min_side, max_side, max_pixels = (int(text) for text in sys.argv[1:])
    _limit_process(memory_bytes, cpu_s)
    image = _decode(sys.stdin.buffer.read(), min_side, max_side, max_pixels)
    head = json.dumps({"width": image.width, "height": image.height})
    sys.stdout.buffer.write(head.encode() + b"\n" + image.tobytes())


if __name__ == "__main__":
    main()
