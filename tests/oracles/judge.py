"""What the oracles share: a server that takes webhooks, the sandbox's control, and the count at the end."""

import json
import queue
import sys
import threading
import traceback
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WAIT_SECONDS = 10


class Hooks(BaseHTTPRequestHandler):
    """Keeps a webhook as (path, headers, body); refuses those that the receiver is told to."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.hooks.put((self.path, dict(self.headers), body))
        refused = self.server.refusals > 0 and self.server.refused in body
        self.server.refusals -= refused
        self.send_response(503 if refused else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Receiver(ThreadingHTTPServer):
    """Takes webhooks."""

    def __init__(self, handler=Hooks):
        super().__init__(("127.0.0.1", 0), handler)
        self.hooks = queue.Queue()
        self.refusals, self.refused = 0, ""
        self.base = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def refuse(self, count, kind):
        """Refuses the next ones of a kind; news of an earlier test may still come in between."""
        self.refusals, self.refused = count, kind

    def next(self):
        return self.hooks.get(timeout=WAIT_SECONDS)


def control(base, path, body):
    """Makes something happen in the sandbox; the answer's status."""
    request = urllib.request.Request(
        f"{base}/_sandbox/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        return response.status


def run(oracle_of, usage):
    """Makes the oracle from the arguments, runs its TESTS, and ends the program."""
    if len(sys.argv) != 1 + len(usage.split()[1:]):
        sys.exit(f"usage: {usage}")
    oracle = oracle_of(*sys.argv[1:])
    failed = 0
    for test in oracle.TESTS:
        try:
            test(oracle)
        except Exception:
            failed += 1
            print(f"FAILED {test.__name__}")
            traceback.print_exc(limit=-2, chain=False, file=sys.stdout)
    print(f"{len(oracle.TESTS) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
