"""From the name of a preset to a model: the one place where the command line loads torch."""

from emolive.errors import InputError
from realtime_model.contract import AvatarModel
from realtime_model.errors import ConfigError
from realtime_model.presets import DEFAULT, preset_path


def load_preset(name: str, *, threads: int | None) -> AvatarModel:
    """Load ``default``, the embedded weights, another shipped preset, or a file's.

    Raises:
        InputError: there is neither a preset nor a file of this name.
        CheckpointError: the weights are missing or altered.
    """
    try:
        path = preset_path(name)
    except ConfigError as exc:
        raise InputError(f"{exc}.") from exc
    from realtime_model.factory import build_model

    return build_model(None if name == DEFAULT else path, threads=threads)
