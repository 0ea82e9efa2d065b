"""A Muster server for one run: started on a free port with a data directory of its own, and ended."""

import contextlib
import json
import os
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass

# Any will do; it opens a server that lives for one run and listens on loopback only.
ADMIN_TOKEN = "conformance-0123456789-abcdef"

# A signing certificate of nobody, which SAML wants before SCIM can be switched on.
CERTIFICATE = (
    "MIIBjTCCATOgAwIBAgIUX3aZmdXiS6caM8TQ8iK5vTUOSG4wCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQZGVtby5pZHAuZXhhbXBsZTAgFw0y"
    "NjExMjUxOTM4NDhaGA8yMTI2MTEwMTE5Mzg0OFowGzEZMBcGA1UEAwwQZGVtby5pZHAuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEH"
    "A0IABIcDIkQlFvRbQl+lVoDCHeEx5tjEgYs8EoPYwmYJw1gST6y1BYpPBzUcmu2DzmQAZW+7fk3QdbPSeESfYagLgqGjUzBRMB0GA1UdDgQW"
    "BBRabdrNuSd3bfy9Vjn/PyEZnBkh2DAfBgNVHSMEGDAWgBRabdrNuSd3bfy9Vjn/PyEZnBkh2DAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49"
    "BAMCA0gAMEUCIAlWiBmIDVL+Spz8me4YFdXm/p0egEg4kX9bF/nlr7HkAiEA36AEd/l0XLYg3Bnrbpr5Yt4a/9Yn90ozT7cniwEgh/s="
)

# Long enough for a server that finishes its requests, far shorter than a person's patience.
STOP_SECONDS_MAX = 15


@dataclass(frozen=True)
class Connector:
    """Where and how a suite reaches one connector."""

    idp: str
    base_url: str
    token: str


@contextlib.contextmanager
def serve(binary, log):
    """Runs `muster serve` while the block runs; gives its address. `log` takes its standard error."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as data, open(log, "wb") as errors:
        process = subprocess.Popen(
            [binary, "serve", "--data-dir", data, "--listen", "127.0.0.1:0"],
            env={**os.environ, "MUSTER_ADMIN_TOKEN": ADMIN_TOKEN},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield address(process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def address(process, log):
    for line in process.stdout:
        if line.startswith("listening on "):
            return line.removeprefix("listening on ").strip()
    raise RuntimeError(f"the server ended before it listened; see {log}")


def connect(url, idp):
    """Makes a workspace that is named after the IdP kind, with one connector of that kind."""
    call(url, "POST", "/workspaces", {"slug": idp, "name": idp})
    portal = f"/workspaces/{idp}/portals/dashboard"
    saml = {"entity_id": "https://idp.example", "sso_url": "https://idp.example/sso", "certificate": CERTIFICATE}
    call(url, "PUT", f"{portal}/saml", saml)
    enabled = call(url, "POST", f"{portal}/scim", {"idp": idp})
    rule = {"on_create": "create", "on_deactivate": "remove_user", "brake": "off"}
    call(url, "PUT", f"/workspaces/{idp}/connectors/{enabled['connector']}/provisioning", rule)
    return Connector(idp, enabled["base_url"], enabled["token"])


def call(url, method, path, body):
    return json.loads(text(url, path, method, json.dumps(body).encode()))


def text(url, path, method="GET", data=None):
    request = urllib.request.Request(
        f"{url}/api/v1{path}",
        data=data,
        method=method,
        headers={"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"},
    )
    # Not through a proxy that the environment may name: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as response:
        return response.read().decode()
