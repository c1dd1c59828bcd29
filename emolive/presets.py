"""From the name of a preset to a model: the one place where the command line loads torch."""

from pathlib import Path

from emolive.errors import InputError
from realtime_model.contract import AvatarModel


def load_preset(name: str, *, threads: int | None) -> AvatarModel:
    """Load ``default``, the embedded weights, or the model that a configuration file describes.

    Raises:
        InputError: there is neither a preset nor a file of this name.
        CheckpointError: the weights are missing or altered.
    """
    path = None if name == "default" else Path(name)
    if path is not None and not path.is_file():
        raise InputError(f"No preset and no file is called {name}. Use 'default', or a path.")
    from realtime_model.factory import build_model

    return build_model(path, threads=threads)
