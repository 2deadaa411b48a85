#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Speaks to talk.pl. Exit 1 when it is not reached in five seconds, or lies.
talk.py tcp|udp ADDRESS PORT: what it calls us.
talk.py echo ADDRESS PORT BYTES: sends so many, says that this is all, and gets them back; "same" if they are.
talk.py many ADDRESS PORT COUNT: so many connections at once, each of which is answered; how many were.
talk.py stuck ADDRESS PORT: sends and never reads, until nothing more is taken; "stuck", and stays until its standard input ends.
talk.py hear ADDRESS PORT: "ready", and then one datagram.
talk.py hold ADDRESS PORT tcp|udp: has that port; "ready", and stays until its standard input ends."""
import hashlib
import os
import socket
import sys
import threading


def connect(address, port):
    return socket.create_connection((address, port), timeout=5)


def tcp(address, port):
    with connect(address, port) as line:
        line.shutdown(socket.SHUT_WR)
        answer = line.makefile().read()
        if not answer:
            raise OSError("no answer")
        print(answer, end="")


def udp(address, port):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as line:
        # Connected: an answer from elsewhere is none.
        line.connect((address, port))
        line.settimeout(1)
        for attempt in range(5):
            try:
                line.send(f"ping{attempt}".encode())
                print(line.recv(65536).decode().rsplit(" ", 1)[0])
                return
            except (TimeoutError, ConnectionRefusedError) as error:
                failure = error
        raise OSError(failure)


def echo(address, port, size):
    with connect(address, port) as line:
        line.settimeout(60)
        block, sent = os.urandom(1 << 16), hashlib.sha256()

        def send():
            for left in range(size, 0, -len(block)):
                sent.update(block[:left])
                line.sendall(block[:left])
            line.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        answer, got, count = line.makefile("rb"), hashlib.sha256(), 0
        answer.readline()
        while data := answer.read(1 << 16):
            got.update(data)
            count += len(data)
        sender.join()
        if count != size or got.digest() != sent.digest():
            raise OSError(f"{count} bytes of {size} came back")
        print("same")


def many(address, port, count):
    lines = [connect(address, port) for _ in range(count)]
    files = [line.makefile("rw") for line in lines]
    for file in files:
        assert file.readline().startswith("hello")
    for number, file in enumerate(files):
        print(number, file=file, flush=True)
    print(sum(file.readline() == f"{number}\n" for number, file in enumerate(files)))


def stuck(address, port):
    with connect(address, port) as line:
        line.settimeout(2)
        try:
            while True:
                line.send(b"x" * 65536)
        except TimeoutError:
            print("stuck", flush=True)
        sys.stdin.read()


def hear(address, port):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((address, port))
        print("ready", flush=True)
        print(line.recv(65536).decode(), end="", flush=True)


def hold(address, port, protocol):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, protocol == "tcp")
        line.bind((address, port))
        if protocol == "tcp":
            line.listen()
        print("ready", flush=True)
        sys.stdin.read()


what, address, port, *more = sys.argv[1:]
try:
    {"tcp": tcp, "udp": udp, "echo": echo, "many": many, "stuck": stuck, "hear": hear, "hold": hold}[what](
        address, int(port), *(int(word) if word.isdigit() else word for word in more))
except OSError as error:
    sys.exit(f"{what} {address} {port}: {error}")
