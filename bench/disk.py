#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks and shared directories of a container against those of a bare machine, in pairs: fio on its root disk, a volume and a shared directory; `git status` and `tar x` of
10,000 files in a shared directory, these against podman's bind mount too.

disk.py [PAIRS]     (default 15; a part of `make bench`)

The bare machine is a plain QEMU with the same kernel, processor, memory and devices, whose disks are files of the same kind and whose directory is served by a virtiofsd with
the options that it has by itself. All are told what to do in a shell, and time it themselves.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from guest import add_program, make_busybox, make_image, make_initramfs, write
from measure import CORACLE, IMAGES, LIMITS, PODMAN, TOP, Ending, Table, in_turn, machine_of, run, vmm_pid

FILES, FOLDERS = 10000, 100
PARTS = 10  # in which an archive of them is unpacked: a pair each, since under emulation the whole takes most of a minute
SIZE = "64m"  # of the file that fio works on
MILLISECONDS = 200  # of one of its jobs
PATIENCE = 120
NAME = "coracle-bench-disk"
PLACES = {"shared directory": "/shared", "root disk": "/", "volume": "/volume"}
# Two, since each virtiofsd keeps open what its guest knows, and may not have more than 20,000 files open everywhere.
SHARES = ("shared", "out")
VIRTIOFSD = next((path for path in ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd") if os.path.exists(path)), None)

JOBS = {
    "4k random read": "rw=randread\nbs=4k",
    "4k random write": "rw=randwrite\nbs=4k",
    "128k sequential read": "rw=read\nbs=128k",
    "128k sequential write": "rw=write\nbs=128k",
    "4k write and fsync": "rw=write\nbs=4k\nfsync=1",
}
# Past the guest's page cache, or that is all that would be measured.
FIO = f"""[global]
filename=fio.data
size={SIZE}
ioengine=psync
direct=1
time_based
runtime={MILLISECONDS}ms
stonewall
thread
"""

# Hundredths of a second, on the guest's clock.
TIMED = """#!/bin/sh
read -r began rest </proc/uptime
"$@" >/dev/null || exit
read -r ended rest </proc/uptime
echo "$began $ended"
"""

# A bare machine's. The disk has all that it needs; its shell is led by the host.
INIT = """#!/bin/sh
mount -t devtmpfs dev /dev
mount -t ext4 -o discard /dev/vda /root
mkdir -p /root/volume /root/shared /root/out
mount -t ext4 -o discard /dev/vdb /root/volume
mount -t virtiofs shared /root/shared
mount -t virtiofs out /root/out
mount -t devtmpfs dev /root/dev
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
exec chroot /root sh -c 'export HOME=/root PATH=/bin; sh <>/dev/vport0p1 >&0 2>&1'
"""


# ---- sides ----

class Container(Ending):
    def __init__(self, shared, words=(CORACLE,), options=("-v", "bench:/volume"), name="Coracle"):
        self.words, self.name = words, name
        run(*words, "run", "-d", "--network", "none", "--name", NAME, *options, "-v", f"{shared}/shared:/shared", "-v", f"{shared}/out:/out", "disk", "sleep", "100000")

    def shell(self, script):
        return run(*self.words, "exec", NAME, "sh", "-c", script, timeout=PATIENCE)

    def end(self):
        subprocess.run([*self.words, "rm", "-f", NAME], capture_output=True)


class Machine(Ending):
    name = "bare QEMU"

    def __init__(self, shared, work, machine, disk):
        self.processes = []
        self.line, theirs = socket.socketpair()
        self.line.settimeout(PATIENCE)
        try:
            for tag in SHARES:
                self.start_virtiofsd(f"{shared}/{tag}", f"{work}/{tag}.sock")
            self.start(work, machine, disk, theirs)
        except BaseException:
            self.end()
            raise
        theirs.close()

    def start_virtiofsd(self, folder, path):
        self.processes.append(subprocess.Popen([VIRTIOFSD, f"--socket-path={path}", "-o", f"source={folder}"], start_new_session=True, stderr=subprocess.DEVNULL))
        while not os.path.exists(path):
            time.sleep(0.01)

    def start(self, work, machine, disk, line):
        words = [*machine, "-nodefaults", "-no-reboot", "-display", "none", "-serial", "null",
                 "-global", "virtio-mmio.force-legacy=false", "-kernel", run(f"{TOP}/kernel/build.sh"), "-initrd", f"{work}/disk.cpio",
                 "-chardev", f"socket,id=line,fd={line.fileno()}", "-device", "virtio-serial-device", "-device", "virtserialport,chardev=line",
                 "-device", "virtio-rng-device",
                 "-blockdev", f"driver=qcow2,node-name=root,discard=unmap,file.driver=file,file.filename={disk['overlay']},"
                 f"backing.driver=raw,backing.read-only=on,backing.file.driver=file,backing.file.filename={disk['base']}",
                 "-device", "virtio-blk-device,drive=root",
                 "-blockdev", f"driver=raw,node-name=volume,discard=unmap,file.driver=file,file.filename={disk['volume']}",
                 "-device", "virtio-blk-device,drive=volume"]
        for tag in SHARES:
            words += ["-chardev", f"socket,id={tag},path={work}/{tag}.sock", "-device", f"vhost-user-fs-device,chardev={tag},tag={tag}"]
        self.processes.append(subprocess.Popen(words, start_new_session=True, pass_fds=[line.fileno()]))

    def shell(self, script):
        self.line.sendall(f"{{ {script}; }} </dev/null; echo; echo ended $?\n".encode())
        answer = b""
        while b"\nended " not in answer or not answer.endswith(b"\n"):
            data = self.line.recv(65536)
            if not data:
                raise RuntimeError("the bare machine has ended")
            answer += data
        out, _, status = answer.decode().rpartition("\nended ")
        if status != "0\n":
            raise RuntimeError(f"{script}: {status}{out}")
        return out.strip()

    def end(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.line.close()


# ---- what they work on ----

def make_disk_image(work):
    root = f"{work}/disk-root"
    make_busybox(root)
    for program in ("fio", "git"):
        add_program(root, program)
    write(f"{root}/bin/timed", TIMED)
    for name, places in (("fio", PLACES), ("fio-shared", list(PLACES)[:1])):
        jobs = [f"[{job}, {place}]\ndirectory={PLACES[place]}\n{how}\n" for place in places for job, how in JOBS.items()]
        write(f"{root}/etc/{name}", FIO + "".join(jobs))
    write(f"{root}/root/.gitconfig", "[safe]\n\tdirectory = *\n")
    make_image(work, root, "disk", "/bin/sh")
    init = f"{work}/disk-init"
    make_busybox(init)
    write(f"{init}/init", INIT)
    make_initramfs(init, f"{work}/disk.cpio")


def make_tree(path):
    """10,000 files that git knows, and archives of them."""
    tree = f"{path}/shared/tree"
    os.makedirs(f"{path}/out")
    for folder in range(FOLDERS):
        os.makedirs(f"{tree}/{folder}")
        for number in range(FILES // FOLDERS):
            with open(f"{tree}/{folder}/{number}", "w") as file:
                file.write(f"{folder} {number}\n" * 100)
    for part in range(PARTS):
        run("tar", "-C", tree, "-cf", f"{path}/shared/{part}.tar", *(str(folder) for folder in range(part, FOLDERS, PARTS)))
    git = ["git", "-C", tree, "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]
    run(*git, "init", "-q")
    run(*git, "add", ".")
    run(*git, "commit", "-q", "-m", "all")


def copy_tree(source, target):
    """As fresh for git as the first: it knows the files by their numbers."""
    shutil.copytree(source, target)
    run("git", "-C", f"{target}/shared/tree", "update-index", "-q", "--refresh")


def disks_for_bare(name):
    """A fresh root disk, as a container that never starts has it; what lies below it, as below the one of the container of that name; and a volume."""
    root, pid = os.environ["CORACLE_ROOT"], vmm_pid(name)
    opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    run(CORACLE, "volume", "create", "bare")
    container = run(CORACLE, "create", "disk")
    return {"overlay": f"{root}/containers/{container}/root.qcow2", "base": next(path for path in opened if path.endswith(".ext4")),
            "volume": f"{root}/volumes/bare/disk"}


# ---- one value ----

def fio(side, shared, number):
    # Its messages come before the report.
    report = side.shell(f"cd / && fio --output-format=json /etc/{'fio-shared' if side.name == 'podman' else 'fio'}")
    values = {}
    for job in json.loads(report[report.index("{"):])["jobs"]:
        what = job["jobname"]
        way = job["read" if " read" in what else "write"]
        values[what] = (way["bw_bytes"] / 1e6, "MB/s") if "128k" in what else (way["iops"], "/s")
    return values


def timed(side, words):
    began, ended = side.shell(f"timed {words}").split()
    return (float(ended) - float(began)) * 1000


def git_status(side, shared, number):
    return {f"`git status` of {FILES:,} files, shared directory": (timed(side, "git -C /shared/tree status"), "ms")}


def untar(side, shared, number):
    part = number % PARTS
    if part == 0:
        # The guest forgets the last one's files when it hears that they are gone.
        shutil.rmtree(f"{shared}/out/tree", ignore_errors=True)
        side.shell("mkdir /out/tree")
    return {f"`tar x` of {FILES:,} files, a part of {FILES // PARTS:,}, shared directory": (timed(side, f"tar xf /shared/{part}.tar -C /out/tree"), "ms")}


MEASURES = [fio, git_status, untar]


# ---- many ----

def measure_pairs(sides, pairs, work):
    """{row: (unit, {side: values})}, without those of a first round, in which caches are filled."""
    rows = {}
    for number in range(pairs + 1):
        for measure in MEASURES:
            for side in in_turn(sides, number):
                for row, (value, unit) in measure(side, f"{work}/{side.name}", number).items():
                    if number:
                        rows.setdefault(row, (unit, {}))[1].setdefault(side.name, []).append(value)
    return rows


def add_rows(table, rows):
    for row, (unit, values) in rows.items():
        table.add_pairs(row, unit, values["Coracle"], values["bare QEMU"], "bare QEMU", 1.05 if unit == "ms" else 0.95)
        if "podman" in values:
            table.add_pairs(row, unit, values["Coracle"], values["podman"], "podman, bind mount", 4 if "git" in row else None)


def measure_disks(table, pairs, work):
    os.makedirs(work)
    make_disk_image(work)
    make_tree(f"{work}/Coracle")
    for name in ("bare QEMU", "podman"):
        copy_tree(f"{work}/Coracle", f"{work}/{name}")
    run(CORACLE, "image", "load", "-i", f"{work}/disk.tar")
    run(*PODMAN, "load", "-i", f"{work}/disk.tar")
    with Container(f"{work}/Coracle") as ours, Container(f"{work}/podman", PODMAN, LIMITS, "podman") as podman:
        with Machine(f"{work}/bare QEMU", work, machine_of(NAME), disks_for_bare(NAME)) as bare:
            add_rows(table, measure_pairs([ours, bare, podman], pairs, work))


def main():
    table = Table()
    with tempfile.TemporaryDirectory(prefix="cor.", dir="/tmp") as work:
        os.environ.update(CORACLE_ROOT=f"{work}/data", CORACLE_RUNTIME_DIR=f"{work}/run")
        measure_disks(table, int(sys.argv[1]) if len(sys.argv) > 1 else 15, f"{work}/disks")
    print(table.text())


if __name__ == "__main__":
    main()
