"""Voice activity: is somebody speaking right now?"""

from typing import Final

import numpy as np
import webrtcvad

from stream_server.media import ANALYSIS_RATE_HZ, Analysis

_FRAME_SAMPLES: Final = ANALYSIS_RATE_HZ // 50  # 20 ms: a length the detector takes
_ONSET_FRAMES: Final = 3  # a click or a breath is shorter
_FLOOR: Final = 10 ** (-55 / 20)  # below this level nothing counts as speech, full scale is 1


class VoiceActivity:
    """WebRTC's detector with an onset of 60 ms and a hangover, so that words are not torn apart."""

    def __init__(self, *, aggressiveness: int = 2, hangover_s: float = 0.3) -> None:
        self._detector = webrtcvad.Vad(aggressiveness)
        self._hangover_frames = round(hangover_s * ANALYSIS_RATE_HZ / _FRAME_SAMPLES)
        self._rest = np.zeros(0, np.float32)
        self._voiced_frames = 0
        self._frames_left = 0

    @property
    def is_speech(self) -> bool:
        return self._frames_left > 0

    def push(self, samples: Analysis) -> bool:
        """Take in the next stretch of sound, of any length; return whether it is part of speech."""
        pending = np.concatenate([self._rest, samples])
        whole = len(pending) // _FRAME_SAMPLES * _FRAME_SAMPLES
        for start in range(0, whole, _FRAME_SAMPLES):
            self._judge(pending[start : start + _FRAME_SAMPLES])
        self._rest = pending[whole:]
        return self.is_speech

    def _judge(self, frame: Analysis) -> None:
        pcm = (np.clip(frame, -1, 1) * 32_767).astype("<i2")
        is_loud = bool(np.sqrt(np.mean(np.square(frame))) > _FLOOR)
        is_voiced = is_loud and self._detector.is_speech(pcm.tobytes(), ANALYSIS_RATE_HZ)
        self._voiced_frames = self._voiced_frames + 1 if is_voiced else 0
        if self._voiced_frames >= _ONSET_FRAMES or (is_voiced and self.is_speech):
            self._frames_left = self._hangover_frames
        elif self._frames_left:
            self._frames_left -= 1
