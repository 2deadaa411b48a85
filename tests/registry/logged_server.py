# SPDX-License-Identifier: Apache-2.0
"""What the HTTP servers of these tests share: a log of requests in FOLDER/log.jsonl, an address that the kernel chooses and standard output tells, TLS if wanted."""
import http.server
import json
import ssl
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def record(self, **more):
        """A line of the log: method, path, headers and what else is known."""
        entry = {"method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, **more}
        with self.lock, open(f"{self.server.folder}/log.jsonl", "a") as file:
            file.write(json.dumps(entry) + "\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder, handler, address="127.0.0.1", tls=None):
        """tls: files of a certificate and its key."""
        super().__init__((address, 0), handler)
        self.folder, self.place = folder, f"{address}:{self.server_address[1]}"
        open(f"{folder}/log.jsonl", "w").close()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_):
        pass

    def serve(self):
        """Until it is killed."""
        print(f"listening on {self.place}", flush=True)
        self.serve_forever()
