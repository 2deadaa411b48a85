#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve.py PORT: says hello over TCP, and to whom, on all addresses of both families; "ready" on standard output when it listens.
serve.py ask ADDRESS PORT: what such a server says; exit 1 when it is not reached in three seconds."""
import socket
import sys

if sys.argv[1] == "ask":
    try:
        with socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=3) as line:
            print(line.makefile().readline(), end="")
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error}")
else:
    server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
    print("ready", flush=True)
    while True:
        line, peer = server.accept()
        with line:
            line.sendall(f"hello {peer[0].removeprefix('::ffff:')}\n".encode())
