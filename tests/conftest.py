"""Every test is marked by the folder it lies in; none fails because the machine is busy."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from realtime_model.contract import RgbImage

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

_TESTS = Path(__file__).parent
_CATEGORIES = frozenset({"unit", "integration", "e2e", "soak"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(_TESTS).parts[0]
        if folder in _CATEGORIES:
            item.add_marker(getattr(pytest.mark, folder))


@pytest.fixture(scope="session")
def astronaut() -> RgbImage:
    """A public-domain photograph of a person, (512, 512, 3); the package is not imported."""
    package = find_spec("skimage")
    assert package is not None
    assert package.origin is not None
    return np.asarray(Image.open(Path(package.origin).parent / "data" / "astronaut.png"))
