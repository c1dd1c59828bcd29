import asyncio
import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from stream_server.avatars.decoding import DecodeLimits, PictureDecoder
from stream_server.avatars.errors import BusyError, PictureError
from tests.fakes.pictures import encoded, picture, png_claiming

LIMITS = DecodeLimits(
    min_side_px=64,
    max_side_px=8192,
    max_pixels=4096 * 4096,
    memory_bytes=512 * 1024 * 1024,
    timeout_s=10,
)


@pytest.fixture
def decoder() -> PictureDecoder:
    return PictureDecoder(LIMITS)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_accepted_formats_keep_their_colours(decoder: PictureDecoder, kind: str) -> None:
    image = await decoder.decode(encoded(picture(), kind))
    assert image.shape == (200, 200, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image[100, 100], (127, 127, 90), atol=6)


async def test_camera_rotation_is_applied(decoder: PictureDecoder) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by 90 degrees to look at it
    image = await decoder.decode(encoded(picture(300, 100), "JPEG", exif=exif, quality=95))
    assert image.shape == (300, 100, 3)
    assert image[10, 50, 0] < 30  # the dark left edge is now at the top
    assert image[290, 50, 0] > 220


async def test_transparency_lies_on_a_light_backdrop(decoder: PictureDecoder) -> None:
    image = await decoder.decode(encoded(Image.new("RGBA", (64, 64), (0, 0, 0, 0))))
    assert (image == 236).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "CMYK", "I;16"])
async def test_every_colour_mode_becomes_rgb(decoder: PictureDecoder, mode: str) -> None:
    if mode == "I;16":
        source = Image.fromarray(np.full((64, 64), 32768, np.uint16))
    else:
        source = Image.new("L", (64, 64), 128).convert(mode)
    image = await decoder.decode(encoded(source, "JPEG" if mode == "CMYK" else "PNG"))
    assert image.shape == (64, 64, 3)
    assert 100 < image.mean() < 156


@pytest.mark.parametrize(
    ("content", "reason", "code"),
    [
        (b"", "not_a_picture", "unsupported_picture"),
        (b"<svg onload=alert(1)></svg>", "not_a_picture", "unsupported_picture"),
        (encoded(picture(), "GIF"), "not_a_picture", "unsupported_picture"),
        (encoded(picture(), "TIFF"), "not_a_picture", "unsupported_picture"),
        (encoded(picture())[:300], "corrupt", "bad_picture"),
        (encoded(picture(), "JPEG")[:900], "corrupt", "bad_picture"),
        (encoded(picture(), "WEBP")[:90], "corrupt", "bad_picture"),
        (encoded(picture(63, 200)), "too_small", "bad_picture"),
        (encoded(picture(8193, 64)), "too_large", "bad_picture"),
        (png_claiming(50_000, 50_000), "too_large", "bad_picture"),
        (png_claiming(6_000, 6_000), "too_large", "bad_picture"),
    ],
    ids=[
        *("empty", "svg", "gif", "tiff", "cut-png", "cut-jpeg", "cut-webp"),
        *("small", "long", "bomb", "36mp"),
    ],
)
async def test_what_cannot_be_used_is_refused_with_a_reason(
    decoder: PictureDecoder, content: bytes, reason: str, code: str
) -> None:
    with pytest.raises(PictureError) as caught:
        await decoder.decode(content)
    assert (caught.value.reason, caught.value.code) == (reason, code)
    assert caught.value.message.endswith(".")
    assert caught.value.advice.endswith(".")


async def test_compressed_text_bomb_is_harmless(decoder: PictureDecoder) -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "A" * 60_000_000, zip=True)
    with pytest.raises(PictureError) as caught:
        await decoder.decode(encoded(picture(), pnginfo=notes))
    assert caught.value.reason in {"corrupt", "too_complex"}


async def test_process_out_of_memory_is_a_reason_not_a_crash() -> None:
    small = DecodeLimits(64, 8192, 4096 * 4096, 128 * 1024 * 1024, 10)
    with pytest.raises(PictureError) as caught:
        await PictureDecoder(small).decode(encoded(Image.new("RGB", (4000, 4000))))
    assert caught.value.reason == "too_complex"


async def test_slow_decoding_is_ended() -> None:
    hasty = DecodeLimits(64, 8192, 4096 * 4096, LIMITS.memory_bytes, 0.01)
    with pytest.raises(PictureError) as caught:
        await PictureDecoder(hasty).decode(encoded(picture()))
    assert caught.value.reason == "too_complex"


async def test_metadata_does_not_survive(decoder: PictureDecoder) -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    image = await decoder.decode(encoded(picture(), "JPEG", exif=exif))
    again = Image.open(io.BytesIO(encoded(Image.fromarray(image))))
    assert not again.getexif()
    assert "exif" not in again.info


async def test_too_many_files_at_once_are_refused_not_piled_up(decoder: PictureDecoder) -> None:
    results = await asyncio.gather(
        *(decoder.decode(encoded(picture())) for _ in range(16)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, BusyError)]
    read = [result for result in results if isinstance(result, np.ndarray)]
    assert len(refused) >= 4
    assert len(read) >= 8
    assert len(refused) + len(read) == 16
