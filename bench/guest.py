# SPDX-License-Identifier: Apache-2.0
"""What runs in the guests of network.py (busybox, iperf3 with its libraries and roundtrip.c) and of disk.py: a folder that becomes the image of a container and the initramfs
of a bare machine."""
import os
import re
import shutil
import subprocess

from measure import TOP, run

SHELL = 9  # its port
ROUNDTRIP = f"{TOP}/build/bench/roundtrip"

# As a container's first process. Everything that the guest is to do comes from outside, in the same way for all.
SERVE = f"""#!/bin/sh
iperf3 -s -D
exec nc -ll -p {SHELL} -e /bin/sh
"""

# Runs a command on the processor that receives (a container is not shown where interrupts go): on another, of which a guest's scheduler makes use at random, a round
# trip takes half as long again.
NEAR = """#!/bin/sh
processor=$(awk '/NET_RX/ { most = 2; for (i = 3; i <= NF; i++) if ($i > $most) most = i; print most - 2 }' /proc/softirqs)
exec taskset "$(printf %x $((1 << processor)))" "$@"
"""

# As a machine's.
INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t devtmpfs dev /dev
ip link set lo up
ip address add $address dev eth0
ip link set eth0 up
exec /bin/serve
"""


def libraries(program):
    return re.findall(r"(/\S+) \(0x", run("ldd", program))


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)


def make_busybox(root):
    for folder in ("bin", "dev", "proc", "sys", "tmp", "etc", "root"):
        os.makedirs(f"{root}/{folder}")
    shutil.copy(shutil.which("busybox"), f"{root}/bin/busybox")
    for applet in run("busybox", "--list").split():
        if applet != "busybox":
            os.symlink("busybox", f"{root}/bin/{applet}")


def add_program(root, name):
    program = shutil.which(name)
    for file in (program, *libraries(program)):
        target = f"{root}/bin/{name}" if file == program else root + file
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(file, target)


def make_image(work, root, name, command):
    """WORK/NAME.tar, an image of that name."""
    run("tar", "-C", root, "-czf", f"{work}/layer.tar.gz", ".")
    with open(f"{work}/{name}.tar", "wb") as file:
        subprocess.run([f"{TOP}/scripts/oci-image", f"{name}:latest", command, f"{work}/layer.tar.gz"], check=True, stdout=file)


def make_initramfs(root, path):
    run("sh", "-c", f"cd {root} && find . | cpio --quiet -o -H newc >{path}")


def make_guest(work):
    """WORK/guest.tar, an image named "guest", and WORK/guest.cpio."""
    root = f"{work}/root"
    make_busybox(root)
    add_program(root, "iperf3")
    run("gcc", "-O2", "-static", "-o", ROUNDTRIP, f"{TOP}/bench/roundtrip.c")
    shutil.copy(ROUNDTRIP, f"{root}/bin/roundtrip")
    write(f"{root}/bin/serve", SERVE)
    write(f"{root}/bin/near", NEAR)
    write(f"{root}/init", INIT)
    make_image(work, root, "guest", "/bin/serve")
    make_initramfs(root, f"{work}/guest.cpio")
