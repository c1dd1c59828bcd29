"""Kokoro and hibari: neural voices that tell how long every phoneme lasts.

Both learnt their durations as whole units of 25 ms, and both keep them inside the graph. Naming the
tensor as one more output reveals them, exactly: their sum is the length of the sound. The tensor
names belong to the very files that `packages.py` pins.
"""

# ruff: noqa: RUF001 - IPA letters look like others and are meant

import json
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from unicodedata import normalize

import hibari
import numpy as np
import onnx
import onnxruntime
from hibari import dsp
from hibari.g2p import G2P
from numpy.typing import NDArray

from realtime_model.training.speech import russian
from realtime_model.training.speech.phones import phones_of_tokens, shifted
from realtime_model.training.speech.tongues import INVENTED
from realtime_model.training.speech.voices import Recording, Samples, recording

KOKORO_DURATIONS = "/encoder/Clip_output_0"
_HIBARI_DURATIONS = "/Round_output_0"
_RATE_HZ = 24_000
_UNIT_S = 0.025
_LATE_S = 0.06
"""How much the reported times lag the sound: median of 974 phones against forced alignment, both
voices alike, the same at the start and the end of a sentence; flite's own times lag by 5 ms."""

_PAD = "$"
_MAX_TOKENS = 500
_MOST_TOKENS = 510  # that the voices have a style for

_OTHER_TONGUE = re.compile(r"\([a-z^-]+\)")
"""How espeak-ng marks a word it reads in another language; the mark is not said."""

_ESPEAK_TO_KOKORO = {
    "a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "o^ʊ": "O", "ə^ʊ": "Q", "ɔ^ɪ": "Y",
    "d^z": "ʣ", "t^s": "ʦ", "d^ʒ": "ʤ", "t^ʃ": "ʧ", "s^s": "s", "g": "ɡ",
    "d^ʑ": "ʥ", "t^ɕ": "ʨ", "ɯ^ᵝ": "ɯ",
    "ɫ": "l", "ɭ": "l", "ɵ": "œ", "ʉ": "u", "ʑ": "ʒ",
}  # fmt: skip
"""Tied symbols have one letter in Kokoro's alphabet (after misaki's table for espeak); the last
five have none and are said like their nearest."""


def session(model: Path, durations: str, threads: int) -> onnxruntime.InferenceSession:
    """Load a voice model with its duration tensor as the last output."""
    graph = onnx.load(str(model))
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(durations))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Waiting threads sleep: the neighbours on this machine need the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@cache
def _english(*, british: bool) -> G2P:
    return G2P(british=british)


def kokoro_alphabet(text: str, language: str) -> str:
    """Write ``text`` in the voices' own letters: English by hibari, the rest by espeak-ng."""
    if language == INVENTED:
        return text
    if language.startswith("en"):
        return str(_english(british=language == "en-gb")(text))
    command = ["espeak-ng", "-q", "--ipa", "--tie=^", "-v", language, text]
    clauses = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
    ipa = _OTHER_TONGUE.sub("", ", ".join(c.strip() for c in clauses if c.strip()))
    # Nasal vowels come as one character; the voices know the vowel and the tilde.
    ipa = normalize("NFD", ipa).replace("c\u0327", "\u00e7")
    letters = _ESPEAK_TO_KOKORO | (russian.LETTERS if language == "ru" else {})
    for written, letter in letters.items():
        ipa = ipa.replace(written, letter)
    ipa = ipa.replace("^", "").replace("-", "")
    if language == "ru":
        ipa = russian.reduced(ipa)
    end = text.strip()[-1]
    return ipa + (end if end in "?!" else ".")


@cache
def _vocabulary() -> dict[str, int]:
    assets = Path(hibari.__file__).parent / "assets"
    return dict(json.loads((assets / "vocab.json").read_text(encoding="utf-8")))


def tokens_of(text: str, language: str) -> list[str]:
    """Return the letters the model knows, between two pads."""
    letters = [x for x in kokoro_alphabet(text, language) if x in _vocabulary()]
    return [_PAD, *letters[:_MAX_TOKENS], _PAD]


def _ids(tokens: list[str]) -> NDArray[np.int64]:
    return np.array([[_vocabulary().get(token, 0) for token in tokens]], np.int64)


class Kokoro:
    """One voice of Kokoro-82M (Apache-2.0); all voices share one graph."""

    def __init__(
        self, graph: onnxruntime.InferenceSession, styles: Mapping[Path, float], *, language: str
    ) -> None:
        """Take the file of one speaker, or those of several and their shares: a voice between."""
        self._graph = graph
        self._language = language
        # One style vector per token count: (510, 1, 256).
        self._styles = np.zeros((_MOST_TOKENS, 1, 256), np.float32)
        for file, share in styles.items():
            self._styles += share * np.fromfile(file, np.float32).reshape(self._styles.shape)

    def speak(self, text: str, speed: float) -> Recording:
        tokens = tokens_of(text, self._language)
        samples, durations = self._graph.run(
            None,
            {
                "tokens": _ids(tokens),
                "style": self._styles[len(tokens) - 2],
                "speed": np.array([speed], np.float32),
            },
        )
        return _timed(samples, tokens, durations)


class Hibari:
    """The one voice inside the hibari package (Apache-2.0): small, fast, American."""

    def __init__(self, graph: onnxruntime.InferenceSession) -> None:
        self._graph = graph

    def speak(self, text: str, speed: float) -> Recording:
        tokens = tokens_of(text, "en-us")
        feed = {"ids": _ids(tokens), "speed": np.array([speed], np.float32)}
        *spectra, durations = self._graph.run(None, feed)
        samples = dsp.synth(*(part[0] for part in spectra), np.random.default_rng(0))
        return _timed(samples, tokens, durations)


def _timed(samples: Samples, tokens: list[str], durations: NDArray[np.float32]) -> Recording:
    phones = phones_of_tokens(tokens, (durations.ravel() * _UNIT_S).tolist())
    return recording(samples.ravel(), _RATE_HZ, shifted(phones, -_LATE_S))


def load_hibari(threads: int) -> Hibari:
    """Load the voice that comes with the installed package."""
    model = Path(hibari.__file__).parent / "assets" / "hibari.onnx"
    return Hibari(session(model, _HIBARI_DURATIONS, threads))
