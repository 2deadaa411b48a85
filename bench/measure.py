# SPDX-License-Identifier: Apache-2.0
"""What all measurements share: where things are, how long a command takes, and the table."""
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORACLE = os.environ.get("CORACLE", f"{TOP}/build/coracle")
IMAGES = f"{TOP}/build/test-images"
PODMAN = ["podman", "--runtime", "runc"]
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]  # podman asks for more than a host may give it
RESAMPLES = 2000
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


def vmm_pid(name):
    short = json.loads(run(CORACLE, "inspect", name))[0]["Id"][:12]
    return run("pgrep", "-f", f"qemu.*-name coracle-{short}").split()[0]


def machine_of(name):
    """QEMU and what tells it of a container's machine: all but the name, devices, lines to the host and walls."""
    with open(f"/proc/{vmm_pid(name)}/cmdline") as file:
        words = file.read().split("\0")
    shared = ("-machine", "-accel", "-cpu", "-smp", "-m", "-object", "-append")
    return words[:1] + [word for option, value in zip(words, words[1:]) if option in shared for word in (option, value)]


class Ending:
    """What a with statement ends."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def in_turn(sides, number):
    """Whoever is first has what the other left behind in caches; so they take turns."""
    return sides if number % 2 else sides[::-1]


def interval(values):
    """Of the median: the middle 95 % of what resampling yields."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[RESAMPLES // 40], medians[-1 - RESAMPLES // 40]


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

    def add_pairs(self, what, unit, ours, theirs, peer, target=None):
        """Values that were measured in pairs. The target is of their ratio, above 1 where less is better: missed when all of its interval is on the wrong side."""
        ratios = [a / b for a, b in zip(ours, theirs)]
        low, high = interval(ratios)
        reached = target is None or (high >= target if target < 1 else low <= target)
        self.add(what, statistics.median(ours), unit, f"{peer}, {statistics.median(theirs):.1f} {unit}", statistics.median(ratios),
                 f"{target or ''}; 95 %: {low:.2f} to {high:.2f}{'' if reached else ', MISSED'}".removeprefix("; "))

    def text(self):
        rows = [("what", "median", "compared with", "ratio", "to reach"), ("---",) * 5, *self.rows]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)
