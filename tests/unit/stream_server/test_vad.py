import numpy as np
import pytest

from stream_server.media import ANALYSIS_RATE_HZ
from stream_server.pipeline.decimate import Decimator
from stream_server.pipeline.vad import VoiceActivity
from tests.fakes.caller import babble

SPEECH = Decimator().push(babble(1.2))
SILENCE = np.zeros(ANALYSIS_RATE_HZ, np.float32)


def judge(vad: VoiceActivity, samples: np.ndarray, step: int = 320) -> list[bool]:
    return [vad.push(samples[at : at + step]) for at in range(0, len(samples), step)]


def test_voice_is_speech_soon_after_it_begins() -> None:
    verdicts = judge(VoiceActivity(), SPEECH)
    assert verdicts.index(True) * 0.02 < 0.15
    assert not verdicts[0]


def test_silence_and_faint_hum_are_not_speech() -> None:
    hum = 0.001 * np.sin(2 * np.pi * 50 * np.arange(ANALYSIS_RATE_HZ) / ANALYSIS_RATE_HZ)
    assert not any(judge(VoiceActivity(), SILENCE))
    assert not any(judge(VoiceActivity(), hum.astype(np.float32)))


def test_a_single_click_is_not_speech() -> None:
    click = SILENCE.copy()
    click[4_000:4_160] = 0.8
    assert not any(judge(VoiceActivity(), click))


def test_hangover_bridges_pauses_and_then_ends() -> None:
    vad = VoiceActivity(hangover_s=0.3)
    judge(vad, SPEECH[: ANALYSIS_RATE_HZ // 4])
    assert vad.is_speech
    verdicts = judge(vad, SILENCE)
    assert 0.2 <= verdicts.index(False) * 0.02 <= 0.4


@pytest.mark.parametrize("step", [1, 100, 333, 16_000])
def test_verdict_does_not_depend_on_chunking(step: int) -> None:
    whole, cut = VoiceActivity(), VoiceActivity()
    judge(whole, SPEECH)
    judge(cut, SPEECH, step)
    assert whole.is_speech == cut.is_speech
    judge(whole, SILENCE)
    judge(cut, SILENCE, step)
    assert not whole.is_speech
    assert not cut.is_speech
