"""The judge of a clip: what the rig shows is read well, and every figure finds its place."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from realtime_model.face import FaceLandmarker
from realtime_model.generator import Generator
from realtime_model.network import EmoNetwork
from realtime_model.tiny import TinyEngine
from realtime_model.training.correlation import correlation
from realtime_model.training.evaluation import track
from realtime_model.training.judging.ceiling import play, rig_opening
from realtime_model.training.judging.clip import (
    Case,
    Judges,
    contact_sheet,
    count_blinks,
    judge_all,
)
from realtime_model.training.rendering import Clip, Sitter
from realtime_model.training.speech.phones import Phone


def test_dips_of_the_eyes_are_blinks() -> None:
    eyes = np.full(100, 0.3, np.float32)
    eyes[10:14] = eyes[50:53] = 0.05
    eyes[80] = 0.25
    assert count_blinks(eyes) == 2


def test_what_the_rig_shows_is_what_the_tracker_reads(
    sitters: list[Sitter], clips: list[Clip], landmarker: FaceLandmarker
) -> None:
    portrait = sitters[0].portrait
    played = play(portrait, clips[0], landmarker, 0)
    assert played.numbers.tolist() == list(range(0, 28, 2))
    truth = rig_opening(portrait, clips[0])
    assert correlation(played.seen.opening, truth[played.numbers]) > 0.8
    assert played.seen.lost == 0


def test_the_zero_is_what_is_read_off_a_closed_mouth(
    sitters: list[Sitter], clips: list[Clip], landmarker: FaceLandmarker
) -> None:
    # A smile with parted lips: the photograph is read as open, the rig's closed frame less so.
    portrait = sitters[0].portrait
    played = play(portrait, clips[0], landmarker, 0)
    own = track([portrait.image, portrait.image], landmarker).opening[-1]
    assert played.zero < own - 0.01
    still = replace(clips[0], mouth=np.zeros_like(clips[0].mouth))
    closed = play(portrait, still, landmarker, 0).seen.opening
    assert played.zero == pytest.approx(float(np.median(closed)), abs=0.02)


def test_a_long_clip_is_drawn_for_twelve_seconds_only(
    sitters: list[Sitter], clips: list[Clip]
) -> None:
    class Counted(FaceLandmarker):
        looks = 0

        def track(self, *_: object) -> None:
            self.looks += 1

    counted = Counted()
    mouth = np.tile(clips[0].mouth, (14, 1))
    played = play(sitters[0].portrait, replace(clips[0], mouth=mouth), counted, 0)
    assert len(played.numbers) == 150
    assert played.numbers[-1] == 298
    assert counted.looks == 152


def test_a_judged_clip_has_its_figures_curves_and_pictures(
    network: EmoNetwork, sitters: list[Sitter], clips: list[Clip]
) -> None:
    phones = (Phone("b", 0.0, 0.2), Phone("a", 0.2, 0.6), Phone("i", 0.6, 1.12))
    case = Case(sitters[0], "photo", clips[0], phones, clips[1])
    (judged,) = judge_all(Generator(TinyEngine(network)), [case], Judges())
    f = judged.figures
    assert (f.portrait, f.style, f.clip, f.language) == ("one", "photo", "clip-0", "en-us")
    assert f.seconds == pytest.approx(28 / 25 + 1)  # a second of rest
    assert f.closures_of == 1
    assert f.vowels_of == 1
    assert f.rounding is None  # no u, no o
    assert f.identity_median is None
    assert f.silent_opening is not None
    assert f.rig_lips is not None
    assert f.rig_lips > 0.8
    assert all(math.isfinite(v) for v in (f.lips, f.spread, f.seam, f.flicker, f.head_deg))
    assert judged.sheet.shape == (128, 1280, 3)
    assert judged.curves.closing_s == ((0.0, 0.2),)
    assert len(judged.curves.model) == len(judged.curves.loudness) == 28 + 25


def test_a_contact_sheet_runs_from_the_first_frame_to_the_last() -> None:
    frames = np.zeros((30, 256, 256, 3), np.uint8)
    frames[:] = np.arange(30, dtype=np.uint8)[:, None, None, None] * 8
    sheet = contact_sheet(frames, columns=4)
    assert sheet.shape == (128, 512, 3)
    assert cv2.mean(sheet[:, :128])[0] == 0
    assert cv2.mean(sheet[:, -128:])[0] == 29 * 8
