"""Every test is marked by the folder it lies in; none fails because the machine is busy."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

_TESTS = Path(__file__).parent
_CATEGORIES = frozenset({"unit", "integration", "e2e", "soak"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(_TESTS).parts[0]
        if folder in _CATEGORIES:
            item.add_marker(getattr(pytest.mark, folder))
