"""The model process from the inside, without the process."""

import multiprocessing
import threading
from collections.abc import Iterator, Mapping

import cv2
import numpy as np
import pytest

from realtime_model.contract import AudioWindow, RgbImage, StreamOptions, VideoChunk
from stream_server.inference.messages import (
    CloseStream,
    Opened,
    OpenStream,
    Refused,
    Render,
    Rendered,
    RenderFailed,
    SlotJob,
)
from stream_server.inference.shared import LentPicture, SharedSlots
from stream_server.inference.testcard import TestcardModel, read_position
from stream_server.inference.worker import _warm_up, _Worker, main

PORTRAIT: RgbImage = np.full((80, 70, 3), 150, np.uint8)


class BrokenModel(TestcardModel):
    """Opens streams and fails at everything else, with a secret in its words."""

    def render(self, windows: Mapping[str, AudioWindow]) -> dict[str, VideoChunk]:
        raise RuntimeError("secret path /home/somebody")


@pytest.fixture
def slots() -> Iterator[SharedSlots]:
    slots = SharedSlots.create(TestcardModel().geometry, 2)
    yield slots
    slots.close()


def opened(worker: _Worker, portrait: RgbImage = PORTRAIT) -> object:
    picture = LentPicture(portrait)
    height, width, _ = portrait.shape
    message = OpenStream(7, "s", picture.name, (height, width, 3), StreamOptions())
    answer = worker._answer(message)
    picture.close()
    return answer


def job(slot: int, index: int) -> SlotJob:
    return SlotJob("s", slot, index, is_speech=True)


def test_frames_lie_in_their_slot_as_i420(slots: SharedSlots) -> None:
    worker = _Worker(TestcardModel(), slots)
    assert isinstance(opened(worker), Opened)
    slots.sound(1)[:] = 0.1
    answer = worker._answer(Render((job(1, 6),)))
    assert isinstance(answer, Rendered)
    assert answer.render_s > 0
    frames = slots.frames(1)
    assert [read_position(frame) for frame in frames] == [24, 25, 26, 27]
    rgb = cv2.cvtColor(frames[0], cv2.COLOR_YUV2RGB_I420)
    assert np.abs(rgb[20, 20].astype(int) - 150).max() <= 3


def test_opening_again_replaces_the_stream(slots: SharedSlots) -> None:
    worker = _Worker(TestcardModel(), slots)
    assert isinstance(opened(worker), Opened)
    assert isinstance(opened(worker), Opened)


def test_a_refused_portrait_is_a_fault_with_its_code(slots: SharedSlots) -> None:
    answer = opened(_Worker(TestcardModel(), slots), np.zeros((9, 9, 3), np.uint8))
    assert isinstance(answer, Refused)
    assert (answer.request_id, answer.fault.code) == (7, "bad_portrait")


def test_a_failing_model_is_a_fault_without_its_secrets(slots: SharedSlots) -> None:
    worker = _Worker(BrokenModel(), slots)
    opened(worker)
    answer = worker._answer(Render((job(0, 0),)))
    assert isinstance(answer, RenderFailed)
    assert answer.fault.code == "worker_error"
    assert "secret" not in answer.fault.message


def test_a_closed_stream_is_unknown(slots: SharedSlots) -> None:
    worker = _Worker(TestcardModel(), slots)
    opened(worker)
    assert worker._answer(CloseStream("s")) is None
    answer = worker._answer(Render((job(0, 0),)))
    assert isinstance(answer, RenderFailed)
    assert answer.fault.code == "bad_stream"


def test_warm_up_takes_time_and_leaves_no_stream() -> None:
    model = TestcardModel()
    assert _warm_up(model) > 0
    assert model._portraits == {}


@pytest.mark.parametrize("reads_first", [True, False], ids=["end-of-file", "reset"])
def test_a_server_that_is_gone_is_no_error(
    monkeypatch: pytest.MonkeyPatch, reads_first: bool
) -> None:
    monkeypatch.setattr("signal.signal", lambda number, action: None)
    ours, theirs = multiprocessing.Pipe()

    def hang_up() -> None:
        ours.poll(10)
        if reads_first:
            ours.recv()
        ours.close()  # what was not read makes it a reset

    server = threading.Thread(target=hang_up)
    server.start()
    main(theirs, "testcard", 1)
    server.join()
