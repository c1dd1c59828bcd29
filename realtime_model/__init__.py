"""The networks, their training and their weights.

OpenMP reads its settings when torch is loaded, so they are made here, where everything begins: a
thread that waits for another gives up its core after microseconds instead of milliseconds. It costs
a twentieth of the time, and a chunk during which another program holds a core is late by 0.2 s
instead of seconds, until `crew` sees to it.
"""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")
