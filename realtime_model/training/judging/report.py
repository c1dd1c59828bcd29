"""Writes a judgement down: ``report.json`` for programs, ``report.html`` for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from string import Template

from realtime_model.errors import ModelError
from realtime_model.training.judging.clip import Judged
from realtime_model.training.judging.codec import Restored, summarise_codec
from realtime_model.training.judging.drift import Drift
from realtime_model.training.judging.figures import (
    ClipFigures,
    GroupFigures,
    as_plain,
    clip_fields,
    group,
    summarise,
)
from realtime_model.training.judging.page import as_name, as_url, table, table_head, whole_page
from realtime_model.training.judging.plot import key, plot
from realtime_model.training.judging.targets import in_order, target_of
from realtime_model.training.judging.teacher import compare

_TITLE = "Judgement of the avatar"
_CLOSEUPS = 6
_BODY = Template("""<p>$verdict</p>
<p class="soft">$about</p>
<p class="soft">Made with <code>$command</code></p>
<h2>Summary</h2>
<div class="wide">$summary</div>
<p class="soft small">Every figure is read off finished frames by a face landmarker, on portraits
and voices that training never saw. A film of the rig, which acts the same clip with the true
curve, is read the same way: its figures are what this judge gives to a perfect mouth.</p>
$drift
$codec
$teacher
<h2>Looked at closely</h2>
$key
$closeups
<h2>Every portrait</h2>
$portraits
<h2>Groups</h2>
<div class="wide">$groups</div>
<h2>Clips</h2>
<div class="wide small">$clips</div>""")
_KEY = {
    "model": "mouth of the model",
    "rig": "mouth of the rig",
    "loud": "loudness",
    "lip": "p, b, m: closed",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """All there is to report.

    Attributes:
        judged: at least one clip.
        drift: of the long film; None if it was left out.
        restored: what the codec made of the rig's poses, one row a portrait.
        taught: the teacher on the first of the clips.
        heard: figures of the ear alone.
        command: what was typed.
        about: one sentence on what was judged.
    """

    judged: Sequence[Judged]
    drift: Drift | None
    command: str
    about: str
    restored: Sequence[Restored] = ()
    taught: Sequence[Judged] = ()
    heard: Mapping[str, float] = field(default_factory=dict)

    @property
    def figures(self) -> list[ClipFigures]:
        return [j.figures for j in self.judged]

    @property
    def summary(self) -> dict[str, float]:
        """All figures in the order of the targets."""
        found = summarise(self.figures) | (self.drift.summary if self.drift else {})
        if self.restored:
            found |= summarise_codec(self.restored)
        if self.taught:
            found |= compare(self.judged, self.taught)
        return in_order(found | dict(self.heard))


def open_folder(out: Path) -> None:
    """Make the report's folder, before an hour is spent on what cannot be written.

    Raises:
        ModelError: it cannot be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / "report.part"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as exc:
        raise _unwritable(out, exc) from exc


def write_report(judgement: Judgement, out: Path) -> None:
    """Write both files.

    Raises:
        ModelError: the folder cannot be written to.
    """
    body = {
        "command": judgement.command,
        "about": judgement.about,
        "summary": judgement.summary,
        "missed": missed(judgement.summary),
        "clips": as_plain(judgement.figures),
        "groups": as_plain(group(judgement.figures)),
        "teacher": as_plain([j.figures for j in judgement.taught]),
        "drift": None if judgement.drift is None else asdict(judgement.drift),
    }
    try:
        (out / "report.json").write_text(json.dumps(body, indent=1) + "\n", "utf-8")
        (out / "report.html").write_text(page(judgement), "utf-8")
    except OSError as exc:
        raise _unwritable(out, exc) from exc


def missed(summary: Mapping[str, float]) -> list[str]:
    """Names of the figures that lie outside their target."""
    return [name for name, value in summary.items() if not target_of(name).holds(value)]


def page(judgement: Judgement) -> str:
    """The report as one self-contained HTML text."""
    asked = [name for name in judgement.summary if target_of(name).asked]
    late = missed(judgement.summary)
    body = _BODY.substitute(
        verdict=f"{len(asked) - len(late)} of {len(asked)} targets are held.",
        about=escape(judgement.about),
        command=escape(judgement.command),
        summary=_summary_table(judgement.summary),
        drift=_drift_section(judgement.drift),
        codec=_codec_section(judgement.restored),
        teacher=_teacher_section(judgement),
        key=key(_KEY),
        closeups="\n".join(_closeup(j) for j in closeups(judgement.judged)),
        portraits="\n".join(_portrait_row(j) for j in every_portrait(judgement.judged)),
        groups=_group_table(group(judgement.figures)),
        clips=_clip_table(judgement.figures),
    )
    return whole_page(_TITLE, body)


def closeups(judged: Sequence[Judged], count: int = _CLOSEUPS) -> list[Judged]:
    """The worst clip by lips, then others from the second worst to the best, evenly spread."""
    ranked = sorted(judged, key=lambda j: j.figures.lips)
    if len(ranked) <= count:
        return ranked
    last = len(ranked) - 1
    return [ranked[round(place * last / (count - 1))] for place in range(count)]


def every_portrait(judged: Sequence[Judged]) -> list[Judged]:
    """The first clip of every portrait, by the style of the picture."""
    first: dict[str, Judged] = {}
    for one in judged:
        first.setdefault(one.figures.portrait, one)
    return sorted(first.values(), key=lambda j: (j.figures.style, j.figures.portrait))


def _summary_table(summary: Mapping[str, float]) -> str:
    rows = []
    for name, value in summary.items():
        target = target_of(name)
        mark = ""
        if target.asked:
            held = target.holds(value)
            mark = (
                '<span class="held">held</span>' if held else '<span class="missed">missed</span>'
            )
        rows.append((name, target.meaning, f"{value:.3g}", target.text, mark))
    # Marks are ours; all else is escaped with the table.
    body = "".join(
        f'<tr><td class="word"><code>{as_name(name)}</code></td><td>{value}</td><td>{target}</td>'
        f'<td>{mark}</td><td class="word">{escape(meaning)}</td></tr>'
        for name, meaning, value, target, mark in rows
    )
    words = ("figure", "meaning")
    head = table_head(("figure", "value", "target", "", "meaning"), words)
    return f"<table>{head}{body}</table>"


def _clip_table(figures: Sequence[ClipFigures]) -> str:
    worst_first = sorted(figures, key=lambda f: f.lips)
    return table(clip_fields(), [list(asdict(f).values()) for f in worst_first])


def _group_table(groups: Sequence[GroupFigures]) -> str:
    rows = [asdict(g) for g in groups]
    return table(tuple(rows[0]), [list(row.values()) for row in rows])


def _drift_section(drift: Drift | None) -> str:
    if drift is None:
        return ""
    rows = [
        ["first", *drift.first.colour, drift.first.sharpness, drift.first.identity],
        ["last", *drift.last.colour, drift.last.sharpness, drift.last.identity],
    ]
    head = ("name", "red", "green", "blue", "sharpness", "identity distance")
    said = f"{drift.portrait} says {drift.clip} again and again for {drift.minutes:g} minutes;"
    return (
        f"<h2>The long film</h2><p>{escape(said)} its first tenth against its last.</p>"
        f'<div class="wide">{table(head, rows)}</div>'
    )


def _codec_section(restored: Sequence[Restored]) -> str:
    if not restored:
        return ""
    sheets = "".join(
        f'<img alt="rig and codec, {escape(r.portrait)}" title="{escape(r.portrait)}" '
        f'src="{as_url(r.sheet)}">'
        for r in restored
    )
    return (
        "<h2>The codec alone</h2><p>Above what the rig drew, below what the codec made of its "
        f'motion; the widest open mouths of each portrait.</p><div class="sheets">{sheets}</div>'
    )


def _teacher_section(judgement: Judgement) -> str:
    if not judgement.taught:
        return ""
    rows, sheets = [], []
    for own, other in zip(judgement.judged, judgement.taught, strict=False):
        for name, one in (("student", own), ("teacher", other)):
            f = one.figures
            rows.append([f.portrait, f.clip, name, f.lips, f.spread, f.identity_median, f.seam])
            sheets.append(f'<img alt="{name}, {escape(f.portrait)}" src="{as_url(one.sheet)}">')
    head = ("portrait", "clip", "name", "lips", "spread", "identity", "seam")
    return (
        "<h2>Beside the teacher</h2><p>The same clips from the network the student learned from, "
        "in forty steps with guidance; the student above, the teacher below.</p>"
        f'<div class="wide">{table(head, rows)}</div>{"".join(sheets)}'
    )


def _portrait_row(judged: Judged) -> str:
    f = judged.figures
    return (
        f"<figure><figcaption>{escape(f'{f.portrait} ({f.style})')}</figcaption>"
        f'<img alt="frames of {escape(f.portrait)}" src="{as_url(judged.sheet)}"></figure>'
    )


def _closeup(judged: Judged) -> str:
    f = judged.figures
    said = f"{f.portrait} ({f.style}) says {f.clip} ({f.language}): lips {f.lips:.2f}"
    if f.rig_lips is not None:
        said += f", rig {f.rig_lips:.2f}"
    return (
        f"<figure><h3>{escape(said)}</h3>{plot(judged.curves, escape(said))}"
        f'<img alt="frames of {escape(f.portrait)}" src="{as_url(judged.sheet)}"></figure>'
    )


def _unwritable(out: Path, exc: OSError) -> ModelError:
    return ModelError(f"{out} cannot be written to ({exc.strerror}): choose another --out")
