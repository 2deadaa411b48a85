#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""front.py FOLDER UPSTREAM [--tls CERT KEY]: an HTTP server before a registry (UPSTREAM: host:port) that can do it harm, and tells what it was asked.

FOLDER/rules.json is read at each request: a list of objects, the first that fits counts.
  method, path   regular expressions (default: any)
  times          how often it counts, since the rules were written (default: always)
  status, headers, body   answers this instead of asking
  stop_after     sends that many bytes of the body and waits until FOLDER/gate is there, or the client is gone
  reset_after    sends that many bytes of the body and resets the connection
  take_and_reset reads that many bytes of the request's body and resets the connection
  strip          header names that do not reach the upstream
  unranged       true: answers 200 with everything to a request for a range

FOLDER/log.jsonl gets an object for each request: method, path, headers, status, sent (bytes of body), received, at_once (how many bodies were under way when this one began),
in that order of their ends; what stops is logged when it stops, with "stopped": true, too.
"""
import argparse
import http.client
import json
import os
import re
import select
import socket
import ssl
import struct
import threading

import logged_server

HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class Rules:
    def __init__(self, folder):
        self.path, self.lock, self.text, self.rules = f"{folder}/rules.json", threading.Lock(), "", []

    def find(self, method, path):
        with self.lock:
            with open(self.path) as file:
                text = file.read()
            if text != self.text:
                self.text, self.rules = text, json.loads(text)
            for rule in self.rules:
                if not re.search(rule.get("path", ""), path) or not re.fullmatch(rule.get("method", ".*"), method):
                    continue
                if rule.get("times") == 0:
                    continue
                if "times" in rule:
                    rule["times"] -= 1
                return rule
        return {}


class Handler(logged_server.Handler):
    at_once = 0

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def wait_for_gate(self):
        """True when it opened, False when the client went."""
        while not os.path.exists(f"{self.server.folder}/gate"):
            if select.select([self.connection], [], [], 0.05)[0]:
                return False
        return True

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left and (data := self.rfile.read1(min(left, 65536))):
            left -= len(data)
            yield data

    def handle_any(self):
        rule = self.server.rules.find(self.command, self.path)
        self.received = 0
        try:
            if "take_and_reset" in rule:
                for data in self.body():
                    self.received += len(data)
                    if self.received >= rule["take_and_reset"]:
                        break
                self.record(received=self.received, status=0, sent=0)
                self.reset()
            elif "status" in rule:
                for data in self.body():
                    self.received += len(data)
                self.answer(rule)
            else:
                self.relay(rule)
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def answer(self, rule):
        data = rule.get("body", "").encode()
        self.record(status=rule["status"], sent=len(data), received=self.received)
        self.send_response(rule["status"])
        for name, value in rule.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data if self.command != "HEAD" else b"")

    def relay(self, rule):
        upstream = http.client.HTTPConnection(self.server.upstream)
        dropped = HOP | {name.lower() for name in rule.get("strip", [])} | ({"range"} if rule.get("unranged") else set())
        headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
        data = b"".join(self.body())
        self.received = len(data)
        headers["X-Forwarded-Proto"] = self.server.scheme
        if data or self.command in ("PUT", "POST", "PATCH"):
            headers["Content-Length"] = str(len(data))
        upstream.request(self.command, self.path, data or None, headers)
        answer = upstream.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        size = int(answer.headers.get("Content-Length", 0))
        self.send_header("Content-Length", str(size))
        self.end_headers()
        with self.lock:
            Handler.at_once += "/blobs/sha256" in self.path
            at_once = Handler.at_once
        sent = 0
        try:
            sent = self.send_body(answer, rule, 0 if self.command == "HEAD" else size, at_once)
        finally:
            with self.lock:
                Handler.at_once -= "/blobs/sha256" in self.path
            upstream.close()

    def send_body(self, answer, rule, size, at_once):
        tell = lambda **more: self.record(status=answer.status, received=self.received, at_once=at_once, **more)
        stop = rule.get("stop_after", rule.get("reset_after"))
        sent, status = 0, {}
        try:
            while sent < size:
                most = min(65536, stop - sent) if stop is not None and sent <= stop else 65536
                if most == 0 and "reset_after" in rule:
                    self.wfile.flush()
                    self.reset()
                    break
                if most == 0:
                    tell(sent=sent, stopped=True)
                    if not self.wait_for_gate():
                        self.close_connection = True
                        break
                    stop = None
                    continue
                data = answer.read(most)
                if not data:
                    break
                self.wfile.write(data)
                sent += len(data)
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True
        tell(sent=sent)
        return sent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("upstream")
    parser.add_argument("--tls", nargs=2)
    options = parser.parse_args()
    server = logged_server.Server(options.folder, Handler, tls=options.tls)
    server.upstream, server.rules = options.upstream, Rules(options.folder)
    server.scheme = "https" if options.tls else "http"
    server.serve()


main()
