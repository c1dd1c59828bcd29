"""Which weights of `emo-sd15` are trained in a round, and as what: EMO's stages, as settings.

spatial: both UNets within a picture, the place of the face, identity     EMO's stage 1
voice:   audio tokens and the attention to them                            stage 2, with
time:    attention over frames                                             this
speed:   attention to the speed of the head, and its encoder               stage 3
"""

from realtime_model.errors import TrainingError
from realtime_model.training.denoising import Round
from realtime_model.training.unet.lora import add_lora
from realtime_model.unet.network import UnetNetwork

_OWN = ("spatial", "voice", "time", "speed")
PARTS = {part: (part,) for part in _OWN} | {"temporal": ("voice", "time"), "all": _OWN}


def part_of(name: str) -> str:
    """The part that a weight of a `UnetNetwork` belongs to, by its name."""
    if ".speed_" in name or name.startswith("backbone.speed."):
        return "speed"
    if ".motion_modules." in name:
        return "time"
    return "voice" if ".audio_modules." in name or name.startswith("audio.") else "spatial"


def is_still(work: Round) -> bool:
    """Whether a round learns single pictures, without voice and time."""
    return _parts(work) == {"spatial"}


def choose(network: UnetNetwork, work: Round) -> None:
    """Leave a gradient to what a round trains, and to nothing else.

    Raises:
        TrainingError: it names an unknown part, or one that the network does not have.
    """
    wanted = _parts(work)
    if "speed" in wanted and not network.unet.speed:
        if work.parts != "all":
            raise TrainingError(f"parts: {work.parts}, but this unet has no layers for speed")
        wanted.remove("speed")
    for name, weight in network.named_parameters():
        weight.requires_grad_(part_of(name) in wanted)
    if work.lora_rank:
        add_lora(network, work.lora_rank)


def _parts(work: Round) -> set[str]:
    found: set[str] = set()
    for part in work.parts.split("+"):
        if part not in PARTS:
            raise TrainingError(f"parts: {part} is none of {', '.join(PARTS)}")
        found.update(PARTS[part])
    return found
