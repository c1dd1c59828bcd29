"""Finds when each phone of a known English text is said; pocketsphinx brings model and words."""

import re

import pocketsphinx

from realtime_model.training.speech.phones import Phone, phone_of_arpabet
from realtime_model.training.speech.voices import SAMPLE_RATE_HZ, Samples

_FRAME_S = 0.01
_WORD = re.compile(r"[a-z']+")


class Aligner:
    """Forced alignment; one decoder, used for one recording after the other."""

    def __init__(self) -> None:
        self._decoder = pocketsphinx.Decoder(
            samprate=SAMPLE_RATE_HZ, bestpath=False, loglevel="FATAL"
        )

    def knows(self, text: str) -> bool:
        """Whether every word is in the dictionary; figures are not."""
        words = _words(text)
        return (
            bool(words)
            and not re.search(r"[\d%$]", text)
            and all(self._decoder.lookup_word(word) for word in words)
        )

    def align(self, samples: Samples, text: str) -> list[Phone]:
        """Return the phones of ``text``, silences included: first the words are found, then phones.

        Args:
            samples: 16 kHz mono.
            text: words the aligner `knows`.
        """
        pcm = (samples * 32_767).astype("<i2").tobytes()
        decoder = self._decoder
        decoder.set_align_text(" ".join(_words(text)))
        self._listen(pcm)
        decoder.set_alignment()
        self._listen(pcm)
        return [
            phone_of_arpabet(
                phone.name, phone.start * _FRAME_S, (phone.start + phone.duration) * _FRAME_S
            )
            for word in decoder.get_alignment()
            for phone in word
        ]

    def _listen(self, pcm: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
