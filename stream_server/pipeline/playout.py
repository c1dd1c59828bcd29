"""The playout clock: which picture and which sound are due now. Pure.

Time is counted in beats of one frame (40 ms at 25 fps). Media position ``p`` is the ``p``-th frame
of the incoming sound. A beat plays one position: its picture, together with the sound that made it,
so lips and voice cannot drift apart here. The only freedom is to let a position wait (stall: the
delay grows by a beat) or to leave a silent one out (skip: it shrinks by one).
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from realtime_model.geometry import WindowGeometry
from stream_server.media import AudioPacket, I420Image, RenderedChunk, Voice
from stream_server.pipeline.sound_line import SoundLine

_MAX_STALL_BEATS: Final = 5  # speech never stops for longer than 200 ms
_STALL_PARDON_BEATS: Final = 125
_WATCHED_CHUNKS: Final = 25
_KEPT_SLACK_BEATS: Final = 1.5  # what is left of the delay after shrinking it
_AMPLE_CHUNKS: Final = 6
_AMPLE_SLACK_BEATS: Final = 4.0  # the same, while few chunks vouch for it
_DRIFT: Final = 0.0005  # two sound cards differ by less


@dataclass(frozen=True, slots=True)
class Beat:
    """What one beat sends out.

    Attributes:
        voice: the sound, int16 at 48 kHz, one frame long.
        image: the picture.
        position: media position of the sound; None while it stalls.
        shown: media position of the picture; None for the resting frame.
        is_late: a rendered frame was due and missing.
        is_speech: the sound is part of speech.
        skipped: positions left out just before this one.
        delay_s: age of the sound when it is handed to the encoder; None before the first sound.
    """

    voice: Voice
    image: I420Image
    position: int | None
    shown: int | None
    is_late: bool
    is_speech: bool
    skipped: int
    delay_s: float | None


class Playout:
    """Pairs every frame with its sound and owns the delay between a voice and its avatar.

    Late frames are skipped, a missing one holds its predecessor. A missing frame may stop speech
    for at most 200 ms, which gives the frames time to come; after that the sound goes on alone.
    """

    def __init__(
        self,
        geometry: WindowGeometry,
        resting: I420Image,
        *,
        initial_delay_s: float,
        max_delay_s: float,
    ) -> None:
        self._hop_frames = geometry.hop_frames
        self._frame_s = geometry.frame_s
        self._rate_hz = geometry.sample_rate_hz
        self._resting = self._image = resting
        self._initial_delay_s = initial_delay_s
        self._max_delay_s = max_delay_s
        self.is_holding = False
        """Rendering is suspended: show the resting frame and let the sound go on."""
        self._epoch = 0
        self._position = 0
        self._shown: int | None = None
        self._frames: dict[int, I420Image] = {}
        self._resume_at = 0  # positions below were given up by an interruption
        self._sound = SoundLine(geometry.samples_per_frame)
        self._capture_s: float | None = None  # clock time at which position 0 was captured
        self._next_beat_s = 0.0
        self._has_started = False
        self._stall_left = _MAX_STALL_BEATS
        self._stalled_ago = 0
        self._readiness_s: deque[float] = deque(maxlen=_WATCHED_CHUNKS)  # as if for position 0

    @property
    def position(self) -> int:
        """Media position that the next beat plays."""
        return self._position

    def due_s(self, position: int) -> float:
        """Return the clock time at which a position is due, should nothing stall before."""
        return self._next_beat_s + (position - self._position) * self._frame_s

    def push_voice(self, packet: AudioPacket, is_speech: bool, now_s: float) -> None:
        """Take in sound as it arrives; its position follows from its media time."""
        captured_s = now_s - packet.end / self._rate_hz
        if self._capture_s is None:
            self._capture_s = captured_s
        leak_s = _DRIFT * len(packet.analysis) / self._rate_hz
        self._capture_s = min(self._capture_s + leak_s, captured_s)
        self._sound.push(packet, is_speech)

    def push_chunk(self, chunk: RenderedChunk, now_s: float) -> int:
        """Take in rendered frames and return how many of them came too late to be shown."""
        if chunk.epoch < self._epoch:
            return 0
        first = chunk.chunk_index * self._hop_frames
        self._readiness_s.append(now_s - first * self._frame_s)
        late = 0
        for position, image in enumerate(chunk.frames, first):
            if position < self._position:
                late += 1
            else:
                self._frames[position] = image
        return late

    def interrupt(self, epoch: int, resume_at: int) -> None:
        """Fall silent now.

        Args:
            epoch: chunks of older epochs are ignored from here on.
            resume_at: position of the first frame that the new epoch will render.
        """
        self._epoch = epoch
        self._resume_at = resume_at
        self._frames.clear()
        self._sound.silence()
        self._rest()

    def beat(self, now_s: float) -> Beat:
        """Return what to send now; to be called once per frame duration."""
        self._next_beat_s = now_s + self._frame_s
        self._stalled_ago += 1
        skipped = self._catch_up(self._delay_s(now_s))
        delay_s = self._delay_s(now_s)
        if not self._has_started:
            self._has_started = delay_s is not None and delay_s >= self._initial_delay_s
        position, is_late = None, False
        if self._has_started and self._position < self._sound.end:
            is_late = self._turn_page()
            if not (is_late and self._may_stall(delay_s)):
                position = self._position
                self._position += 1
        return self._as_beat(position, is_late, skipped, delay_s)

    def _turn_page(self) -> bool:
        """Choose the picture of the current position and return whether its frame is missing."""
        image = self._frames.pop(self._position, None)
        if self.is_holding or self._position < self._resume_at:
            self._rest()
            return False
        if image is None:
            return True
        self._image, self._shown = image, self._position
        return False

    def _rest(self) -> None:
        self._image, self._shown = self._resting, None

    def _may_stall(self, delay_s: float | None) -> bool:
        if self._stalled_ago > _STALL_PARDON_BEATS:
            self._stall_left = _MAX_STALL_BEATS
        if delay_s is None or delay_s + self._frame_s > self._max_delay_s:
            return False
        if not self._sound.is_speech(self._position):
            return True
        if self._stall_left == 0:
            return False
        self._stall_left -= 1
        self._stalled_ago = 0
        return True

    def _catch_up(self, delay_s: float | None) -> int:
        """Leave out positions: a silent one when frames come early, all that exceed the delay."""
        if not self._has_started or delay_s is None:
            return 0
        excess = int((delay_s - self._max_delay_s) / self._frame_s)
        if excess <= 0:
            excess = 1 if self._has_slack() and self._is_quiet() else 0
        for position in range(self._position, self._position + excess):
            self._frames.pop(position, None)
        self._position += excess
        return excess

    def _has_slack(self) -> bool:
        """Return whether all recent frames came so early that one beat less would have done."""
        if len(self._readiness_s) < _AMPLE_CHUNKS:
            return False
        is_proven = len(self._readiness_s) == _WATCHED_CHUNKS
        needed = _KEPT_SLACK_BEATS if is_proven else _AMPLE_SLACK_BEATS
        return self.due_s(0) - max(self._readiness_s) > (1 + needed) * self._frame_s

    def _is_quiet(self) -> bool:
        return not any(self._sound.is_speech(self._position + n) for n in (-1, 0, 1))

    def _delay_s(self, now_s: float) -> float | None:
        if self._capture_s is None:
            return None
        return now_s - self._capture_s - self._position * self._frame_s

    def _as_beat(
        self, position: int | None, is_late: bool, skipped: int, delay_s: float | None
    ) -> Beat:
        is_speech = position is not None and self._sound.is_speech(position)
        return Beat(
            voice=self._sound.take(position),
            image=self._image,
            position=position,
            shown=self._shown,
            is_late=is_late,
            is_speech=is_speech,
            skipped=skipped,
            delay_s=delay_s,
        )
