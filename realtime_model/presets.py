"""Presets by name: the embedded default, those that are shipped, and anybody's file. No torch."""

from pathlib import Path

from realtime_model.errors import ConfigError

DEFAULT = "default"
_ASSETS = Path(__file__).parent / "assets"
_SHIPPED = _ASSETS / "presets"


def preset_names() -> tuple[str, ...]:
    """Names that need no path, the default first."""
    return (DEFAULT, *sorted(path.stem for path in _SHIPPED.glob("*.yaml")))


def preset_path(name: str) -> Path:
    """Return the file of a preset.

    Args:
        name: one of `preset_names`, or the path of a YAML file.

    Raises:
        ConfigError: there is neither a preset nor a file of this name.
    """
    if name == DEFAULT:
        return _ASSETS / "weights" / "emo-tiny.yaml"
    shipped = _SHIPPED / f"{name}.yaml"
    if name in preset_names():
        return shipped
    path = Path(name)
    if not path.is_file():
        raise ConfigError(
            f"no preset and no file is called {name}: use {', '.join(preset_names())}, or a path"
        )
    return path
