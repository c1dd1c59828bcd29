"""The public weights this project knows: what each is for, where it is published, on which terms.

Licences are given as the publishers are known to state them. Those of Hallo's and EchoMimic's code
were read in their repositories; none of the weights' own terms was read again at its source.
`Licence.unsure` says what is not known at all. Read the terms before you use or pass on weights.
"""

from dataclasses import dataclass
from pathlib import Path

DEFAULT_FOLDER = Path("var/weights")
"""Where converted weights lie, below the folder the program is run in."""


@dataclass(frozen=True, slots=True)
class Licence:
    """The terms of published weights.

    Attributes:
        name: the licence's common name.
        page: where the publisher states it.
        unsure: what is not known about it; empty when nothing is.
    """

    name: str
    page: str
    unsure: str = ""

    def __str__(self) -> str:
        return f"{self.name}{f'; not known: {self.unsure}' if self.unsure else ''}"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of public weights.

    Attributes:
        purpose: what it does here, in a few words.
        repository: where it is published on the Hugging Face hub.
    """

    name: str
    purpose: str
    repository: str
    licence: Licence


@dataclass(frozen=True, slots=True)
class Needs:
    """What a preset cannot run without, and what makes it faster or better."""

    required: tuple[str, ...]
    useful: tuple[str, ...] = ()

    def missing(self, there: frozenset[str]) -> tuple[str, ...]:
        """Return the required kinds that are not ``there``."""
        return tuple(kind for kind in self.required if kind not in there)


_HUB = "https://huggingface.co"
_TERMS = "the terms of the weights themselves"
_BASE = "whether those of the Stable Diffusion model they were trained from apply as well"


def _kind(name: str, purpose: str, repository: str, licence: str, unsure: str = "") -> Kind:
    page = f"{_HUB}/{repository}"
    return Kind(name, purpose, repository, Licence(licence, page, unsure))


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind(
            "hallo",
            "networks of emo-sd15: ReferenceNet, backbone, audio and motion modules",
            "fudan-generative-ai/hallo",
            "MIT (the code)",
            f"{_TERMS}, and {_BASE}",
        ),
        _kind(
            "echomimic",
            "networks of EchoMimic, 30 steps",
            "BadToBest/EchoMimic",
            "Apache-2.0 (the code, and the tag of the page)",
            _BASE,
        ),
        _kind(
            "echomimic-acc",
            "networks of EchoMimic, 6 steps",
            "BadToBest/EchoMimic",
            "Apache-2.0 (the code, and the tag of the page)",
            _BASE,
        ),
        _kind(
            "sd15-unet",
            "start of a training: the spatial layers",
            "stable-diffusion-v1-5/stable-diffusion-v1-5",
            "CreativeML OpenRAIL-M",
        ),
        _kind(
            "animatediff",
            "start of a training: the motion modules",
            "guoyww/animatediff",
            "Apache-2.0 (the code)",
            _TERMS,
        ),
        _kind("kl-vae", "picture to latent and back, exact", "stabilityai/sd-vae-ft-mse", "MIT"),
        _kind("taesd", "picture to latent and back, fast", "madebyollin/taesd", "MIT"),
        _kind(
            "wav2vec2",
            "voice to features, for hallo",
            "facebook/wav2vec2-base-960h",
            "Apache-2.0",
        ),
        _kind(
            "whisper-tiny",
            "voice to features, for echomimic",
            "openai/whisper-tiny",
            "Apache-2.0 on the hub, MIT from OpenAI",
        ),
    )
}

NEEDS: dict[str, Needs] = {
    "emo-sd15": Needs(("hallo", "wav2vec2", "kl-vae"), ("taesd",)),
    "emo-sd15-echomimic-acc": Needs(("echomimic-acc", "whisper-tiny", "kl-vae"), ("taesd",)),
}
