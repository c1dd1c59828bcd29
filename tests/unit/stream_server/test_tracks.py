"""One clock for both tracks, driven by hand."""

import asyncio

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from realtime_model.geometry import WindowGeometry
from stream_server.media import AudioPacket
from stream_server.pipeline.playout import Beat, Playout
from stream_server.rtc.tracks import BeatDrive, OutgoingTimeline, PictureTrack, VoiceTrack
from tests.fakes.manual_clock import ManualClock

RESTING = np.full((384, 256), 90, np.uint8)


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.voice, self.pictures = VoiceTrack(), PictureTrack()
        self.timeline = OutgoingTimeline()
        self.beats: list[Beat] = []
        self.playout = Playout(WindowGeometry(), RESTING, initial_delay_s=0.0, max_delay_s=1.0)
        self.drive = BeatDrive(
            self.playout,
            voice=self.voice,
            pictures=self.pictures,
            timeline=self.timeline,
            clock=self.clock,
            frame_s=0.04,
            on_beat=self.beats.append,
        )

    async def run(self, seconds: float) -> None:
        task = asyncio.get_running_loop().create_task(self.drive.run())
        await self.clock.advance(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_beat_is_one_picture_and_two_packets_of_sound() -> None:
    rig = Rig()
    await rig.run(0.199)
    assert len(rig.beats) == 5
    assert len(rig.voice.waiting) == 10
    assert len(rig.pictures.waiting) == 1  # only the newest waits


async def test_time_stamps_of_both_tracks_name_the_same_moments() -> None:
    rig = Rig()
    await rig.run(0.199)
    picture = await rig.pictures.recv()
    sounds = [await rig.voice.recv() for _ in range(10)]
    assert [sound.pts for sound in sounds] == [960 * n for n in range(10)]
    assert picture.pts == 4 * 3_600
    assert picture.time == sounds[8].time


async def test_sound_waits_for_a_slow_encoder_at_most_200_ms() -> None:
    rig = Rig()
    await rig.run(2.0)
    assert len(rig.voice.waiting) == 10
    first = await rig.voice.recv()
    assert first.pts is not None
    assert first.pts >= 90 * 960


async def test_beats_that_were_slept_through_are_missing_in_both_tracks() -> None:
    rig = Rig()
    task = asyncio.get_running_loop().create_task(rig.drive.run())
    await rig.clock.advance(0.1)
    rig.clock._now_s += 1.0  # the process stood still
    await rig.clock.advance(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert rig.drive.slept in (24, 25)
    pts = [(await rig.voice.recv()).pts for _ in range(len(rig.voice.waiting))]
    picture = await rig.pictures.recv()
    assert picture.pts is not None
    assert picture.pts / 90_000 >= 1.0
    assert max(p for p in pts if p is not None) / 48_000 >= 1.0


async def test_a_picture_and_its_sound_leave_in_the_same_beat() -> None:
    rig = Rig()
    for position in range(10):
        voice = np.full(1_920, 500 + position, np.int16)
        packet = AudioPacket(position * 640, np.zeros(640, np.float32), voice)
        rig.playout.push_voice(packet, True, rig.clock.now_s())
    rig.playout.is_holding = True
    await rig.run(0.199)
    for beat in rig.beats:
        assert beat.position is not None
        assert (beat.voice == 500 + beat.position).all()


async def test_a_stopped_track_ends_who_waits_for_it() -> None:
    for track in (VoiceTrack(), PictureTrack()):
        track.stop()
        track.stop()
        with pytest.raises(MediaStreamError):
            await track.recv()


def test_wall_clock_time_follows_from_time_stamps_alone() -> None:
    timeline = OutgoingTimeline()
    timeline.start()
    assert timeline.ntp_at(2.5) - timeline.ntp_at(0.5) == 2 << 32
