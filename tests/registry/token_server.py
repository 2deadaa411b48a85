#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""token_server.py FOLDER CERT KEY [--tls CERT KEY]: gives the bearer tokens that a docker-registry believes (service "the-registry", issuer "the-issuer").

Anybody may pull from what does not begin with "private/"; alice, "wonder land" may do all. By GET (the token specification) and by POST (OAuth 2, with alice's refresh token
"alice-refreshes" or her password). FOLDER/log.jsonl gets method, path, headers, body and status of each request.
"""
import argparse
import base64
import json
import subprocess
import time
import urllib.parse

import logged_server

PASSWORD, REFRESH = "wonder land", "alice-refreshes"


def encode(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Handler(logged_server.Handler):
    def access(self, scopes, user):
        granted = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            actions = actions.split(",")
            if not user:
                actions = [] if name.startswith("private/") else [a for a in actions if a == "pull"]
            granted.append({"type": kind, "name": name, "actions": actions})
        return granted

    def token(self, scopes, user):
        now = int(time.time())
        head = encode({"typ": "JWT", "alg": "RS256", "x5c": [self.server.certificate]})
        claims = encode({"iss": "the-issuer", "sub": user, "aud": "the-registry", "exp": now + self.server.lifetime, "nbf": now - 60, "iat": now,
                         "jti": str(time.monotonic_ns()), "access": self.access(scopes, user)})
        signing = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.server.key], input=f"{head}.{claims}".encode(), capture_output=True, check=True)
        return f"{head}.{claims}.{encode(signing.stdout)}"

    def answer(self, status, document, body=""):
        self.record(body=body, status=status)
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refused(self, body=""):
        self.answer(401, {"details": "incorrect username or password"}, body)

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        user = ""
        if "Authorization" in self.headers:
            kind, _, value = self.headers["Authorization"].partition(" ")
            user, _, password = base64.b64decode(value).decode().partition(":")
            if kind != "Basic" or user != "alice" or password != PASSWORD:
                return self.refused()
        if query.get("service") != ["the-registry"]:
            return self.answer(400, {"details": "no such service"})
        scopes = [scope for value in query.get("scope", []) for scope in value.split(" ")]
        self.answer(200, {"token": self.token(scopes, user), "expires_in": self.server.lifetime})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = {name: values[0] for name, values in urllib.parse.parse_qs(body).items()}
        by_token = form.get("grant_type") == "refresh_token" and form.get("refresh_token") == REFRESH
        by_password = form.get("grant_type") == "password" and (form.get("username"), form.get("password")) == ("alice", PASSWORD)
        if not by_token and not by_password:
            return self.refused(body)
        self.answer(200, {"access_token": self.token(form.get("scope", "").split(), "alice"), "expires_in": self.server.lifetime}, body)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("certificate")
    parser.add_argument("key")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--lifetime", type=int, default=300, help="seconds that a token lives")
    options = parser.parse_args()
    server = logged_server.Server(options.folder, Handler, tls=options.tls)
    server.key, server.lifetime = options.key, options.lifetime
    with open(options.certificate) as file:
        server.certificate = "".join(line.strip() for line in file if not line.startswith("-"))
    server.serve()


main()
