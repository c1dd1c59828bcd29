import numpy as np

from stream_server.rtc.concealment import Concealment

TONE = (8_000 * np.sin(np.arange(960) * 0.05)).astype(np.int16)


def warmed() -> Concealment:
    concealment = Concealment()
    for _ in range(3):
        concealment.pass_through(TONE)
    return concealment


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples.astype(np.float64)))))


def test_received_sound_passes_unchanged() -> None:
    np.testing.assert_array_equal(warmed().pass_through(TONE), TONE)


def test_a_gap_fades_from_the_last_sound_to_silence_within_40_ms() -> None:
    filled = warmed().fill(2_880)
    assert rms(filled[:240]) > 0.7 * rms(TONE)
    assert rms(filled[1_440:1_920]) < 0.3 * rms(TONE)
    assert not filled[1_920:].any()


def test_the_seam_is_smooth() -> None:
    filled = warmed().fill(960)
    steepest = np.abs(np.diff(TONE.astype(int))).max()
    assert abs(int(filled[0]) - int(TONE[-1])) <= 2 * steepest


def test_a_gap_in_pieces_is_the_gap_in_one() -> None:
    whole, cut = warmed(), warmed()
    parts = np.concatenate([cut.fill(n) for n in (120, 840, 960, 480)])
    np.testing.assert_array_equal(parts, whole.fill(2_400))


def test_sound_that_returns_fades_in() -> None:
    concealment = warmed()
    concealment.fill(960)
    voice = concealment.pass_through(np.full(960, 8_000, np.int16))
    assert voice[0] == 0
    assert (voice[120:] == 8_000).all()
