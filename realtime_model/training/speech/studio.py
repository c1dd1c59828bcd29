"""The voices of a recipe, and the act of speaking a planned clip."""

from functools import cache, cached_property
from pathlib import Path

import onnxruntime

from realtime_model.training.speech import festvox, neural
from realtime_model.training.speech.config import CorpusConfig
from realtime_model.training.speech.festvox import Festvox
from realtime_model.training.speech.flite import Flite
from realtime_model.training.speech.packages import kokoro_files
from realtime_model.training.speech.plan import ClipPlan, mixture
from realtime_model.training.speech.prompts import Prompts
from realtime_model.training.speech.styles import performed
from realtime_model.training.speech.voices import Recording, Voice, joined, levelled, silence


class VoiceRoom:
    """All voices a recipe asks for; each engine is loaded when first heard."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._open = cache(self._opened)

    def voice(self, engine: str, name: str, language: str) -> Voice:
        return self._open(engine, name, language)

    def texts(self, engine: str, language: str) -> list[str]:
        """Everything that the recorded people of an engine say in a language."""
        voice = self.voice(engine, "recorded", language)
        assert isinstance(voice, Prompts | Festvox)
        return voice.texts

    @cached_property
    def _kokoro(self) -> tuple[onnxruntime.InferenceSession, Path]:
        graph, voices = kokoro_files(Path(self._config.packages))
        return neural.session(graph, neural.KOKORO_DURATIONS, self._config.threads), voices

    def _opened(self, engine: str, name: str, language: str) -> Voice:
        match engine:
            case "hibari":
                return neural.load_hibari(self._config.threads)
            case "flite":
                return Flite(name)
            case "prompts":
                return Prompts(language)
            case "festvox":
                return Festvox(festvox.folder_of(language))
            case _:
                graph, voices = self._kokoro
                shares = {voices / f"{one}.bin": share for one, share in mixture(name).items()}
                return neural.Kokoro(graph, shares, language=language)


def make_clip(plan: ClipPlan, room: VoiceRoom) -> Recording:
    """Speak a planned clip."""
    voice = room.voice(plan.engine, plan.voice, plan.language)
    parts = [silence(plan.pauses_s[0])]
    for text, pause_s in zip(plan.texts, plan.pauses_s[1:], strict=True):
        spoken = performed(voice.speak(text, plan.speed), plan.style, plan.seed)
        parts += [Recording(levelled(spoken.samples), spoken.phones), silence(pause_s)]
    return joined(parts)
