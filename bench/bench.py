#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Coracle against the bare machine and against podman, in one run, interleaved, and writes a table with medians and ratios.

bench.py [ROUNDS [pull]]     (default 10; see `make bench`; pull: the registry alone; network.py, disk.py, start.py and density.py are a part alone)
"""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

from data import measure_data
from density import measure_density
from disk import measure_disks
from measure import CORACLE, IMAGES, LIMITS, PODMAN, TOP, Table, milliseconds, run, vmm_pid
from network import measure_network
from pull import measure_pull
from start import measure_starts

BARE = f"{TOP}/build/bench/bare"
INITRAMFS = f"{TOP}/build/src/init/initramfs.cpio"
MEGABYTES = 200


def megabytes_per_second(*words):
    return MEGABYTES * 1048576 / 1e3 / milliseconds(*words)


def raw_port_initramfs(work, name, *flags):
    run("gcc", "-O2", "-static", *flags, "-o", f"{work}/init", f"{TOP}/bench/raw_port.c")
    run("sh", "-c", f"cd {work} && echo init | cpio --quiet -o -H newc >{name}.cpio")
    return f"{work}/{name}.cpio"


def stages_of_one_run():
    """Milliseconds since the shim's start, by stage, of a run whose log stays (with --rm it would go)."""
    environment = dict(os.environ, CORACLE_LOG="debug")
    subprocess.run([CORACLE, "run", "--name", "stages", "busybox", "true"], check=True, env=environment, capture_output=True)
    folder = json.loads(run(CORACLE, "inspect", "stages"))[0]["Id"]
    log = open(f"{os.environ['CORACLE_ROOT']}/containers/{folder}/shim.log").read()
    run(CORACLE, "rm", "stages")
    return {stage: float(at) for at, stage in re.findall(r"([\d.]+) ms: (.+)", log)}


def measure_start(table, rounds, kernel):
    bare, cold, stages = [], [], []
    for _ in range(rounds):
        bare.append(float(run(BARE, "boot", kernel, INITRAMFS)))
        cold.append(milliseconds(CORACLE, "run", "--rm", "busybox", "true"))
        stages.append(stages_of_one_run())
    between = lambda first, last: statistics.median(s[last] - s[first] for s in stages)
    ratio = statistics.median(cold) / statistics.median(bare)
    table.add("bare QEMU, same kernel and init, to init's first answer", statistics.median(bare), "ms")
    table.add("cold `run --rm busybox true`, whole", statistics.median(cold), "ms", "bare QEMU", ratio, "1100 ms, 1.25")
    table.add("… of it: until the guest answered", statistics.median(s["guest answered"] for s in stages), "ms")
    table.add("… of it: container and process, from the answer to the process's end", between("guest answered", "process ended"), "ms")
    table.add("… of it: sync, unmount, power-off, the end of QEMU", between("process ended", "VMM gone"), "ms")
    out = subprocess.run([CORACLE, "run", "--rm", "--timings", "busybox", "true"], check=True, capture_output=True, text=True)
    return out.stderr.strip()


def measure_exec(table, rounds, podman):
    ours, theirs = [], []
    run(CORACLE, "run", "-d", "--name", "bench", "busybox", "sleep", "10000")
    try:
        for _ in range(rounds * 2):
            ours.append(milliseconds(CORACLE, "exec", "bench", "true"))
            if podman:
                theirs.append(milliseconds(*PODMAN, "exec", "coracle-bench", "true"))
        ratio = statistics.median(ours) / statistics.median(theirs) if theirs else None
        peer = f"podman exec, {statistics.median(theirs):.1f} ms" if theirs else "podman is not there"
        table.add("`exec` of true", statistics.median(ours), "ms", peer, ratio, "60 ms, 0.3")
        rollup = open(f"/proc/{vmm_pid('bench')}/smaps_rollup").read()
        private = sum(int(kib) for kib in re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+)", rollup, re.M))
        table.add("private memory of one idle machine (1 GiB asked)", private / 1024, "MiB")
    finally:
        run(CORACLE, "rm", "-f", "bench")


def measure_output(table, rounds, kernel, work):
    raw, raw_file, ours = [], [], []
    buffer = raw_port_initramfs(work, "buffer")
    file = raw_port_initramfs(work, "file", "-DFROM_FILE")
    run(CORACLE, "run", "-d", "--name", "bench", "busybox", "sleep", "10000")
    try:
        run(CORACLE, "exec", "bench", "sh", "-c", f"head -c {MEGABYTES}m /dev/zero >/x; sync")
        for _ in range(max(3, rounds // 2)):
            raw.append(float(run(BARE, "port", kernel, buffer)))
            raw_file.append(float(run(BARE, "port", kernel, file)))
            ours.append(megabytes_per_second(CORACLE, "exec", "bench", "cat", "/x"))
    finally:
        run(CORACLE, "rm", "-f", "bench")
    what, rate = f"output of {MEGABYTES} MB through `exec cat`", statistics.median(ours)
    for peer, rates, target in (("raw virtio-serial port, one buffer written over and over", raw, "0.6"),
                                ("raw port, a cached file read and written, as cat must", raw_file, "")):
        median = statistics.median(rates)
        table.add(what, rate, "MB/s", f"{peer}, {median:.1f} MB/s", rate / median, target)


def measure_idle_calls(table, rounds):
    for words in (["ls"], ["--help"], ["image", "ls"]):
        times = [milliseconds(CORACLE, *words) for _ in range(rounds * 2)]
        table.add(f"`coracle {' '.join(words)}`", statistics.median(times), "ms", target="15 ms")


def start_podman(work):
    """A busybox of podman's beside ours; None where podman cannot run."""
    try:
        run(*PODMAN, "load", "-i", f"{IMAGES}/busybox.tar")
        run(*PODMAN, "run", "-d", "--rm", "--network", "none", *LIMITS, "--name", "coracle-bench", "busybox", "sleep", "10000")
        return True
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print("podman cannot run here:", getattr(error, "stderr", error), file=sys.stderr)
        return None


def measure_machines(table, rounds, work):
    run(CORACLE, "image", "load", "-i", f"{IMAGES}/busybox.tar")
    kernel = run(f"{TOP}/kernel/build.sh")
    stages = measure_start(table, rounds, kernel)
    podman = start_podman(work)
    try:
        measure_exec(table, rounds, podman)
    finally:
        if podman:
            run(*PODMAN, "rm", "-f", "-t", "0", "coracle-bench")
    measure_output(table, rounds, kernel, work)
    measure_idle_calls(table, rounds)
    table.add("kernel (vmlinux)", os.path.getsize(kernel) / 1048576, "MiB")
    table.add("initramfs, init alone in it", os.path.getsize(INITRAMFS) / 1048576, "MiB", target="2.5 MiB")
    return stages


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    table, stages, starts = Table(), "", ""
    with tempfile.TemporaryDirectory(prefix="cor.") as work:
        os.environ.update(CORACLE_ROOT=f"{work}/data", CORACLE_RUNTIME_DIR=f"{work}/run", CORACLE_NETWORK="none")
        run(f"{TOP}/tests/prepare")
        if sys.argv[2:] != ["pull"]:
            stages = measure_machines(table, rounds, work)
            measure_network(table, rounds * 3 // 2, work)
            measure_disks(table, rounds * 3 // 2, f"{work}/disks")
            measure_data(table, max(3, rounds // 2), f"{work}/copies")
            starts = measure_starts(rounds * 3 // 2, work) + "\n" + measure_density(10 * rounds)
        accelerator = json.loads(run(CORACLE, "system", "info", "--format", "json"))["accelerator"]
        measure_pull(table, rounds, work)
    print(f"{os.cpu_count()} CPUs, Linux {os.uname().release}, accelerator {accelerator['name']}: {accelerator['reason']}\n")
    print(table.text())
    print("\n" + starts)
    if stages:
        print("\nStages of one cold run:\n")
        print("\n".join("    " + line for line in stages.splitlines()))


main()
