#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""forward_proxy.py FOLDER [--map NAME=HOST:PORT]: a proxy for HTTP (absolute addresses) and for HTTPS (CONNECT), which finds hosts that exist only for it.
FOLDER/log.jsonl gets method and path of each request."""
import argparse
import http.client
import select
import socket
import urllib.parse

import logged_server


class Handler(logged_server.Handler):
    def real(self, place):
        return self.server.hosts.get(place, self.server.hosts.get(place.rpartition(":")[0], place))

    def do_CONNECT(self):
        self.record()
        host, _, port = self.real(self.path).rpartition(":")
        with socket.create_connection((host, int(port))) as other:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            pairs = {self.connection: other, other: self.connection}
            while True:
                for ready in select.select(list(pairs), [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    pairs[ready].sendall(data)

    def do_any(self):
        self.record()
        place = urllib.parse.urlsplit(self.path)
        upstream = http.client.HTTPConnection(self.real(place.netloc))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {k: v for k, v in self.headers.items() if not k.lower().startswith("proxy-")}
        upstream.request(self.command, place._replace(scheme="", netloc="").geturl(), body or None, headers)
        answer = upstream.getresponse()
        data = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.headers.get("Content-Length", str(len(data))))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_any


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--map", action="append", default=[])
    options = parser.parse_args()
    server = logged_server.Server(options.folder, Handler)
    server.hosts = dict(entry.split("=", 1) for entry in options.map)
    server.serve()


main()
