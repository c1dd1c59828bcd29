"""The report: whole in one file, open about what was missed, safe whatever a name holds."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from realtime_model.errors import ModelError
from realtime_model.training.judging.codec import Restored
from realtime_model.training.judging.drift import Drift, Tenth
from realtime_model.training.judging.plot import plot
from realtime_model.training.judging.report import (
    Judgement,
    closeups,
    missed,
    open_folder,
    page,
    write_report,
)
from tests.fakes.html import needs_no_other_file, read
from tests.fakes.judged import judged


def restored(name: str) -> Restored:
    low, high = np.array([20.0, 30.0]), np.array([30.0, 40.0])
    sheet = np.full((256, 384, 3), 120, np.uint8)
    return Restored(name, high, low, high, high, low, np.array([]), sheet)


@pytest.fixture
def judgement() -> Judgement:
    fading = Tenth((200.0, 150.0, 120.0), 80.0, 0.2), Tenth((100.0, 75.0, 60.0), 80.0, 0.2)
    return Judgement(
        judged=[judged("anna", 0.9), judged("<b>bo & co</b>", 0.5)],
        drift=Drift("anna", "voice-0", 2.0, *fading),
        command="emolive evaluate --clips 2",
        about="emo-tiny on 2 portraits.",
        restored=[restored("anna")],
        taught=[judged("anna", 0.9)],
    )


def test_the_page_needs_no_other_file(judgement: Judgement) -> None:
    html = page(judgement)
    assert len(read(html).sources) == 7
    assert needs_no_other_file(html)
    assert "prefers-color-scheme: dark" in html


def test_the_page_says_what_was_judged_and_how(judgement: Judgement) -> None:
    text = " ".join(read(page(judgement)).text)
    assert "emolive evaluate --clips 2" in text
    assert "emo-tiny on 2 portraits." in text
    assert "anna says voice-0 again and again for 2 minutes" in text
    assert "$" not in text


def test_names_cannot_write_into_the_page(judgement: Judgement) -> None:
    html = page(judgement)
    assert "<b>" not in html
    assert "&lt;b&gt;bo &amp; co&lt;/b&gt;" in html


def test_a_missed_target_is_marked_and_counted(judgement: Judgement) -> None:
    late = missed(judgement.summary)
    assert late == ["lips_mean", "lips_worst", "lips_it", "lips_timed", "drift_colour"]
    assert page(judgement).count('class="missed"') == len(late)
    assert judgement.summary["drift_colour"] == 0.5
    better = replace(judgement, judged=[judged("anna", 0.9)], drift=None)
    assert missed(better.summary) == []
    assert 'class="missed"' not in page(better)
    assert "21 of 21 targets are held." in page(better)


def test_the_worst_clip_is_looked_at_closely() -> None:
    many = [judged(f"p{n}", lips) for n, lips in enumerate(np.linspace(0.9, 0.3, 20))]
    shown = [j.figures.portrait for j in closeups(many)]
    assert len(shown) == len(set(shown)) == 6
    assert shown[0] == "p19"
    assert shown[-1] == "p0"
    assert len(closeups(many[:3])) == 3


def test_a_plot_draws_both_mouths_the_sound_and_the_closures() -> None:
    curves = judged("anna", 0.9).curves
    drawn = plot(curves, "title")
    for name in ("model", "rig", "loud", "lip"):
        assert drawn.count(f'class="{name}"') == 1
    assert "<title>title</title>" in drawn
    assert drawn.count("<text") == 3  # 0 s, 1 s, 2 s
    line = drawn.split('class="model" points="')[1].split('"')[0]
    points = [tuple(map(float, pair.split(","))) for pair in line.split()]
    assert len(points) == 50
    heights = [y for _, y in points]
    # The widest opening is highest on the page; nothing leaves it.
    assert int(np.argmin(heights)) == int(np.argmax(curves.model))
    assert min(heights) >= 0
    assert max(x for x, _ in points) <= 960


def test_the_json_holds_summary_clips_and_groups(judgement: Judgement, tmp_path: Path) -> None:
    write_report(judgement, tmp_path)
    body = json.loads((tmp_path / "report.json").read_text())
    assert body["summary"]["lips_worst"] == 0.5
    assert [c["portrait"] for c in body["clips"]] == ["anna", "<b>bo & co</b>"]
    assert {g["group"] for g in body["groups"]} == {"tongue", "language", "style", "voice"}
    assert body["drift"]["last"]["colour"] == [100.0, 75.0, 60.0]
    assert "drift_colour" in body["missed"]
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_a_folder_that_cannot_be_written_is_found_before_the_work(
    judgement: Judgement, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(ModelError, match=r"taken cannot be written to .*choose another --out"):
        open_folder(taken)
    with pytest.raises(ModelError, match="cannot be written to"):
        write_report(judgement, taken)
    open_folder(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
