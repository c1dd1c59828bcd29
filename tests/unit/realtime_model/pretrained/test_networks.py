"""The libraries of public weights load when one of their networks is built, not before."""

import subprocess
import sys

IMPORT_ALL = """
import pkgutil, sys
import emolive.cli, emolive.hub, realtime_model.factory, realtime_model.pretrained
for module in pkgutil.iter_modules(realtime_model.pretrained.__path__):
    __import__(f"realtime_model.pretrained.{module.name}")
loaded = {"diffusers", "huggingface_hub", "transformers"} & sys.modules.keys()
assert "realtime_model.pretrained.store" in sys.modules
sys.exit(", ".join(sorted(loaded)))
"""

WITHOUT_LIBRARIES = """
import sys
from realtime_model.errors import CheckpointError
from realtime_model.pretrained.networks import builder

sys.modules["transformers"] = None  # as if it were not installed
try:
    builder("wav2vec2", None)[1]()
except CheckpointError as exc:
    sys.exit(str(exc))
"""


def run(program: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    return ended.stderr.strip()


def test_importing_what_runs_by_default_loads_none_of_them() -> None:
    assert run(IMPORT_ALL) == ""


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    assert run(WITHOUT_LIBRARIES) == (
        "wav2vec2 needs the package transformers: pip install 'emolive[sd15]'"
    )
