"""The real server as a child process, on a free port of this machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

START_S = 60.0
STOP_S = 15.0


class LiveServer:
    """Runs ``python -m stream_server`` between `start` and `stop`; always on the same port."""

    def __init__(self, folder: Path, *, max_sessions: int = 2) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"server-{self.port}.log"
        self._environment = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith("EMOLIVE_")
            },
            "EMOLIVE_SERVER__PORT": str(self.port),
            "EMOLIVE_SERVER__DRAIN_TIMEOUT_S": "1",
            "EMOLIVE_INFERENCE__MODEL": os.environ.get("E2E_MODEL", "testcard"),
            "EMOLIVE_SESSIONS__MAX_SESSIONS": str(max_sessions),
            "EMOLIVE_AVATARS__DIRECTORY": str(folder / f"avatars-{self.port}"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, without waiting for the model to be warm."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stream_server"],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_for("/livez")

    def wait_ready(self) -> None:
        self._wait_for("/readyz")

    def kill(self) -> None:
        """End it the hard way, its model process included: nobody gets to say goodbye."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_S)
            self._process = None

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def _wait_for(self, path: str) -> None:
        deadline_s = time.monotonic() + START_S
        while not self._answers(path):
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"the server ended early:\n{self.log.read_text()[-4_000:]}")
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{path} not answered:\n{self.log.read_text()[-4_000:]}")
            time.sleep(0.1)

    def _answers(self, path: str) -> bool:
        try:
            with urlopen(self.url + path, timeout=2) as response:
                return bool(response.status == 200)
        except (HTTPError, URLError, ConnectionError, TimeoutError):
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
