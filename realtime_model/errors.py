"""Everything that can go wrong in the model, as one tree.

ModelError
├── ConfigError        a config has an unknown key or an impossible size
├── CheckpointError    a weight file is missing, altered or does not fit
├── PortraitError      a picture cannot become an avatar
├── ShapeError         an array does not have the promised shape
├── StreamError        a stream is unknown, or already open
├── MemoryShortError   the processor or the GPU has too little memory
├── DeviceError        the GPU or its driver failed
└── TrainingError      a training cannot go on
"""


class ModelError(Exception):
    """Base of all errors of ``realtime_model``; ``code`` is stable, the text is for people."""

    code = "model_error"


class ConfigError(ModelError):
    """A configuration is not usable; the text names the key."""

    code = "bad_config"


class CheckpointError(ModelError):
    """A weight file is missing, altered, or does not match its configuration."""

    code = "bad_checkpoint"


class ShapeError(ModelError):
    """An array does not have the promised shape, type or range."""

    code = "bad_shape"


class StreamError(ModelError):
    """A stream id is unknown, or is opened twice."""

    code = "bad_stream"


class MemoryShortError(ModelError):
    """There is too little memory to load or to go on; the text names amounts, or what to do."""

    code = "not_enough_memory"


class DeviceError(ModelError):
    """The GPU or its driver failed; nothing in this process can use it any more."""

    code = "device_failed"


class TrainingError(ModelError):
    """A training cannot go on; what was reached so far is on disk. The text says what to do."""

    code = "training_failed"


class PortraitError(ModelError):
    """A picture cannot become an avatar.

    Attributes:
        reason: stable word: ``no_face``, ``several_faces``, ``too_small``, ``not_frontal``,
            ``cut_off``.
        advice: one sentence on what to do about it.
    """

    code = "bad_portrait"

    def __init__(self, reason: str, message: str, advice: str) -> None:
        self.reason, self.advice = reason, advice
        super().__init__(f"{message} {advice}")
