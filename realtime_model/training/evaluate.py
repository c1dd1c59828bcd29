"""``emolive evaluate``: judge a preset on held-out data; a table, JSON and pictures."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from realtime_model.errors import ModelError
from realtime_model.face import FaceLandmarker
from realtime_model.factory import build_model
from realtime_model.portrait import check_portrait
from realtime_model.training.evaluation import (
    ClipFigures,
    as_plain,
    contact_sheet,
    evaluate,
    film,
    summarise,
    write_sheet,
)
from realtime_model.training.identity import FaceEmbedder
from realtime_model.training.rendering import Clip, Sitter, load_clips, load_sitters

_SHEET_ROWS = 6
_LONGEST_S = 12


def pick_clips(clips: list[Clip], count: int) -> list[Clip]:
    """Clips of as many voices as possible, at most twelve seconds each."""
    voices: dict[str, list[Clip]] = {}
    for clip in clips:
        if 3 * 25 <= len(clip.mouth) <= _LONGEST_S * 25:
            voices.setdefault(clip.name.rsplit("-", 1)[0], []).append(clip)
    picked: list[Clip] = []
    for turn in range(max((len(v) for v in voices.values()), default=0)):
        picked += [v[turn] for v in voices.values() if turn < len(v)]
    return picked[:count]


def load_heldout(runs: Path, count: int) -> tuple[list[Sitter], list[Clip]]:
    """Read the held-out side of the corpus.

    Raises:
        ModelError: it is not there; the text names the commands that make it.
    """
    try:
        landmarker = FaceLandmarker()
        sitters = [
            s
            for s in load_sitters(runs / "portraits", "heldout")
            if all(c.ok for c in check_portrait(s.portrait.image, landmarker))
        ]
        clips = pick_clips(load_clips(runs / "corpus" / "speech", "heldout"), count)
    except OSError as exc:
        raise ModelError(f"no corpus in {runs}: run 'emolive train portraits' first") from exc
    if not sitters or not clips:
        raise ModelError(
            f"nothing held out in {runs}: run 'emolive train portraits' and 'emolive train corpus'"
        )
    return sitters, clips


def main(
    runs: Annotated[Path, typer.Option(help="Where the corpus lies.")] = Path("runs"),
    preset: Annotated[
        Path | None, typer.Option(help="Weights to judge; default: embedded.")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="Clips to speak.")] = 12,
    identity: Annotated[bool, typer.Option(help="Measure identity (extra 'evaluate').")] = True,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("runs/evaluation"),
) -> None:
    """Judge a preset on held-out portraits and voices."""
    console = Console()
    try:
        sitters, spoken = load_heldout(runs, clips)
        model = build_model(preset, threads=threads)
        embedder = FaceEmbedder() if identity else None
    except ModelError as exc:
        Console(stderr=True).print(f"[red]error:[/] {exc}")
        sys.exit(1)
    judged = evaluate(model, sitters, spoken, embedder=embedder)
    total = max(len(sitters), len(spoken))
    figures = list(progress(judged, "judging", total, console=console))
    summary = summarise(figures)
    out.mkdir(parents=True, exist_ok=True)
    body = {"summary": summary, "clips": as_plain(figures)}
    (out / "report.json").write_text(json.dumps(body, indent=1))
    rows = [
        contact_sheet(film(model, s.portrait.image, spoken[i % len(spoken)].audio[: 16_000 * 4]))
        for i, s in enumerate(sitters[:_SHEET_ROWS])
    ]
    write_sheet(out / "sheet.png", rows)
    console.print(_table(figures, summary))
    console.print(f"Report: {out / 'report.json'}, pictures: {out / 'sheet.png'}")


def _table(figures: list[ClipFigures], summary: dict[str, float]) -> Table:
    table = Table(title="Held-out portraits and voices")
    for name in ("portrait", "clip", "lips", "lag", "shuffled", "identity", "blinks/min"):
        table.add_column(name)
    for f in figures:
        who = "-" if f.identity_median is None else f"{f.identity_median:.2f}"
        table.add_row(
            f.portrait,
            f.clip,
            f"{f.lips:.2f}",
            str(f.lag_frames),
            f"{f.lips_shuffled:.2f}",
            who,
            f"{f.blinks_per_minute:.0f}",
        )
    table.caption = "  ".join(f"{name} {value:.3g}" for name, value in summary.items())
    return table


if __name__ == "__main__":
    typer.run(main)
