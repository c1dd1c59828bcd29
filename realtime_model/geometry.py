"""The arithmetic of windows, in integers: how much sound a model call looks at, what it returns."""

from dataclasses import dataclass

from realtime_model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class WindowGeometry:
    """How sound is cut into overlapping windows and answered with frames.

    A window is ``past | hop | lookahead``. Window ``k`` starts ``past_samples`` before sample ``k *
    hop_samples`` of the stream and ends ``lookahead_samples`` after its hop; before the first
    sample there is silence. Each window is answered by exactly ``hop_frames`` frames, which show
    the hop.
    """

    sample_rate_hz: int = 16_000
    fps: int = 25
    hop_frames: int = 4
    lookahead_frames: int = 2
    past_frames: int = 16
    width_px: int = 256
    height_px: int = 256

    def __post_init__(self) -> None:
        if self.sample_rate_hz % self.fps:
            raise ConfigError(
                f"{self.sample_rate_hz} Hz does not divide into whole samples at {self.fps} fps"
            )
        if self.hop_frames < 1 or self.lookahead_frames < 0 or self.past_frames < 0:
            raise ConfigError("hop_frames must be at least 1, lookahead and past at least 0")

    @property
    def samples_per_frame(self) -> int:
        return self.sample_rate_hz // self.fps

    @property
    def hop_samples(self) -> int:
        return self.hop_frames * self.samples_per_frame

    @property
    def lookahead_samples(self) -> int:
        return self.lookahead_frames * self.samples_per_frame

    @property
    def past_samples(self) -> int:
        return self.past_frames * self.samples_per_frame

    @property
    def window_samples(self) -> int:
        return self.past_samples + self.hop_samples + self.lookahead_samples

    @property
    def hop_s(self) -> float:
        return self.hop_frames / self.fps

    @property
    def frame_s(self) -> float:
        return 1 / self.fps
