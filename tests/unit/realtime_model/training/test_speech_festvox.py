"""A reader whose package tells the times of his sounds."""

# ruff: noqa: RUF001 - IPA letters look like others and are meant

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from realtime_model.training.speech.festvox import Festvox, folder_of, phones_of_labels
from realtime_model.training.speech.packages import PackageError
from realtime_model.training.speech.phones import SILENCE

LABELS = """separator ;
nfields 1
#
0.20000 125 pau
0.30000 125 ss
0.50000 125 oo
0.60000 125 gg
0.80000 125 ae
1.00000 125 pau
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What Debian's package holds of one passage, cut short."""
    for name in ("etc", "wav", "lab"):
        (tmp_path / name).mkdir()
    listing = '( ru_0001 "Сёги." )\n( ru_0002 "Он сказал: - Да." )\n'
    (tmp_path / "etc" / "txt.done.data").write_text(listing, encoding="utf-8")
    (tmp_path / "lab" / "ru_0001.lab").write_text(LABELS, encoding="utf-8")
    pcm = np.zeros(16_000, np.int16)
    pcm[3_200:12_800] = 9_000 * np.sin(np.arange(9_600))
    wavfile.write(tmp_path / "wav" / "ru_0001.wav", 16_000, pcm)
    return tmp_path


def test_a_reading_comes_with_its_sounds_and_their_times(folder: Path) -> None:
    reader = Festvox(folder)
    assert reader.texts == ["Он сказал: - Да.", "Сёги."]
    made = reader.speak("Сёги.", 1.0)
    assert [phone.ipa for phone in made.phones] == [SILENCE, "s", "o", "ɡ", "ɪ", SILENCE]
    assert made.phones[2].start_s == pytest.approx(0.3)
    assert made.phones[2].end_s == pytest.approx(0.5)
    assert made.duration_s == pytest.approx(1.0)
    assert np.abs(made.samples).max() == pytest.approx(9_000 / 32_768, abs=0.01)


def test_labels_follow_each_other_without_gaps() -> None:
    phones = phones_of_labels(LABELS)
    assert phones[0].start_s == 0
    assert all(a.end_s == b.start_s for a, b in pairwise(phones))


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="apt-get install festvox-ru"):
        _ = Festvox(tmp_path / "none").texts


def test_a_language_without_a_reader_is_named() -> None:
    with pytest.raises(PackageError, match="no reader of 'it'; it has ru"):
        folder_of("it")
