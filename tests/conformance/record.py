"""What another implementation of signed notes and Merkle trees says about the record of a run.

The suites have left events in the workspace of every connector. Each is exported with a proof for
each event, and record.mjs checks the lot with a library that npm itself trusts.
"""

import json
import subprocess
from collections import Counter
from pathlib import Path

import server

HERE = Path(__file__).parent
LIBRARY = "@sigstore/verify"


def check(url, workspaces, libraries):
    """Counts and what is wrong, as texts."""
    counts, wrong = Counter(agreed=0, differs=0), []
    for workspace in workspaces:
        export = server.text(url, f"/workspaces/{workspace}/export?proofs=true")
        keys = json.loads(server.text(url, f"/workspaces/{workspace}/keys"))["items"]
        asked = json.dumps({"export": export, "keys": [one["key"] for one in keys]})
        said = subprocess.run(
            ["node", HERE / "record.mjs", libraries], input=asked, stdout=subprocess.PIPE, text=True, check=True
        )
        said = json.loads(said.stdout)
        wrong += [f"{workspace}: {text}" for text in said["wrong"]]
        counts["agreed"] += said["events"] - len(said["wrong"])
    counts["failed"] = len(wrong)
    return counts, wrong
