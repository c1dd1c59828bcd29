"""What a call does to a voice on its way: automatic gain, Opus at a low rate, lost packets.

Every function keeps the length and the timing of the sound. Samples are float32 in [-1, 1], mono,
16 kHz.
"""

from collections.abc import Iterator, Sequence

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.random import Generator
from scipy.signal import resample_poly

from realtime_model.training.speech.voices import SAMPLE_RATE_HZ, Samples

_PACKET = SAMPLE_RATE_HZ // 50
_DELAY = 104
"""Samples by which libopus is late at 16 kHz: the 312 of 48 kHz that its header tells to skip."""
_DECODED_HZ = 48_000
_MORE_LOST = 0.4  # packets get lost in rows: how often the next one is lost, too

_GAIN_BLOCK = SAMPLE_RATE_HZ // 100
_GAIN_DB = (-12.0, 30.0)
_LOUDER, _QUIETER = 0.2, 0.008  # how fast the level it believes in follows, of a step a block
_GATE_DB = 35.0  # what lies further below the loudest is no voice


def gain_controlled(samples: Samples, target_db: float) -> Samples:
    """Bring a voice to one level, as browsers do: loud parts at once, quiet ones within a second.

    Args:
        samples: the voice.
        target_db: level of speech, of full scale; gains are -12 to 30 dB.
    """
    blocks = np.resize(samples, (-(-len(samples) // _GAIN_BLOCK), _GAIN_BLOCK)).astype(np.float64)
    levels_db = 10 * np.log10(np.square(blocks).mean(axis=1) + 1e-9)
    gate_db, level_db = levels_db.max() - _GATE_DB, levels_db.max()
    gains_db = np.empty(len(levels_db))
    for i, now_db in enumerate(levels_db):
        if now_db > gate_db:
            level_db += (_LOUDER if now_db > level_db else _QUIETER) * (now_db - level_db)
        gains_db[i] = np.clip(target_db - level_db, *_GAIN_DB)
    middles = (np.arange(len(gains_db)) + 0.5) * _GAIN_BLOCK
    gains = 10 ** (np.interp(np.arange(len(samples)), middles, gains_db) / 20)
    return np.clip(samples * gains, -1, 1).astype(np.float32)


def over_opus(samples: Samples, kbps: float, lost: float, rng: Generator) -> Samples:
    """Send a voice through libopus; what lost packets held is concealed by its decoder.

    Args:
        samples: the voice.
        kbps: bit rate, from 6 on.
        lost: share of the packets of 20 ms that begin a loss; four in ten losses go on.
        rng: draws the losses.
    """
    encoder = AudioCodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = SAMPLE_RATE_HZ, "mono", "s16"
    encoder.bit_rate, encoder.options = round(1_000 * kbps), {"application": "voip"}
    packets: list[bytes] = []
    for frame in _frames(samples):
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    packets += [bytes(packet) for packet in encoder.encode(None)]
    decoder = AudioCodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = _DECODED_HZ, "mono"
    heard = [
        frame.to_ndarray()[0]
        for packet in _with_losses(packets, lost, rng)
        for frame in decoder.decode(av.Packet(packet))
    ]
    voice = resample_poly(np.concatenate(heard) / 32_768, 1, _DECODED_HZ // SAMPLE_RATE_HZ)
    return np.asarray(voice[_DELAY : _DELAY + len(samples)], np.float32)


def _frames(samples: Samples) -> Iterator[av.AudioFrame]:
    """Packets' worth of sound, to the end and far enough beyond for what the encoder holds back."""
    length = (len(samples) + _DELAY + 2 * _PACKET) // _PACKET * _PACKET
    padded = np.zeros(length, np.int16)
    padded[: len(samples)] = np.clip(samples, -1, 1) * 32_767
    for start in range(0, length, _PACKET):
        piece = padded[None, start : start + _PACKET]
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        yield frame


def _with_losses(packets: Sequence[bytes], lost: float, rng: Generator) -> Iterator[bytes]:
    """Of a lost packet only the first byte stays, which tells its length and nothing of its sound.

    A decoder conceals such a packet, as it does an absent one: RFC 6716, sections 3.1 and 4.4.
    """
    gone = False
    for packet in packets:
        gone = rng.random() < (_MORE_LOST if gone else lost)
        yield packet[:1] if gone else packet
