"""Every test is marked by the folder it lies in."""

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_CATEGORIES = frozenset({"unit", "integration", "e2e", "soak"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(_TESTS).parts[0]
        if folder in _CATEGORIES:
            item.add_marker(getattr(pytest.mark, folder))
