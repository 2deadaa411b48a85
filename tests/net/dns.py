#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dns.py ask ADDRESS NAME [TYPE [tcp]]: what a name server answers: the addresses or names, a word for its refusal, or "silence".
dns.py frames KIND OWN_MAC OWN_V4 GATEWAY_MAC GATEWAY_V4 [COUNT]: frames with questions as hexadecimal lines; KIND is "flood" (COUNT well-formed ones) or "malformed".
dns.py hold ADDRESS COUNT: opens that many idle connections, says how many are there, and keeps them until its input ends.
dns.py serve ADDRESS VALUE: a resolver that answers all questions with that address; "ready" when it listens.
dns.py update ADDRESS ZONE NAME VALUE: asks to write a name."""
import ipaddress
import random
import select
import socket
import struct
import sys

from frames import ethernet, ip4, mac, udp, v4

TYPES = {"A": 1, "NS": 2, "SOA": 6, "PTR": 12, "TXT": 16, "AAAA": 28, "IXFR": 251, "AXFR": 252, "ANY": 255}
CODES = {0: "nothing", 1: "malformed", 2: "failure", 3: "no such name", 4: "not implemented", 5: "refused", 9: "not authoritative"}


def labels(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def question(name, kind="A", flags=0x0100, number=7, counts=(1, 0, 0, 0), kclass=1):
    return struct.pack(">6H", number, flags, *counts) + labels(name) + struct.pack(">HH", TYPES[kind], kclass)


def skip_name(data, at):
    while data[at] & 0xC0 != 0xC0 and data[at]:
        at += 1 + data[at]
    return at + (2 if data[at] else 1)


def read_name(data, at):
    parts = []
    while data[at]:
        if data[at] & 0xC0 == 0xC0:
            at = struct.unpack_from(">H", data, at)[0] & 0x3FFF
            continue
        parts.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(parts)


def answers(data):
    _, flags, questions, count, _, _ = struct.unpack_from(">6H", data)
    at, found = 12, []
    for _ in range(questions):
        at = skip_name(data, at) + 4
    for _ in range(count):
        at = skip_name(data, at)
        kind, _, _, size = struct.unpack_from(">HHIH", data, at)
        at += 10
        if kind in (1, 28):
            found.append(str(ipaddress.ip_address(data[at:at + size])))
        elif kind == 12:
            found.append(read_name(data, at))
        at += size
    return " ".join(sorted(found)) or CODES.get(flags & 15, str(flags & 15))


def exchange(address, message, tcp=False):
    """The answer, or b"": a second is waited for each of three tries, as a resolver would."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if tcp:
        with socket.create_connection((address, 53), timeout=5) as line:
            line.sendall(struct.pack(">H", len(message)) + message)
            stream = line.makefile("rb")
            size = stream.read(2)
            return stream.read(struct.unpack(">H", size)[0]) if len(size) == 2 else b""
    with socket.socket(family, socket.SOCK_DGRAM) as line:
        line.connect((address, 53))
        for _ in range(3):
            line.send(message)
            if select.select([line], [], [], 1)[0]:
                return line.recv(65535)
    return b""


def ask(address, name, kind="A", tcp=""):
    if kind == "PTR":
        name = ipaddress.ip_address(name).reverse_pointer
    try:
        data = exchange(address, question(name, kind), tcp == "tcp")
    except OSError as error:
        data = b""
        print(error, file=sys.stderr)
    print(answers(data) if len(data) >= 12 else "silence")


def update(address, zone, name, value):
    """RFC 2136."""
    record = labels(name) + struct.pack(">HHIH", 1, 1, 60, 4) + v4(value)
    message = struct.pack(">6H", 8, 5 << 11, 1, 0, 1, 0) + labels(zone) + struct.pack(">HH", 6, 1) + record
    data = exchange(address, message)
    print(answers(data[:12]) if len(data) >= 12 else "silence")


def malformed():
    good = question("one.coracle")
    for size in range(len(good)):
        yield good[:size]
    yield good[:12] + b"\xc0\x0c" + good[-4:]  # a name that points to itself
    yield good[:12] + b"\xc0\x0e\xc0\x0c" + good[-4:]
    yield good[:12] + b"\x3f" + b"a" * 63 + b"\xc0\x0c" + good[-4:]
    yield good[:12] + (b"\x3f" + b"a" * 63) * 20 + b"\0" + good[-4:]
    yield good[:12] + b"\x80" + b"a" * 128 + b"\0" + good[-4:]
    yield good[:12] + b"\x04\0\xff.\n\x07coracle\0" + good[-4:]
    for counts in ((65535, 0, 0, 0), (1, 65535, 0, 0), (1, 0, 65535, 0), (1, 0, 0, 65535), (0, 0, 0, 0), (0, 1, 0, 0), (2, 0, 0, 0)):
        yield question("one.coracle", counts=counts)
    for flags in (0x8180, 0x8580, 0x7900, 0x2000, 0x2800, 0xFFFF, 0x0300, 0x0010):
        yield question("one.coracle", flags=flags)
    for kind in ("AXFR", "IXFR", "ANY", "SOA", "NS"):
        yield question("coracle", kind)
    for kclass in (0, 3, 4, 254, 255, 65535):
        yield question("version.bind", "TXT", kclass=kclass)
    option = lambda data, size=None: b"\0" + struct.pack(">HHIH", 41, 4096, 0, len(data) if size is None else size) + data
    for extra in (option(b""), option(b"", 65535), option(b"\0\x08\xff\xff\0\1"), option(b"\0\x08\0\7\0\1\x20\0\1\2\3"), option(b"\0\x0a\0\2ab"),
                  option(b"") * 50, b"\0" + struct.pack(">HHIH", 250, 255, 0, 4) + b"\xff" * 4):
        yield question("one.coracle", counts=(1, 0, 0, 1)) + extra
    yield question(".".join("a" for _ in range(500)))
    chance = random.Random(1)
    for _ in range(500):
        damaged = bytearray(question("one.coracle", counts=(1, 0, 0, 1)) + option(b"\0\x0a\0\x08abcdefgh"))
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        yield bytes(damaged)
    for _ in range(200):
        yield chance.randbytes(chance.randrange(600))


def damaged_packets(own, gateway):
    """What is broken below the names."""
    good = udp(1000, 53, question("one.coracle"))
    yield ip4(own, gateway, 17, good[:4] + b"\xff\xff" + good[6:])
    yield ip4(own, gateway, 17, good[:4] + b"\0\0" + good[6:])
    yield ip4(own, gateway, 17, good[:5])
    yield ip4(own, gateway, 6, struct.pack(">HHIIBBHHH", 1000, 53, 0, 0, 0xFF, 0xFF, 0, 0, 0))
    yield ip4(own, gateway, 6, struct.pack(">HHIIBBHHH", 1000, 53, 0, 0, 0x50, 0x03, 0, 0, 0))
    packet = ip4(own, gateway, 17, good)
    yield b"\x4f" + packet[1:]  # a header longer than what follows
    yield packet[:2] + b"\xff\xff" + packet[4:]
    yield packet[:6] + b"\x20\0" + packet[8:]  # a fragment whose rest never comes
    yield packet[:6] + b"\x3f\xff" + packet[8:]
    yield packet[:19]


def frames(kind, own_mac, own, gateway_mac, gateway, count="0"):
    own_mac, own, gateway_mac, gateway = mac(own_mac), v4(own), mac(gateway_mac), v4(gateway)
    if kind == "flood":
        packets = (ip4(own, gateway, 17, udp(1024 + i % 60000, 53, question(f"f{i}.coracle" if i % 2 else f"f{i}.example", number=i % 65536)))
                   for i in range(int(count)))
    else:
        packets = [ip4(own, gateway, 17, udp(1000, 53, data)) for data in malformed()] + list(damaged_packets(own, gateway))
    for packet in packets:
        print(ethernet(gateway_mac, own_mac, 0x0800, packet).hex())


def hold(address, count):
    lines = []
    for _ in range(int(count)):
        try:
            lines.append(socket.create_connection((address, 53), timeout=5))
        except OSError:
            pass
    print(len(lines), flush=True)
    sys.stdin.read()


def serve(address, value):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((address, 53))
        print("ready", flush=True)
        while True:
            data, peer = line.recvfrom(4096)
            end = skip_name(data, 12) + 4
            line.sendto(data[:2] + struct.pack(">5H", 0x8180, 1, 1, 0, 0) + data[12:end] + struct.pack(">HHHIH", 0xC00C, 1, 1, 1, 4) + v4(value), peer)


{"serve": serve, "ask": ask, "frames": frames, "hold": hold, "update": update}[sys.argv[1]](*sys.argv[2:])
