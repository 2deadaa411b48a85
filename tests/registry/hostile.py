#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hostile.py FOLDER: a registry that lies. The name of a repository is the name of the lie: documents that are wrong are made in hostile_images.py, wrong answers here.

It listens twice: on 127.0.0.1, the registry, and on 127.0.0.2, which is somebody else's. FOLDER/log.jsonl gets listener ("registry" or "other"), method, path, headers, status and sent (bytes
of the body) of each request. Names that begin with "good-" are honest in the end.
"""
import base64
import gzip
import json
import re
import socket
import struct
import sys
import threading
import time
import urllib.parse

import hostile_images
import logged_server

ENDLESS = 1 << 30  # what nobody should read to the end; the log tells how much was
BASIC = "Basic " + base64.b64encode(b"alice:wonder land").decode()


class Handler(logged_server.Handler):
    images, seen = {}, {}

    # ---- answers

    def record(self, status, sent=0, **more):
        super().record(listener=self.server.who, status=status, sent=sent, **more)

    def answer(self, status, data=b"", media_type="application/octet-stream", headers=(), length=None, **more):
        self.record(status, 0 if self.command == "HEAD" else len(data), **more)
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        if length is not None and length != len(data):
            self.close_connection = True

    def endless(self, start=b"", head="HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", piece=b"10000\r\n" + b"x" * 65536 + b"\r\n", pause=0):
        """Sends until the client has enough, and tells how much that was."""
        sent = 0
        self.close_connection = True
        try:
            self.wfile.write(head.encode())
            if start:
                self.wfile.write(b"%x\r\n" % len(start) + start + b"\r\n")
            while sent < ENDLESS:
                self.wfile.write(piece)
                sent += len(piece)
                if pause:
                    time.sleep(pause)
        except OSError:
            pass
        self.record(200, sent, endless=True)

    def cut(self, data, after, length=None, status=200, headers=()):
        """The first bytes of an answer, and a reset."""
        self.record(status, after)
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[:after])
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def first(self, key, times=1):
        """True for the first requests of this kind."""
        with self.lock:
            self.seen[key] = self.seen.get(key, 0) + 1
            return self.seen[key] <= times

    def redirect(self, target, status=307):
        self.answer(status, headers=[("Location", target)])

    # ---- requests

    def do_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self.dispatch(body)
        except OSError:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_any

    def dispatch(self, body):
        place = urllib.parse.urlsplit(self.path)
        if place.path == "/v2/":
            return self.answer(200, b"{}", "application/json")
        if place.path.startswith("/token/"):
            return self.token(place.path[len("/token/"):])
        found = re.fullmatch(r"/v2/([a-z0-9-]+)/(manifests|blobs)/([^/]+)(/.*)?", place.path)
        if not found:
            return self.answer(404, b'{"errors":[{"code":"NOT_FOUND"}]}', "application/json")
        case, kind, what, _ = found.groups()
        with self.lock:
            if case not in self.images:
                self.images[case] = hostile_images.make(case, self.server.other)
        if self.command in ("POST", "PUT", "PATCH"):
            return self.take(case, kind, what, body)
        if kind == "manifests":
            return self.give_manifest(case, self.images[case], what)
        return self.give_blob(case, self.images[case], what)

    def give_manifest(self, case, image, what):
        special = getattr(self, "manifest_" + case.replace("-", "_"), None)
        if special and special(image, what) is not True:
            return None
        if what.startswith("sha256:"):
            media_type, data = image.manifests.get(what, (None, None))
            if data is None:
                return self.answer(404, b"{}", "application/json")
        else:
            media_type, data = image.manifest_type, image.manifest
        return self.answer(200, data, media_type, [("Docker-Content-Digest", hostile_images.digest(data))])

    def give_blob(self, case, image, what):
        data = image.blobs.get(what)
        if data is None:
            return self.answer(404, b"{}", "application/json")
        is_layer = any(layer["digest"] == what for layer in image.layers)
        special = getattr(self, "layer_" + case.replace("-", "_"), None)
        if special and is_layer and special(data) is not True:
            return None
        return self.give(data)

    def give(self, data):
        """As an honest server does, with ranges."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked:
            return self.answer(200, data)
        start = int(asked[1])
        if start >= len(data):
            return self.answer(416, headers=[("Content-Range", f"bytes */{len(data)}")])
        return self.answer(206, data[start:], headers=[("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")])

    # ---- manifests that are answered wrongly. A method that returns True leaves the answer to the honest path.

    def manifest_other_content(self, image, what):
        other = hostile_images.Image("somebody else").finish()
        self.answer(200, other.manifest, other.manifest_type)

    def manifest_child_is_other(self, image, what):
        if not what.startswith("sha256:"):
            image.index() if image.manifest_type != hostile_images.INDEX else None
            return True
        return self.manifest_other_content(image, what)

    def manifest_digest_header_lies(self, image, what):
        self.answer(200, image.manifest, image.manifest_type, [("Docker-Content-Digest", "sha256:" + "0" * 64)])

    def manifest_endless_manifest(self, image, what):
        self.endless(image.manifest, f"HTTP/1.1 200 OK\r\nContent-Type: {image.manifest_type}\r\nTransfer-Encoding: chunked\r\n\r\n")

    def manifest_huge_headers(self, image, what):
        self.endless(head="HTTP/1.1 200 OK\r\n", piece=b"X-Long: " + b"y" * 8000 + b"\r\n")

    def manifest_one_header(self, image, what):
        self.endless(head="HTTP/1.1 200 OK\r\nX-Long: ", piece=b"y" * 65536)

    def manifest_duplicate_length(self, image, what):
        self.record(200)
        self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: {image.manifest_type}\r\nContent-Length: 10\r\nContent-Length: {len(image.manifest)}\r\n\r\n".encode() + image.manifest)
        self.close_connection = True

    def manifest_no_http(self, image, what):
        self.record(0)
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.close_connection = True

    def manifest_terminal(self, image, what):
        self.answer(404, b'{"errors":[{"code":"X","message":"\\u001b[31mred\\u0007\\r\\nnew line"}]}', "application/json")

    def manifest_endless_error(self, image, what):
        self.endless(b'{"errors":[{"code":"X","message":"', "HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")

    def manifest_redirect_loop(self, image, what):
        self.redirect(self.path)

    def manifest_redirect_pair(self, image, what):
        self.redirect(self.path.split("?")[0] + ("" if "?" in self.path else "?again"))

    def manifest_redirect_chain(self, image, what):
        self.redirect(self.path.split("?")[0] + f"?{time.monotonic_ns()}")

    def manifest_redirect_file(self, image, what):
        self.redirect("file:///etc/passwd")

    def manifest_redirect_nowhere(self, image, what):
        self.answer(307)

    def manifest_busy_for_ever(self, image, what):
        self.answer(429, headers=[("Retry-After", "1000000")])

    def manifest_good_busy(self, image, what):
        """Patience of one second is asked for; who comes too early is told of in the log."""
        with self.lock:
            known = self.seen.setdefault("busy", time.monotonic())
        waited = time.monotonic() - known
        if waited < 1:
            return self.answer(429, headers=[("Retry-After", "1")], early=waited > 0.0 and not self.first("busy-once"))
        return True

    def manifest_good_tired(self, image, what):
        return self.answer(503) if self.first("tired", 2) else True

    def manifest_no_challenge(self, image, what):
        self.answer(401)

    def challenge(self, *values):
        self.answer(401, b"{}", "application/json", [("WWW-Authenticate", value) for value in values])

    def manifest_challenge_elsewhere(self, image, what):
        """The token is to be asked for at somebody else's (CVE-2020-15157, CVE-2026-65388)."""
        self.challenge(f'Bearer realm="http://elsewhere.test/token/good",service="the-registry",scope="repository:x:pull"')

    def manifest_challenge_file(self, image, what):
        self.challenge('Bearer realm="file:///etc/passwd",service="x"')

    def manifest_challenge_garbage(self, image, what):
        self.challenge('Bearer realm="http://' + "a" * 7000, "Digest " + "x" * 7000)

    def manifest_challenge_many(self, image, what):
        self.challenge(*["Negotiate"] * 90)

    def manifest_token(self, image, what):
        pass

    def with_token(self, kind):
        if self.headers.get("Authorization", "").startswith("Bearer "):
            return True
        return self.challenge(f'Bearer realm="http://{self.server.registry}/token/{kind}",service="the-registry"')

    manifest_token_endless = lambda self, image, what: self.with_token("endless")
    manifest_token_json = lambda self, image, what: self.with_token("json")
    manifest_token_missing = lambda self, image, what: self.with_token("missing")
    manifest_token_newline = lambda self, image, what: self.with_token("newline")
    manifest_token_redirect = lambda self, image, what: self.with_token("redirect")

    def manifest_token_refused(self, image, what):
        """A token is given, and never believed."""
        return self.challenge(f'Bearer realm="http://{self.server.registry}/token/good",service="the-registry"')

    def manifest_basic_redirect(self, image, what):
        """Wants a password, and then sends whoever has one elsewhere."""
        if "Authorization" not in self.headers:
            return self.challenge('Basic realm="here"')
        return self.redirect(f"http://{self.server.other}/v2/good-index/manifests/{what}")

    def token(self, kind):
        if kind == "endless":
            return self.endless(b'{"token":"')
        if kind == "redirect":
            return self.redirect(f"http://{self.server.other}/token/good")
        documents = {"json": b"{", "missing": b"{}", "newline": json.dumps({"token": "x\r\nX-Injected: y"}).encode()}
        return self.answer(200, documents.get(kind, b'{"token":"a-token"}'), "application/json")

    # ---- layers that are answered wrongly

    def layer_other_bytes(self, data):
        self.give(data[:100] + bytes([data[100] ^ 1]) + data[101:])

    def layer_longer(self, data):
        self.answer(200, data + b"more")

    def layer_shorter(self, data):
        self.answer(200, data[:-1000])

    def layer_empty(self, data):
        self.answer(200)

    def layer_no_content(self, data):
        self.answer(204)

    def layer_endless_layer(self, data):
        self.endless(data)

    def layer_always_cut(self, data):
        self.cut(data, 0)

    def layer_good_cut(self, data):
        """Breaks three times, each time a little later."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        if not self.first("cut", 3):
            return True
        rest = data[start:]
        ranged = [("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")]
        return self.cut(rest, 40000, status=206 if asked else 200, headers=ranged if asked else ())

    def ranged(self, data, key, answer):
        """Breaks once; answer() is what the client gets for the range that it asks for then."""
        if self.first(key):
            return self.cut(data, 50000)
        return answer()

    def layer_good_no_ranges(self, data):
        return self.ranged(data, "no-ranges", lambda: self.answer(200, data))

    def layer_range_elsewhere(self, data):
        """The range is another one than was asked for."""
        elsewhere = lambda: self.answer(206, data[60000:], headers=[("Content-Range", f"bytes 60000-{len(data) - 1}/{len(data)}")])
        return self.ranged(data, "elsewhere" if "Range" in self.headers else time.monotonic(), elsewhere)

    def layer_range_other_bytes(self, data):
        if "Range" not in self.headers:
            return self.cut(data, 50000)
        start = int(self.headers["Range"][6:-1])
        return self.answer(206, bytes(len(data) - start), headers=[("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")])

    def layer_unasked_range(self, data):
        self.answer(206, data[1000:], headers=[("Content-Range", f"bytes 1000-{len(data) - 1}/{len(data)}")])

    def layer_encoded(self, data):
        self.answer(200, gzip.compress(data), headers=[("Content-Encoding", "gzip")])

    def layer_good_tired_layer(self, data):
        return self.answer(500) if self.first("tired-layer", 2) else True

    def layer_always_tired(self, data):
        self.answer(500)

    def layer_slow(self, data):
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n"
        self.endless(head=head, piece=data[:1], pause=1)

    def layer_redirect_file_layer(self, data):
        self.redirect("file:///etc/passwd")

    def layer_redirect_loop_layer(self, data):
        self.redirect(self.path)

    def layer_redirect_scheme(self, data):
        self.redirect(f"gopher://{self.server.other}/1x")

    def layer_redirect_lies(self, data):
        self.redirect(f"http://{self.server.other}/v2/other-bytes/blobs/x", 302)

    def layer_good_redirect(self, data):
        """A password is wanted here; the blob lies elsewhere, where it must not arrive."""
        if self.server.who == "other":
            return True
        return self.redirect(f"http://{self.server.other}{self.path}")

    def manifest_good_redirect(self, image, what):
        if "Authorization" not in self.headers:
            return self.challenge('Basic realm="here"')
        return True

    # ---- pushes

    def take(self, case, kind, what, body):
        if case == "push-elsewhere":
            if "Authorization" not in self.headers and self.server.who == "registry":
                return self.challenge('Basic realm="here"')
            return self.answer(202, headers=[("Location", f"http://{self.server.other}/v2/push-elsewhere/blobs/uploads/1"), ("Range", "0-0")])
        if case == "push-file":
            return self.answer(202, headers=[("Location", "file:///tmp/coracle-escape")])
        if case == "push-nowhere":
            return self.answer(202)
        if case == "push-never" and self.command != "POST":
            return self.answer(416, headers=[("Location", f"/v2/{case}/blobs/uploads/1"), ("Range", "0-0")])
        if self.command == "POST":
            return self.answer(202, headers=[("Location", f"/v2/{case}/blobs/uploads/1"), ("Range", "0-0")])
        if self.command == "PATCH":
            return self.answer(202, headers=[("Location", f"/v2/{case}/blobs/uploads/1"), ("Range", "0-1" if case == "push-range-lies" else f"0-{len(body) - 1}")])
        digest = "sha256:" + "0" * 64 if case == "push-digest-lies" else hostile_images.digest(body)
        return self.answer(201, headers=[("Location", f"/v2/{case}/{kind}/{digest}"), ("Docker-Content-Digest", digest)])


def main():
    servers = [logged_server.Server(sys.argv[1], Handler, address) for address in ("127.0.0.1", "127.0.0.2")]
    for server, who in zip(servers, ("registry", "other")):
        server.who = who
        server.registry, server.other = (s.place for s in servers)
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    print(f"other on {servers[0].other}")
    servers[0].serve()


main()
