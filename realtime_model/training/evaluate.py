"""``emolive evaluate``: judge a preset on held-out data; a table, JSON and a page to look at."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from realtime_model.checkpoint import DEFAULT_PRESET
from realtime_model.errors import ModelError
from realtime_model.face import FaceLandmarker
from realtime_model.factory import build_model
from realtime_model.generator import Generator
from realtime_model.portrait import frame_portrait
from realtime_model.tiny import TinyEngine
from realtime_model.training.identity import FaceEmbedder
from realtime_model.training.judging.clip import Case, Judged, Judges, judge_all
from realtime_model.training.judging.codec import Restored, restore_all
from realtime_model.training.judging.drift import Drift, DriftMeter, film_drift, frames_of
from realtime_model.training.judging.ear import MISHAPS, judge_ear
from realtime_model.training.judging.heldout import load_cases
from realtime_model.training.judging.report import Judgement, open_folder, write_report
from realtime_model.training.judging.targets import target_of
from realtime_model.training.judging.teacher import load_teacher
from realtime_model.training.sync import SyncScorer, load_scorer


def judge_cases(
    model: Generator, cases: list[Case], judges: Judges, bar: Progress, title: str = "judging"
) -> list[Judged]:
    """Judge every case, under a progress bar."""
    task = bar.add_task(title, total=len(cases))
    judged = []
    for one in judge_all(model, cases, judges):
        judged.append(one)
        bar.update(task, advance=1)
    return judged


def judge_codec(engine: TinyEngine, cases: list[Case], bar: Progress) -> list[Restored]:
    """Send the rig's poses of every portrait through the codec, under a progress bar."""
    sitters = list({case.sitter.name: case.sitter for case in cases}.values())
    task = bar.add_task("codec", total=len(sitters))
    restored = []
    for one in restore_all(engine, sitters, [case.clip for case in cases]):
        restored.append(one)
        bar.update(task, advance=1)
    return restored


def judge_hearing(engine: TinyEngine, cases: list[Case], bar: Progress) -> dict[str, float]:
    """Ask the ear alone about every clip, clean and not, under a progress bar."""
    clips = list({case.clip.name: case.clip for case in cases}.values())
    task = bar.add_task("hearing", total=len(MISHAPS))
    heard = {}
    for figure, value in judge_ear(engine.network, clips):
        heard[figure] = value
        bar.update(task, advance=1)
    return heard


def watch_drift(
    model: Generator, case: Case, minutes: float, embedder: FaceEmbedder | None, bar: Progress
) -> Drift:
    """Film one portrait for some minutes, under a progress bar."""
    frames = frames_of(minutes)
    picture = case.sitter.portrait.image
    meter = DriftMeter(frame_portrait(picture, FaceLandmarker()), frames, embedder)
    task = bar.add_task("long film", total=frames)
    for done in film_drift(model, picture, case.clip.audio, meter):
        bar.update(task, completed=done)
    first, last = meter.tenth(last=False), meter.tenth(last=True)
    return Drift(case.sitter.name, case.clip.name, minutes, first, last)


def main(
    runs: Annotated[Path, typer.Option(help="Where the corpus lies.")] = Path("runs"),
    preset: Annotated[
        Path | None, typer.Option(help="Weights to judge; default: embedded.")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="Clips to speak.")] = 33,
    portraits: Annotated[int, typer.Option(min=1, help="Portraits to speak them.")] = 20,
    drift_minutes: Annotated[
        float, typer.Option(min=0.0, help="Length of the long film; 0 leaves it out.")
    ] = 2.0,
    teacher: Annotated[
        Path | None,
        typer.Option(help="Preset of the teacher; default: weights/emo-tiny-teacher.yaml in RUNS."),
    ] = None,
    teacher_clips: Annotated[
        int, typer.Option(min=0, help="Clips that the teacher speaks too; 0 leaves it out.")
    ] = 3,
    identity: Annotated[bool, typer.Option(help="Measure identity (extra 'evaluate').")] = True,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("runs/evaluation"),
) -> None:
    """Judge a preset on held-out portraits and voices."""
    console = Console()
    command = shlex.join(["emolive", "evaluate", *sys.argv[1:]])
    try:
        open_folder(out)
        cases = load_cases(runs, clips=clips, portraits=portraits)
        model = build_model(preset, threads=threads)
        judges = Judges(FaceEmbedder() if identity else None, _scorer(runs, console))
        with Progress(console=console) as bar:
            judged = judge_cases(model, cases, judges, bar)
            engine = model.engine
            restored, heard = [], {}
            # A unet's pictures come out of somebody else's codec, its sound through such an ear.
            if isinstance(engine, TinyEngine):
                restored = judge_codec(engine, cases, bar)
                heard = judge_hearing(engine, cases, bar)
            taught = _taught(teacher, runs, cases[:teacher_clips], judges, bar)
            drift = None
            if drift_minutes > 0:
                drift = watch_drift(model, _steadiest(cases), drift_minutes, judges.embedder, bar)
        about = _about(model, cases, preset)
        judgement = Judgement(judged, drift, command, about, restored, taught, heard)
        write_report(judgement, out)
    except ModelError as exc:
        Console(stderr=True, soft_wrap=True).print(f"[red]error:[/] {escape(str(exc))}")
        sys.exit(1)
    console.print(_table(judgement.summary))
    console.print(f"Report: {out / 'report.html'}, figures: {out / 'report.json'}")


def _taught(
    preset: Path | None, runs: Path, cases: list[Case], judges: Judges, bar: Progress
) -> list[Judged]:
    """The teacher on the same clips; nothing if nobody named one and training left none."""
    left = runs / "weights" / "emo-tiny-teacher.yaml"
    if not cases or (preset is None and not left.is_file()):
        return []
    return judge_cases(load_teacher(preset or left), cases, judges, bar, "teacher")


def _steadiest(cases: list[Case]) -> Case:
    """Whom the long film shows: a photograph, where embeddings of faces are least noisy."""
    return next((case for case in cases if case.style == "photo"), cases[0])


def _scorer(runs: Path, console: Console) -> SyncScorer | None:
    path = runs / "sync" / "last.pt"
    if path.is_file():
        return load_scorer(path)
    console.print(
        "Sync is left out: nobody was taught to judge it. Run 'emolive train sync' first."
    )
    return None


def _about(model: Generator, cases: list[Case], preset: Path | None) -> str:
    portraits = {case.sitter.name for case in cases}
    clips = {case.clip.name for case in cases}
    voices = {name.rsplit("-", 1)[0] for name in clips}
    steps = model.config.sampler.steps
    return (
        f"{model.config.name} ({preset or DEFAULT_PRESET.name}), {steps} step"
        f"{'' if steps == 1 else 's'} a chunk, on {len(portraits)} held-out portraits and "
        f"{len(clips)} clips of {len(voices)} held-out voices."
    )


def _table(summary: Mapping[str, float]) -> Table:
    table = Table(title="Held-out portraits and voices")
    for name in ("figure", "value", "target", ""):
        table.add_column(name)
    for name, value in summary.items():
        target = target_of(name)
        held = "[green]held[/]" if target.holds(value) else "[red]missed[/]"
        table.add_row(name, f"{value:.3g}", target.text, held if target.asked else "")
    return table


if __name__ == "__main__":
    typer.run(main)
