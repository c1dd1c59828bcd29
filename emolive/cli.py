"""The command ``emolive``. Heavy modules are imported by the command that needs them."""

import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from emolive import data, training, weights
from emolive.errors import INTERRUPTED, REPORTED, exit_code
from realtime_model.presets import preset_names

_PRESETS = f"{', '.join(preset_names())} or the path of a preset"

app = typer.Typer(
    name="emolive",
    help="One portrait and a voice in; a talking person out, in real time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
bench = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True)
app.add_typer(bench, name="bench")
app.add_typer(training.train, name="train")
app.add_typer(data.data, name="data")
app.add_typer(weights.weights, name="weights")
app.command(
    "evaluate",
    context_settings=training.PASS_THROUGH,
    add_help_option=False,
    help="Judge the default weights on held-out portraits and voices.",
)(training.evaluate)
app.command(
    "distill",
    context_settings=training.PASS_THROUGH,
    add_help_option=False,
    help="Distil the few-step student: the same as train student.",
)(training.distill)

Threads = Annotated[
    int | None,
    typer.Option(min=1, max=256, help="CPU threads of the model at most. [default: its own]"),
]
Seconds = Annotated[float, typer.Option(min=1, max=3600, help="How long to measure.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def main() -> None:
    """Run the command line; what a person can act on is one sentence, never a traceback."""
    signal.signal(signal.SIGTERM, _end_as_if_interrupted)
    try:
        app()
    except REPORTED as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False, highlight=False)
        sys.exit(exit_code(error))


def _end_as_if_interrupted(_signal: int, _frame: object) -> NoReturn:
    """Unwind on SIGTERM too, so that no half-written file is left behind."""
    sys.exit(128 + signal.SIGTERM)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--preset",
            "--model",
            help=f"{_PRESETS}; or testcard (no network).",
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of the model.")] = None,
    max_sessions: Annotated[int | None, typer.Option(help="Sessions at the same time.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with every setting.")] = None,
) -> None:
    """Start the server and its web page (http://127.0.0.1:8080 by default)."""
    from stream_server.app import serve as run_server
    from stream_server.settings import load_settings

    given = {
        "server.host": host,
        "server.port": port,
        "inference.model": model,
        "inference.threads": threads,
        "sessions.max_sessions": max_sessions,
    }
    run_server(load_settings(config, given))


@app.command()
def generate(
    portrait: Annotated[Path, typer.Argument(help="Picture of one face: PNG, JPEG or WebP.")],
    audio: Annotated[Path, typer.Argument(help="Speech or song, in any format FFmpeg reads.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The MP4 to write.")],
    preset: Annotated[str, typer.Option(help=f"{_PRESETS}.")] = "default",
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Denoising steps per chunk; the default preset takes 2, and 1 is its fast mode.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same film.")] = 0,
    motion: Annotated[float, typer.Option(min=0, max=1, help="Head motion; 0 is still.")] = 1.0,
    head_speed: Annotated[
        float, typer.Option(min=0.5, max=2, help="How fast the head turns; 1: as trained.")
    ] = 1.0,
    expression: Annotated[
        float, typer.Option(min=0.5, max=1.5, help="How far the face moves with the voice.")
    ] = 1.0,
    blinks: Annotated[int, typer.Option(min=0, max=40, help="Blinks per minute; 0: none.")] = 18,
    threads: Threads = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the output if it exists.")] = False,
) -> None:
    """Let a portrait say or sing a sound file, as an MP4 of exactly its length."""
    from emolive.generate import FilmRequest, generate_film
    from emolive.presets import load_preset
    from emolive.progress import film_progress
    from realtime_model.contract import StreamOptions

    request = FilmRequest(
        portrait=portrait,
        audio=audio,
        output=output,
        options=StreamOptions(
            seed=seed,
            steps=steps,
            motion=motion,
            head_speed=head_speed,
            expression=expression,
            blinks=blinks,
        ),
        overwrite=overwrite,
    )
    try:
        with film_progress() as report:
            film = generate_film(request, lambda: load_preset(preset, threads=threads), report)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped; nothing was written.")
        raise typer.Exit(INTERRUPTED) from None
    Console(stderr=True, soft_wrap=True).print(film.summary(), markup=False, highlight=False)


@bench.command("model")
def bench_model(
    seconds: Seconds = 20,
    preset: Annotated[str, typer.Option(help=f"{_PRESETS}.")] = "default",
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Measure the model alone: time by stage, real-time factor, memory."""
    from emolive.bench_model import measure_model
    from emolive.presets import load_preset
    from emolive.report import print_report

    print_report(measure_model(lambda: load_preset(preset, threads=threads), seconds), as_json)


@bench.command("live")
def bench_live(
    seconds: Seconds = 20,
    url: Annotated[
        str | None, typer.Option(help="A running server; without it one is started and ended.")
    ] = None,
    model: Annotated[
        str, typer.Option("--preset", "--model", help="Of the server that is started.")
    ] = "default",
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Make a real WebRTC call that speaks a recording, and measure what comes back."""
    from emolive.bench_live import measure_live
    from emolive.report import print_report

    print_report(measure_live(seconds, url=url, model=model, threads=threads), as_json)


@bench.command("flops")
def bench_flops(
    size: Annotated[
        int, typer.Option(min=64, max=2048, help="Side of a frame in pixels, in steps of 64.")
    ] = 512,
    frames: Annotated[int, typer.Option(min=1, max=64, help="New frames in a chunk.")] = 12,
    motion: Annotated[int, typer.Option(min=1, max=16, help="Motion frames before it.")] = 4,
    steps: Annotated[int, typer.Option(min=1, max=100, help="Denoising steps.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Compute what the preset emo-sd15 costs, and what GPUs could make of it at best."""
    from emolive.bench_flops import estimate_cost
    from emolive.report import print_report

    if size % 64:
        raise typer.BadParameter(f"{size} is not a multiple of 64", param_hint="--size")
    print_report(estimate_cost(size, frames, motion, steps), as_json)


@app.command()
def doctor(
    port: Annotated[int, typer.Option(help="The port the server would use.")] = 8080,
) -> None:
    """Look at this machine and say what would not work, and how to mend it."""
    from emolive.doctor import examine, print_findings

    if not print_findings(examine(port)):
        raise typer.Exit(1)
