#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cp` of one large file and of many small ones, both ways, against `podman cp`: in turn, each into a place that is empty.

data.py [ROUNDS]     (default 5; it is part of bench.py too)
"""
import os
import statistics
import subprocess
import sys
import tempfile

from measure import CORACLE, IMAGES, LIMITS, PODMAN, Table, milliseconds, run

MEGABYTES = 1024
FILES = 10000
NAME = "coracle-bench-cp"


def make_sources(work):
    os.makedirs(f"{work}/many")
    with open("/dev/urandom", "rb") as source, open(f"{work}/large", "wb") as large:
        for _ in range(MEGABYTES):
            large.write(source.read(1 << 20))
    for number in range(FILES):
        with open(f"{work}/many/{number}", "w") as file:
            file.write(f"{number}\n" * 100)


class Tool:
    """A container to copy into and out of; its files lie at /src, put there by the container itself."""

    def __init__(self, words, limits):
        self.words = words
        run(*words, "run", "-d", *limits, "--network", "none", "--name", NAME, "busybox", "sleep", "100000")

    def inside(self, script):
        run(*self.words, "exec", NAME, "sh", "-c", script)

    def copy_in(self, source):
        self.inside("rm -rf /in; mkdir /in; sync")
        os.sync()
        return milliseconds(*self.words, "cp", source, f"{NAME}:/in")

    def copy_out(self, source, work):
        run("rm", "-rf", f"{work}/out")
        os.makedirs(f"{work}/out")
        os.sync()
        return milliseconds(*self.words, "cp", f"{NAME}:/in/{source}", f"{work}/out")

    def end(self):
        subprocess.run([*self.words, "rm", "-f", NAME], capture_output=True)


def compare(tools, rounds, work, source):
    """What the last copy in has brought is copied out. Returns the times of both ways, by tool."""
    into, out = {tool: [] for tool in tools}, {tool: [] for tool in tools}
    for number in range(rounds):
        for tool in tools if number % 2 == 0 else reversed(tools):
            into[tool].append(tool.copy_in(f"{work}/{source}"))
            out[tool].append(tool.copy_out(source, work))
    return into, out


def add(table, what, times, tools):
    ours, theirs = (statistics.median(times[tool]) for tool in tools)
    ratio = statistics.median(a / b for a, b in zip(*(times[tool] for tool in tools)))
    table.add(what, ours, "ms", f"podman cp, {theirs:.0f} ms", ratio, f"1.5{'' if ratio <= 1.5 else ', MISSED'}")


def measure_data(table, rounds, work):
    os.makedirs(work, exist_ok=True)
    make_sources(work)
    run(*PODMAN, "load", "-i", f"{IMAGES}/busybox.tar")
    run(CORACLE, "image", "load", "-i", f"{IMAGES}/busybox.tar")
    tools = []
    try:
        for words, limits in (([CORACLE], []), (PODMAN, LIMITS)):
            tools.append(Tool(words, limits))
        for source, what in (("large", "one file of 1 GiB"), ("many", "10,000 files")):
            into, out = compare(tools, rounds, work, source)
            add(table, f"`cp` of {what} into a container", into, tools)
            add(table, f"`cp` of {what} out of a container", out, tools)
    finally:
        for tool in tools:
            tool.end()


def main():
    table = Table()
    with tempfile.TemporaryDirectory(prefix="cor.", dir="/tmp") as work:
        os.environ.update(CORACLE_ROOT=f"{work}/data", CORACLE_RUNTIME_DIR=f"{work}/run", CORACLE_NETWORK="none")
        measure_data(table, int(sys.argv[1]) if len(sys.argv) > 1 else 5, work)
    print(table.text())


if __name__ == "__main__":
    main()
