#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The network of containers against that of bare machines, in pairs, and what a network adds to a start.

network.py [PAIRS]     (default 15; a part of `make bench`)

Two containers on a network, and two plain QEMUs with the same kernel, processor and memory, whose taps `ip` has put into a bridge that no rule knows. Each pair of
machines has a network namespace of its own; nothing here leaves them.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from guest import ROUNDTRIP, SHELL, make_guest
from measure import CORACLE, IMAGES, TOP, Ending, Table, in_turn, interval, machine_of, milliseconds, run

SECONDS = "1"  # of one transfer
ROUND_TRIP = 7  # the port of roundtrip.c
PATIENCE = 30
BOOTS = 3


class Namespace:
    """A network namespace that ends with its only process."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "100000"])
        ours = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.process.pid}/ns/net") == ours:
            time.sleep(0.01)
        self.run("ip", "link", "set", "lo", "up")

    def words(self, *words):
        return ["nsenter", "--target", str(self.process.pid), "--net", *words]

    def run(self, *words, **options):
        return run(*self.words(*words), **options)

    def end(self):
        self.process.kill()
        self.process.wait()


class Containers(Ending):
    """Two containers, and the network that they are in."""

    def __init__(self):
        self.host = Namespace()
        try:
            for name in ("one", "two"):
                self.host.run(CORACLE, "run", "-d", "--name", name, "--network", "default", "guest")
            self.guests = [self.address(name) for name in ("one", "two")]
        except BaseException:
            self.end()
            raise

    def address(self, name):
        return json.loads(run(CORACLE, "inspect", name))[0]["NetworkSettings"]["Networks"]["default"]["IPAddress"]

    def end(self):
        subprocess.run(self.host.words(CORACLE, "rm", "-f", "one", "two"), capture_output=True)
        self.host.end()


class Machines(Ending):
    """Two machines at the taps of a bridge."""

    def __init__(self, kernel, initramfs, machine):
        self.host, self.processes = Namespace(), []
        self.guests = [f"192.0.2.{number}" for number in (2, 3)]
        try:
            for words in ("link add br0 type bridge", "address add 192.0.2.1/24 dev br0", "link set br0 up"):
                self.host.run("ip", *words.split())
            for address in self.guests:
                self.start(address, kernel, initramfs, machine)
        except BaseException:
            self.end()
            raise

    def start(self, address, kernel, initramfs, machine):
        number = address[-1]
        tap = f"tap{number}"
        for words in (f"tuntap add {tap} mode tap vnet_hdr", f"link set {tap} master br0 up"):
            self.host.run("ip", *words.split())
        vhost = "on" if "kvm" in machine and os.path.exists("/dev/vhost-net") else "off"
        machine = [word + f" address={address}/24" if word.startswith("console=") else word for word in machine]
        words = [*machine, "-nodefaults", "-no-reboot", "-display", "none", "-serial", "null",
                 "-global", "virtio-mmio.force-legacy=false", "-kernel", kernel, "-initrd", initramfs,
                 # As many devices as a container has, since their order says which processor gets the network card's interrupts.
                 "-device", "virtio-serial-device", "-device", "virtio-rng-device",
                 "-blockdev", f"driver=raw,node-name=disk,read-only=on,file.driver=file,file.filename={initramfs}", "-device", "virtio-blk-device,drive=disk",
                 "-netdev", f"tap,id=net,ifname={tap},script=no,downscript=no,vhost={vhost}",
                 "-device", f"virtio-net-device,netdev=net,mac=02:00:00:00:00:0{number}"]
        # In a session of its own, as a container's is: the scheduler shares the CPUs out by session.
        self.processes.append(subprocess.Popen(self.host.words(*words), start_new_session=True))

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.host.end()


# ---- one value ----

def in_guest(side, command, guest=0):
    """What the command writes there."""
    return side.host.run("busybox", "nc", side.guests[guest], str(SHELL), input=f"{command}\nexit\n", timeout=PATIENCE)


def await_guests(side):
    for guest, address in enumerate(side.guests):
        for _ in range(PATIENCE * 10):
            try:
                side.host.run("iperf3", "-c", address, "-n", "16M", timeout=PATIENCE)
                break
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        else:
            raise RuntimeError(f"no guest at {address}")
        in_guest(side, f"near roundtrip serve {ROUND_TRIP} >/dev/null </dev/null &", guest)


def gigabits(iperf3):
    """iperf3's server does not listen for a moment after each client."""
    for _ in range(PATIENCE * 10):
        report = json.loads(iperf3())
        if "error" not in report:
            return report["end"]["sum_received"]["bits_per_second"] / 1e9
        time.sleep(0.1)
    raise RuntimeError(report["error"])


def transfer(*options):
    return lambda side: gigabits(lambda: side.host.run("iperf3", "-J", "-c", side.guests[0], "-t", SECONDS, *options, timeout=PATIENCE))


def between(*options):
    return lambda side: gigabits(lambda: in_guest(side, " ".join(("iperf3", "-J", "-c", side.guests[1], "-t", SECONDS, *options))))


def round_trip(side):
    return float(side.host.run(ROUNDTRIP, "ask", side.guests[0], str(ROUND_TRIP), "500", timeout=PATIENCE))


def round_trip_between(side):
    return float(in_guest(side, f"near roundtrip ask {side.guests[1]} {ROUND_TRIP} 500"))


FASTER, SLOWER = 0.95, 1.05
MEASURES = [
    ("host to guest, one stream", "Gbit/s", FASTER, transfer()),
    ("host to guest, four streams", "Gbit/s", FASTER, transfer("-P", "4")),
    ("guest to host, one stream", "Gbit/s", FASTER, transfer("-R")),
    ("guest to host, four streams", "Gbit/s", FASTER, transfer("-R", "-P", "4")),
    ("guest to guest, one stream", "Gbit/s", FASTER, between()),
    ("guest to guest, four streams", "Gbit/s", FASTER, between("-P", "4")),
    ("TCP round trip host to guest", "µs", SLOWER, round_trip),
    ("TCP round trip guest to guest", "µs", SLOWER, round_trip_between),
]


# ---- many ----

def measure_pairs(values, pairs, sides):
    for number in range(pairs):
        for what, _, _, measure in MEASURES:
            for side in in_turn((0, 1), number):
                values[what][side].append(measure(sides[side]))


def measure_starts(table, pairs, host):
    start = lambda network: milliseconds(*host.words(CORACLE, "run", "--rm", "--network", network, "busybox", "true"))
    times = {"default": [], "none": []}
    for number in range(pairs):
        for network in in_turn(("default", "none"), number):
            times[network].append(start(network))
    added = [a - b for a, b in zip(times["default"], times["none"])]
    low, high = interval(added)
    table.add("a network that is there adds to `run --rm busybox true`", statistics.median(added), "ms",
              f"`--network none`, {statistics.median(times['none']):.1f} ms", None, f"25 ms; 95 %: {low:.0f} to {high:.0f}{'' if low <= 25 else ', MISSED'}")


def measure_network(table, pairs, work):
    """The machines are started anew several times: which processor and which pages one gets decides as much as what is compared."""
    make_guest(work)
    run(CORACLE, "image", "load", "-i", f"{work}/guest.tar")
    kernel, values = run(f"{TOP}/kernel/build.sh"), {what: ([], []) for what, *_ in MEASURES}
    for boot in range(BOOTS):
        with Containers() as containers:
            if boot == 0:
                measure_starts(table, pairs, containers.host)
            with Machines(kernel, f"{work}/guest.cpio", machine_of("one")) as machines:
                for side in (containers, machines):
                    await_guests(side)
                measure_pairs(values, (pairs + boot) // BOOTS, (containers, machines))
    for what, unit, target, _ in MEASURES:
        table.add_pairs(what, unit, *values[what], "bare QEMU", target)


def main():
    table = Table()
    with tempfile.TemporaryDirectory(prefix="cor.", dir="/tmp") as work:
        os.environ.update(CORACLE_ROOT=f"{work}/data", CORACLE_RUNTIME_DIR=f"{work}/run")
        run(f"{TOP}/tests/prepare")
        run(CORACLE, "image", "load", "-i", f"{IMAGES}/busybox.tar")
        measure_network(table, int(sys.argv[1]) if len(sys.argv) > 1 else 15, work)
    print(table.text())


if __name__ == "__main__":
    main()
