import cv2
import numpy as np
import pytest

from realtime_model.contract import AudioWindow, StreamOptions
from realtime_model.errors import PortraitError, StreamError
from stream_server.inference.testcard import TestcardModel, read_position

PORTRAIT = np.full((300, 200, 3), 180, np.uint8)


def window(model: TestcardModel, index: int, level: float) -> AudioWindow:
    return AudioWindow(np.full(model.geometry.window_samples, level, np.float32), index)


def mouth_rows(frame: np.ndarray) -> int:
    column = frame[:240, frame.shape[1] // 2].astype(int)
    return int((column.sum(axis=1) < 300).sum())


@pytest.fixture
def model() -> TestcardModel:
    model = TestcardModel()
    model.open("s", PORTRAIT, StreamOptions())
    return model


def test_mouth_opens_with_the_sound(model: TestcardModel) -> None:
    openings = [
        mouth_rows(model.render({"s": window(model, 0, level)})["s"].frames[0])
        for level in (0.0, 0.05, 0.1, 0.25)
    ]
    assert openings == sorted(set(openings))


def test_frame_shows_its_own_40_ms(model: TestcardModel) -> None:
    samples = np.zeros(model.geometry.window_samples, np.float32)
    start = model.geometry.past_samples + 2 * model.geometry.samples_per_frame
    samples[start : start + model.geometry.samples_per_frame] = 0.25
    frames = model.render({"s": AudioWindow(samples, 0)})["s"].frames
    assert np.argmax([mouth_rows(frame) for frame in frames]) == 2


@pytest.mark.parametrize("index", [0, 1, 77, 9_999])
def test_position_can_be_read_back(model: TestcardModel, index: int) -> None:
    frames = model.render({"s": window(model, index, 0.0)})["s"].frames
    spelt = [read_position(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)) for frame in frames]
    assert spelt == [(4 * index + k) % 65_536 for k in range(4)]


def test_streams_do_not_disturb_each_other(model: TestcardModel) -> None:
    model.open("t", np.full((64, 64, 3), 20, np.uint8), StreamOptions())
    together = model.render({"s": window(model, 3, 0.1), "t": window(model, 9, 0.2)})
    alone = model.render({"s": window(model, 3, 0.1)})
    np.testing.assert_array_equal(together["s"].frames, alone["s"].frames)


def test_misuse_is_refused(model: TestcardModel) -> None:
    with pytest.raises(StreamError):
        model.open("s", PORTRAIT, StreamOptions())
    with pytest.raises(PortraitError):
        model.open("t", np.zeros((20, 20, 3), np.uint8), StreamOptions())
    model.close("s")
    model.close("s")
    with pytest.raises(StreamError):
        model.render({"s": window(model, 0, 0.0)})
