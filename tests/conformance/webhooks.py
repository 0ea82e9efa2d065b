"""Messages of the webhook adapter, verified with the official library of Standard Webhooks."""

import base64
import contextlib
import http.server
import secrets
import threading

from standardwebhooks import Webhook

import server

SUITE = "standardwebhooks"
WORKSPACE = "webhooks"


def run(url):
    """Has a message sent that is signed with the receiver's secret, and one that is not."""
    server.call(url, "POST", "/workspaces", {"slug": WORKSPACE, "name": WORKSPACE})
    secret, other = make_secret(), make_secret()
    wrong = []
    with receiver(secret) as address:
        for sent_with, expected in ((secret, True), (other, False)):
            setting = {"kind": "webhook", "url": address, "secret": sent_with}
            service = f"/workspaces/{WORKSPACE}/mdm/services/default"
            server.call(url, "PUT", service, setting)
            tested = server.call(url, "POST", f"{service}/test", {})
            if tested["ok"] is not expected:
                wrong.append(f"a message that is to be verified ({expected}): {tested}")
    counts = {"passed": 2 - len(wrong), "excepted": 0, "skipped": 0, "failed": len(wrong)}
    return counts, wrong


def make_secret():
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@contextlib.contextmanager
def receiver(secret):
    """A receiver on a free port of loopback: 204 for what the library verifies, 401 for the rest."""
    webhook = Webhook(secret)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            try:
                webhook.verify(body, {name.lower(): value for name, value in self.headers.items()})
                status = 204
            except Exception:
                status = 401
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}/hook"
        finally:
            listening.shutdown()
            thread.join()
