from typing import cast

import pytest

from realtime_model.face import Face, FaceLandmarker
from stream_server.avatars.decoding import DecodeLimits, PictureDecoder
from stream_server.avatars.errors import PictureError
from stream_server.avatars.preflight import Preflight, RejectedPortraitError
from tests.fakes.pictures import StagedLandmarker, encoded, picture, staged_face

GOOD = encoded(picture())


def preflight(*faces: Face) -> Preflight:
    limits = DecodeLimits(64, 8192, 4096 * 4096, 512 * 1024 * 1024, 10)
    landmarker = cast(FaceLandmarker, StagedLandmarker(*faces))
    return Preflight(PictureDecoder(limits), landmarker)


async def test_good_portrait_passes_and_shows_its_crop() -> None:
    report = await preflight(staged_face()).report(GOOD)
    assert report.ok
    assert (report.width_px, report.height_px) == (200, 200)
    assert report.crop is not None
    left, top, right, bottom = report.crop
    assert right - left == pytest.approx(bottom - top)
    assert left < 60 < 140 < right


async def test_good_portrait_is_framed_square() -> None:
    framed = await preflight(staged_face()).frame(GOOD)
    assert framed.image.shape == (512, 512, 3)
    assert all(check.ok for check in framed.checks)


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        ((), "no_face"),
        ((staged_face(60), staged_face(150)), "several_faces"),
        ((staged_face(width=20),), "too_small"),
        ((staged_face(yaw_deg=60),), "not_frontal"),
        ((staged_face(x=10),), "cut_off"),
    ],
    ids=["none", "two", "small", "turned", "cut"],
)
async def test_each_reason_is_reported_with_advice_and_refused(
    faces: tuple[Face, ...], reason: str
) -> None:
    judge = preflight(*faces)
    report = await judge.report(GOOD)
    assert not report.ok
    failed = next(check for check in report.checks if not check.ok)
    assert failed.name == reason
    assert failed.message
    assert failed.advice
    with pytest.raises(RejectedPortraitError) as caught:
        await judge.frame(GOOD)
    assert caught.value.advice == failed.advice
    assert failed in caught.value.checks


async def test_unreadable_file_is_a_failed_check_in_a_report_and_an_error_otherwise() -> None:
    judge = preflight(staged_face())
    report = await judge.report(b"not a picture")
    assert [check.name for check in report.checks] == ["not_a_picture"]
    assert report.crop is None
    with pytest.raises(PictureError):
        await judge.frame(b"not a picture")
