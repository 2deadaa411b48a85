# SPDX-License-Identifier: Apache-2.0
"""What all measurements share: where things are, how long a command takes, and the table."""
import os
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORACLE = os.environ.get("CORACLE", f"{TOP}/build/coracle")
IMAGES = f"{TOP}/build/test-images"
PODMAN = ["podman", "--runtime", "runc"]
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]  # podman asks for more than a host may give it
# A bridge is made in namespaces of the measurement's own, never in this machine's.
os.environ.update(CORACLE_NETWORK="none", CORACLE_TEMPLATES="off")
# Who is told to end ends what was started.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def run(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout.strip()


def milliseconds(*words):
    began = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return (time.monotonic() - began) * 1000


class Table:
    """Rows of measured values, each beside what it is compared with and its target."""

    def __init__(self):
        self.rows = []

    def add(self, what, value, unit, peer="", ratio=None, target="", spread=None):
        """spread: from where to where most values lie."""
        shown = f"{value:.1f} {unit}" if isinstance(value, float) else f"{value} {unit}"
        if spread:
            shown += f" ({spread[0]:.0f}–{spread[1]:.0f})"
        self.rows.append((what, shown, peer, f"{ratio:.2f}" if ratio is not None else "", target))

    def text(self):
        rows = [("what", "median", "compared with", "ratio", "to reach"), ("---",) * 5, *self.rows]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)
