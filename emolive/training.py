"""The commands below ``emolive train`` and ``emolive evaluate``.

Each stage is a module of ``realtime_model`` that runs by itself (``python -m MODULE``) and reads
its own options; here it only gets a short name. A new stage is one line in `STAGES`; words after
the module are handed to it first.
"""

import runpy
import sys
from collections.abc import Callable
from importlib.util import find_spec

import typer

from emolive.errors import WorkError

PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}

_STAGES = "realtime_model.training.stages"
STAGES = {
    "portraits": ("realtime_model.training.portraits", "Collect and draw the training portraits."),
    "corpus": ("realtime_model.training.speech", "Speak the corpus: voices, phonemes, curves."),
    "render": (f"{_STAGES} render", "Draw frames of the portraits for the codec."),
    "listener": (f"{_STAGES} listener", "Teach the audio encoder to predict the mouth."),
    "codec": (f"{_STAGES} codec", "Train the codec: flow, then paint."),
    "latents": (f"{_STAGES} latents", "Let portraits act the clips."),
    "teacher": (f"{_STAGES} teacher", "Train the denoising teacher."),
    "student": (f"{_STAGES} student", "Distil the few-step student; write the weights."),
    "sync": (f"{_STAGES} sync", "Teach the scorer of sync that judges finished weights."),
    "films": (f"{_STAGES} films", "Stream clips that the full size was taught on."),
    "all": (f"{_STAGES} all", "Run every stage, in this order."),
}
_EVALUATION = "realtime_model.training.evaluate"

train = typer.Typer(help="Train the default model, one stage at a time.", no_args_is_help=True)


def run_module(module: str, arguments: list[str]) -> None:
    """Run a module as ``python -m`` would, in this process.

    Raises:
        WorkError: the packages that training needs are not installed.
    """
    if find_spec("onnxruntime") is None or find_spec("tensorboard") is None:
        raise WorkError(
            "Training needs more packages. Install them with: make .venv/.installed-dev"
        )
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def evaluate(context: typer.Context) -> None:
    """Run the evaluation with the options given."""
    run_module(_EVALUATION, context.args)


def distill(context: typer.Context) -> None:
    """Run the last stage of training with the options given."""
    _command(STAGES["student"][0])(context)


def _command(line: str) -> Callable[[typer.Context], None]:
    module, *first = line.split()

    def run(context: typer.Context) -> None:
        run_module(module, [*first, *context.args])

    return run


for _name, (_line, _help) in STAGES.items():
    # The stage itself answers --help: it knows its options.
    train.command(_name, help=_help, context_settings=PASS_THROUGH, add_help_option=False)(
        _command(_line)
    )
