#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hundred idle containers at once: what processors and memory they take, and whether each answers; `exec` beside podman's; and starts per second, two at a time.

density.py [MACHINES]     (default 100; a part of `make bench`)

It writes bench/results/density.md.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from measure import CORACLE, IMAGES, LIMITS, PODMAN, Table, milliseconds, run
from results import machine, median, quartiles, write
from start import save_shape, settle, shims

IDLE_SECONDS = 10
EXECS = 30
AT_ONCE = 2
STARTS = 30


def ticks(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    except OSError:
        return 0


def private(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(kib) for kib in re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+)", file.read(), re.M))


def ours():
    """Shims and their VMMs, which are their children."""
    children = (int(pid) for shim in shims() for path in glob.glob(f"/proc/{shim}/task/*/children") for pid in open(path).read().split())
    return [*shims(), *children]


def each(function, items):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(function, items))


def start_idle(number):
    run(CORACLE, "run", "-d", "--name", f"idle{number}", "-e", f"NUMBER={number}", "busybox", "sleep", "1000000")


def answers(number):
    return run(CORACLE, "exec", f"idle{number}", "sh", "-c", "echo $NUMBER") == str(number)


def idle_cores():
    pids = ours()
    before, began = sum(map(ticks, pids)), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (sum(map(ticks, pids)) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)


def measure_idle(table, count):
    first = 2
    began = time.monotonic()
    each(start_idle, range(first))
    time.sleep(1)
    before = sum(map(private, ours()))
    each(start_idle, range(first, count))
    table.add(f"{count} idle containers, started {AT_ONCE} at a time", count / (time.monotonic() - began - 1), "per second")
    time.sleep(3)
    table.add(f"idle processors of {count} containers", idle_cores(), "cores", target="1, better 0.3")
    grown = (sum(map(private, ours())) - before) / 1024 / (count - first)
    table.add("private memory of each further one (shim and VMM)", grown, "MiB", target="40, better 25")
    began = time.monotonic()
    if not all(each(answers, range(count))):
        sys.exit("density.py: one of the idle containers does not answer")
    table.add(f"`exec` in each of them, {AT_ONCE} at a time", count / (time.monotonic() - began), "per second")
    names = [f"idle{number}" for number in range(count)]
    run(CORACLE, "rm", "-f", *names)
    settle()


def measure_exec(table):
    ours_, theirs = [], []
    run(*PODMAN, "load", "-i", f"{IMAGES}/busybox.tar")
    run(CORACLE, "run", "-d", "--name", "exec", "busybox", "sleep", "1000000")
    run(*PODMAN, "run", "-d", "--rm", "--network", "none", *LIMITS, "--name", "coracle-bench-exec", "busybox", "sleep", "1000000")
    try:
        for _ in range(EXECS):
            ours_.append(milliseconds(CORACLE, "exec", "exec", "true"))
            theirs.append(milliseconds(*PODMAN, "exec", "coracle-bench-exec", "true"))
    finally:
        run(*PODMAN, "rm", "-f", "-t", "0", "coracle-bench-exec")
        run(CORACLE, "rm", "-f", "exec")
    table.add("`exec true`", median(ours_), "ms", f"podman exec {median(theirs):.0f} ms", median(ours_) / median(theirs), "0.3, better 0.15", spread=quartiles(ours_))
    settle()


def rate(*words):
    began = time.monotonic()
    each(lambda _: run(*words), range(STARTS))
    return STARTS / (time.monotonic() - began)


def measure_rate(table):
    """`run --rm` as fast as two callers can: what machines leave to do when the command is over is in it."""
    podman = rate(*PODMAN, "run", "--rm", "--network", "none", *LIMITS, "busybox", "true")
    mine = rate(CORACLE, "run", "--rm", "busybox", "true")
    table.add(f"starts, {AT_ONCE} at a time", mine, "per second", f"podman run {podman:.1f} per second", mine / podman, "6, better 12")
    settle()


def measure_density(count):
    """The table, as text."""
    table = Table()
    os.environ["CORACLE_TEMPLATES"] = "on"
    run(CORACLE, "image", "load", "-i", f"{IMAGES}/busybox.tar")
    try:
        save_shape()
        measure_exec(table)
        measure_rate(table)
        measure_idle(table, count)
    finally:
        os.environ["CORACLE_TEMPLATES"] = "off"
        subprocess.run([CORACLE, "rm", "-f", "--all"], capture_output=True)
    text = f"{machine()}\n\n{table.text()}\n"
    write("density.md", text)
    return text


def main():
    with tempfile.TemporaryDirectory(prefix="cor.") as work:
        os.environ.update(CORACLE_ROOT=f"{work}/data", CORACLE_RUNTIME_DIR=f"{work}/run", CORACLE_NETWORK="none")
        print(measure_density(int(sys.argv[1]) if len(sys.argv) > 1 else 100))


if __name__ == "__main__":
    main()
