# SPDX-License-Identifier: Apache-2.0
"""Pulls until ready to run, from a registry on loopback, against `podman pull` and against `skopeo copy` with `umoci unpack`: in turn, each with an empty store each time."""
import os
import shutil
import statistics
import subprocess
import tarfile
import time

from measure import CORACLE, IMAGES, PODMAN, TOP, run


def wait_for(path, text):
    for _ in range(200):
        with open(path) as file:
            for line in file:
                if text in line:
                    return line.split(text)[1].split('"')[0].strip()
        time.sleep(0.05)
    raise RuntimeError(f"no {text!r} in {path}")


class Registry:
    def __init__(self, work):
        os.makedirs(f"{work}/registry")
        with open(f"{work}/registry/config.yml", "w") as file:
            file.write(f"version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {work}/registry/storage}}\n"
                       "http:\n  addr: 127.0.0.1:0\n")
        with open(f"{work}/registry/log", "w") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", f"{work}/registry/config.yml"], stdout=log, stderr=log)
        self.address = wait_for(f"{work}/registry/log", "listening on ")

    def put(self, name):
        target = f"{self.address}/{name}:1"
        run("skopeo", "copy", "-q", "--insecure-policy", "--preserve-digests", "--dest-tls-verify=false", f"oci-archive:{IMAGES}/{name}.tar", f"docker://{target}")
        return target

    def end(self):
        self.process.terminate()
        self.process.wait()


def made(name, write):
    """An image that only this measurement needs; kept between runs."""
    path = f"{IMAGES}/{name}.tar"
    if not os.path.exists(path):
        with open(path + ".new", "wb") as file:
            write(file)
        os.rename(path + ".new", path)


def make_gigabyte(file):
    subprocess.run([f"{TOP}/scripts/test-images", "large:1024", f"{IMAGES}/busybox.tar"], stdout=file, check=True)


def make_debian_zstd(file, work):
    with tarfile.open(f"{IMAGES}/debian.tar") as archive:
        layer = max((member for member in archive if member.isreg()), key=lambda member: member.size)
        with open(f"{work}/layer.tar.gz", "wb") as out:
            shutil.copyfileobj(archive.extractfile(layer), out)
    run("sh", "-c", f"gzip -dc {work}/layer.tar.gz | zstd -q -o {work}/layer.tar.zst")
    subprocess.run([f"{TOP}/scripts/oci-image", "debian:zstd", "/bin/bash", f"{work}/layer.tar.zst"], stdout=file, check=True)
    os.remove(f"{work}/layer.tar.zst")


def timed(*commands, environment=None):
    """Milliseconds that all take one after the other, and the largest resident size of the last one in megabytes."""
    began = time.monotonic()
    for words in commands:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        child.stderr.close()
        if child.returncode:
            raise RuntimeError(f"{' '.join(words)}: {said.decode()}")
    return (time.monotonic() - began) * 1000, usage.ru_maxrss / 1024


def coracle(store, image):
    environment = dict(os.environ, CORACLE_ROOT=f"{store}/data", CORACLE_RUNTIME_DIR=f"{store}/run")
    return timed([CORACLE, "pull", "-q", image], environment=environment)


def podman(store, image):
    return timed([*PODMAN, "--root", f"{store}/root", "--runroot", f"{store}/run", "pull", "-q", "--tls-verify=false", image])


def skopeo_umoci(store, image):
    return timed(["skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false", f"docker://{image}", f"oci:{store}/oci:1"],
                 ["umoci", "unpack", "--image", f"{store}/oci:1", f"{store}/bundle"])


def compare(work, image, rounds, tools):
    """Each tool in turn, round after round. Returns the times by tool, and our largest memory."""
    times, memory = {tool: [] for tool in tools}, 0
    for number in range(rounds):
        for tool in tools if number % 2 == 0 else reversed(tools):
            store = f"{work}/store"
            os.makedirs(store)
            os.sync()  # what another tool still has to write is not this one's burden
            took, resident = tool(store, image)
            times[tool].append(took)
            if tool is coracle:
                memory = max(memory, resident)
            shutil.rmtree(store)
    return times, memory


def measure_pull(table, rounds, work):
    made("gigabyte", make_gigabyte)
    made("debian-zstd", lambda file: make_debian_zstd(file, work))
    registry = Registry(work)
    try:
        gzip, zstd = [coracle, podman, skopeo_umoci], [coracle, podman]
        for name, what, tools, some in (("debian", "Debian 12", gzip, rounds), ("layers", "60 layers", gzip, rounds), ("gigabyte", "one layer of 1 GiB", gzip, 3),
                                        ("debian-zstd", "Debian 12, zstd", zstd, rounds)):
            times, memory = compare(work, registry.put(name), max(3, some // 2), tools)
            median = {tool: statistics.median(values) for tool, values in times.items()}
            peers = {"podman pull": median[podman]}
            if skopeo_umoci in median:
                peers["skopeo copy + umoci unpack"] = median[skopeo_umoci]
            told = "; ".join(f"{peer}, {value:.0f} ms" for peer, value in peers.items())
            table.add(f"pull until ready to run: {what}", median[coracle], "ms", told, median[coracle] / min(peers.values()), "0.6")
            table.add(f"… its largest memory: {what}", memory, "MiB", target="64 MiB")
    finally:
        registry.end()
