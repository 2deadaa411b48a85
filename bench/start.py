#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long `run --rm busybox true` takes, cold, from a saved machine and from the pool, beside podman with runc and gVisor; each round runs all of them, in turn.

start.py [ROUNDS]     (default 15; a part of `make bench`)

It writes bench/results/start.md and start.svg. It fails if any start that is meant as restored booted: `system info` counts them.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from measure import CORACLE, IMAGES, LIMITS, PODMAN, Table, milliseconds, run
from results import machine, median, plot, quartiles, write

RUNSC = ["runsc", "--platform", "ptrace", "--network", "none"]
PATIENCE = 60
REST = 0.1  # after each, for what a command leaves to others


def await_that(what, said):
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            sys.exit(f"start.py: {said}")
        time.sleep(0.02)


def shims():
    """Those of this data root, by their numbers."""
    wanted, found = os.environ["CORACLE_ROOT"].encode(), []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[0].endswith((b"coracle-shim", b"/proc/self/exe")) and wanted in words:
            found.append(int(pid))
    return found


def settle(count=0):
    """A machine goes down behind the command's back: nobody else is to pay for that."""
    await_that(lambda: len(shims()) <= count, "a machine does not go down")
    time.sleep(REST)


class Coracle:
    """A row of ours; how is what `system info` must count it as."""

    ours = True

    def __init__(self, name, how, *options, beside=None):
        self.name, self.how, self.options, self.beside, self.times = name, how, options, beside, []

    def words(self):
        return [CORACLE, "run", "--rm", *self.options, "busybox", "true"]

    def measure(self):
        if self.beside:
            run(CORACLE, "run", "-d", "--name", self.beside, "busybox", "sleep", "1000")
            time.sleep(REST)
        self.times.append(milliseconds(*self.words()))
        settle(1 if self.beside else 0)
        if self.beside:
            run(CORACLE, "rm", "-f", self.beside)
            settle()


def counted():
    """How often machines began in which way, so far."""
    starts = json.loads(run(CORACLE, "system", "info", "--format", "json"))["starts"]
    return {how: sum(count.values()) if isinstance(count, dict) else count for how, count in starts.items()}


def check_counts(before, rows, each):
    after = counted()
    for how in ("booted", "restored", "ready"):
        ours = [row for row in rows if row.ours]
        wanted = each * sum((row.how == how) + (how == "restored" and bool(row.beside)) for row in ours)
        if after.get(how, 0) - before.get(how, 0) != wanted:
            sys.exit(f"start.py: {wanted} starts were to be {how}, and {after.get(how, 0) - before.get(how, 0)} were: see `system info`")


def has_pool():
    return subprocess.run([CORACLE, "system", "pool", "--help"], capture_output=True).returncode == 0


def pool_is_ready():
    facts = json.loads(run(CORACLE, "system", "pool", "--format", "json"))
    return facts["ready"] == 1 and not facts["starting"]


class Pooled(Coracle):
    """A machine waits when the clock starts; what is started in its place is taken down after."""

    def __init__(self):
        super().__init__("from the pool", "ready", "--network", "none")

    def measure(self):
        run(CORACLE, "system", "pool", "1")
        await_that(pool_is_ready, "no machine waits")
        time.sleep(REST)
        self.times.append(milliseconds(*self.words()))
        run(CORACLE, "system", "pool", "0")
        settle()


class Peer:
    ours = False

    def __init__(self, name, *words):
        self.name, self.command, self.times = name, words, []

    def words(self):
        return self.command

    def measure(self):
        self.times.append(milliseconds(*self.words()))
        time.sleep(REST)

    def check(self):
        run(*self.words())


def gvisor_words(work):
    """A bundle with a busybox alone in it."""
    root = f"{work}/bundle/rootfs"
    os.makedirs(f"{root}/bin")
    shutil.copy(shutil.which("busybox"), f"{root}/bin/busybox")
    os.symlink("busybox", f"{root}/bin/true")
    run(*RUNSC, "spec", cwd=f"{work}/bundle")
    with open(f"{work}/bundle/config.json") as file:
        config = json.load(file)
    config["process"].update(terminal=False, args=["/bin/true"])
    with open(f"{work}/bundle/config.json", "w") as file:
        json.dump(config, file)
    return [*RUNSC, "--root", f"{work}/runsc", "run", "--bundle", f"{work}/bundle", "bench"]


def peers(work):
    """Those that can run here."""
    run(*PODMAN, "load", "-i", f"{IMAGES}/busybox.tar")
    podman = Peer("podman run, runc, no network", *PODMAN, "run", "--rm", "--network", "none", *LIMITS, "busybox", "true")
    found = []
    for make in (lambda: podman, lambda: Peer("runsc run, gVisor, ptrace", *gvisor_words(work))):
        try:
            peer = make()
            peer.check()
            found.append(peer)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            print("a peer cannot run here:", getattr(error, "stderr", error), file=sys.stderr)
    return found


def save_shape():
    """The first start boots, and has its machine saved behind it."""
    run(CORACLE, "run", "--rm", "busybox", "true")
    templates = f"{os.environ['CORACLE_ROOT']}/templates"
    await_that(lambda: any(not name.endswith(".new") for name in os.listdir(templates)), "no machine is saved")
    settle()


def add_rows(table, rows):
    podman = next((median(row.times) for row in rows if "podman" in row.name), None)
    gvisor = next((median(row.times) for row in rows if "runsc" in row.name), None)
    targets = {"cold": "900 ms, better 600", "restored, alone": "1.2, better 0.9", "from the pool": "0.5, better 0.25"}
    for row in rows:
        beside = [(name, value) for name, value in (("podman", podman), ("runsc", gvisor)) if row.ours and value]
        table.add(row.name, median(row.times), "ms", ", ".join(f"{name} {value:.0f} ms" for name, value in beside),
                  median(row.times) / podman if row.ours and podman else None, targets.get(row.name, ""),
                  spread=quartiles(row.times))
        if isinstance(row, Pooled) and gvisor:
            table.add(row.name, median(row.times), "ms", f"runsc {gvisor:.0f} ms", median(row.times) / gvisor, "1.0, better 0.5")


def measure_run(table, rounds, work):
    save_shape()
    rows = [Coracle("cold", "booted", "--no-template"), Coracle("restored, alone", "restored"),
            Coracle("restored, beside another", "restored", beside="other"), *([Pooled()] if has_pool() else []), *peers(work)]
    before = counted()
    for number in range(rounds):
        for row in rows[number % len(rows):] + rows[:number % len(rows)]:
            row.measure()
    check_counts(before, rows, rounds)
    add_rows(table, rows)
    return [(row.name, row.times, row.ours) for row in rows]


def measure_starts(rounds, work):
    """The table, and what its plot shows."""
    table = Table()
    os.environ["CORACLE_TEMPLATES"] = "on"
    run(CORACLE, "image", "load", "-i", f"{IMAGES}/busybox.tar")
    try:
        bars = measure_run(table, rounds, work)
    finally:
        os.environ["CORACLE_TEMPLATES"] = "off"
    text = f"`run --rm busybox true`, medians of {rounds} rounds (and quartiles), in turn.\n\n{machine()}\n\n{table.text()}\n"
    write("start.md", text)
    write("start.svg", plot("run --rm busybox true, milliseconds", bars))
    return text


def main():
    with tempfile.TemporaryDirectory(prefix="cor.") as work:
        os.environ.update(CORACLE_ROOT=f"{work}/data", CORACLE_RUNTIME_DIR=f"{work}/run", CORACLE_NETWORK="none")
        print(measure_starts(int(sys.argv[1]) if len(sys.argv) > 1 else 15, work))


if __name__ == "__main__":
    main()
