#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what idle containers cost: memory of each further one, and what they take of the processors. Writes a table.

memory.py [COUNT [SECONDS]]     (default 10 containers, looked at for 20 seconds)
"""
import json
import os
import statistics
import sys
import tempfile
import time

from measure import CORACLE, IMAGES, TOP, Table, run

ROOM = 512  # MiB that a guest writes and frees


def await_true(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.1)
    return condition()


def stats():
    return json.loads(run(CORACLE, "stats", "--format", "json"))


def mebibytes(rows, key):
    return statistics.median(row[key] for row in rows) / 1048576


def start(count, *options):
    names = [f"idle-{i}" for i in range(count)]
    for name in names:
        run(CORACLE, "run", "-d", "--name", name, *options, "busybox", "sleep", "100000")
    time.sleep(5)  # a guest tells two seconds later what it has freed
    return names


def measure_idle(table, what, count, seconds, *options, target=""):
    names = start(count, *options)
    before = {row["Name"]: row["HostCPUNanoseconds"] for row in stats()}
    began = time.monotonic()
    time.sleep(seconds)
    rows = stats()
    elapsed = time.monotonic() - began
    used = sum(row["HostCPUNanoseconds"] - before[row["Name"]] for row in rows) / 1e9 / elapsed
    table.add(f"{what}: private memory of each of {count}", mebibytes(rows, "HostPrivateMemory"), "MiB", target=target)
    table.add("… proportional (what is shared divided among them)", mebibytes(rows, "HostMemory"), "MiB")
    table.add(f"… CPU of all of them over {seconds} s", used * 100, "% of one")
    run(CORACLE, "rm", "-f", *names)


def measure_return(table):
    run(CORACLE, "run", "-d", "--name", "room", "--shm-size", f"{ROOM + 64}m", "busybox", "sleep", "100000")
    private = lambda: mebibytes(stats(), "HostPrivateMemory")
    time.sleep(4)
    idle = private()
    run(CORACLE, "exec", "room", "dd", "if=/dev/zero", "of=/dev/shm/x", "bs=1M", f"count={ROOM}")
    full = private()
    run(CORACLE, "exec", "room", "rm", "/dev/shm/x")
    await_true(lambda: private() < idle + ROOM / 4)
    table.add(f"one that shares memory, its guest wrote {ROOM} MiB", full, "MiB")
    table.add("… once it has freed them", private(), "MiB", f"before, {idle:.1f} MiB", private() / idle)
    run(CORACLE, "rm", "-f", "room")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    table = Table()
    with tempfile.TemporaryDirectory(prefix="cor.") as work:
        os.environ.update(CORACLE_ROOT=f"{work}/data", CORACLE_RUNTIME_DIR=f"{work}/run", CORACLE_NETWORK="none", CORACLE_TEMPLATES="on")
        run(f"{TOP}/tests/prepare")
        run(CORACLE, "image", "load", "-q", "-i", f"{IMAGES}/busybox.tar")
        run(CORACLE, "run", "--rm", "busybox", "true")
        if not await_true(lambda: any(name == "template.json" for _, _, files in os.walk(f"{work}/data/templates") for name in files)):
            sys.exit("no machine was saved")
        measure_idle(table, "idle, shares its template", count, seconds, target="40 MiB, 25 MiB")
        measure_idle(table, "idle, booted (--no-template)", 2, seconds, "--no-template")
        measure_return(table)
        accelerator = json.loads(run(CORACLE, "system", "info", "--format", "json"))["accelerator"]
    print(f"{os.cpu_count()} CPUs, Linux {os.uname().release}, accelerator {accelerator['name']}: {accelerator['reason']}\n")
    print(table.text())


main()
