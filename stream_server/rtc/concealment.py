"""What is heard where sound was lost: the last sound, fading out. Pure."""

from typing import Final

import numpy as np

from stream_server.media import VOICE_RATE_HZ, Voice

_SPAN: Final = VOICE_RATE_HZ // 50
_FADE: Final = 2 * _SPAN
_EDGE: Final = VOICE_RATE_HZ // 400


class Concealment:
    """Repeats the latest 20 ms, mirrored for a smooth seam, and fades them out within 40 ms.

    After 40 ms there is silence: a stuck vowel is worse. Sound that returns fades in over 2.5 ms.
    """

    def __init__(self) -> None:
        self._last = np.zeros(_SPAN, np.int16)
        self._lost = _FADE

    def pass_through(self, voice: Voice) -> Voice:
        """Return received sound, faded in where it follows a gap."""
        if self._lost:
            voice = voice.copy()
            voice[:_EDGE] = voice[:_EDGE] * np.linspace(0, 1, len(voice[:_EDGE]))
            self._lost = 0
        self._last = np.concatenate([self._last, voice])[-_SPAN:]
        return voice

    def fill(self, samples: int) -> Voice:
        """Return sound for the next stretch of a gap."""
        at = self._lost + np.arange(samples)
        self._lost = min(self._lost + samples, _FADE)
        if at[0] >= _FADE:
            return np.zeros(samples, np.int16)
        there_and_back = np.concatenate([self._last[::-1], self._last])
        gain = np.clip(1 - at / _FADE, 0, 1)
        return (there_and_back[at % _FADE] * gain).astype(np.int16)
