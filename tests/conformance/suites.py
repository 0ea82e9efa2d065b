"""The conformance suites of others, run against a connector, and our list of exceptions to them.

Nothing is passed over in silence: a result that is no plain success is a failure unless
exceptions.json lists exactly it, and an entry there that no longer applies is a failure too.
"""

import json
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SUITES = ("scim2-tester", "scim-sanity")

# What a suite runs at least. Fewer results are a suite that gave up, not one that passed.
RESULTS_MIN = {"scim2-tester": 120, "scim-sanity": 25}

# Far beyond the seconds that a suite takes.
SECONDS_MAX = 600


@dataclass(frozen=True)
class Result:
    """One result of a suite: its words for how it went, the test's name, what was said."""

    status: str
    test: str
    message: str

    @property
    def passed(self):
        # SUCCESS, COMPLIANT and ACCEPTABLE are scim2-tester's words for what the RFC allows.
        return self.status in ("success", "compliant", "acceptable", "pass")

    @property
    def skipped(self):
        return self.status in ("skipped", "skip")


def run(suite, connector, scripts, out):
    """Runs a suite; returns its results and keeps its output in `out`."""
    runner = {"scim2-tester": scim2_tester, "scim-sanity": scim_sanity}[suite]
    output, results = runner(connector, scripts)
    (out / f"{suite}-{connector.idp}.txt").write_text(output)
    if len(results) < RESULTS_MIN[suite]:
        said = f"{len(results)} results only:\n{output[-2000:]}"
        results.append(Result("error", "the suite itself", said))
    return results


def scim2_tester(connector, scripts):
    # By the environment, because other users of a machine can read command lines.
    environment = {"SCIM_CLI_HEADERS": f"Authorization: Bearer {connector.token}"}
    output = command([scripts / "scim", "--url", connector.base_url, "test", "--verbose"], environment)
    results = []
    for line in output.splitlines():
        # The rest of a result is indented or, where it quotes values, begins with a capital and a colon.
        if head := re.fullmatch(r"([A-Z]{2,}) (\w+)", line):
            results.append([head[1].lower(), head[2], []])
        elif results:
            results[-1][2].append(line.strip())
    return output, [Result(status, test, "\n".join(lines)) for status, test, lines in results]


def scim_sanity(connector, scripts):
    how = ["--strict", "--i-accept-side-effects", "--json-output"]
    probe = ["probe", connector.base_url, "--token", connector.token, *how]
    output = command([scripts / "scim-sanity", *probe], {})
    try:
        results = json.loads(output)["results"]
    except (ValueError, KeyError):
        return output, []
    return output, [Result(one["status"], one["name"], one.get("message", "")) for one in results]


def command(arguments, environment):
    """What a command prints. Its exit code says less than its results, which are all looked at."""
    done = subprocess.run(
        arguments,
        env={**os.environ, "NO_PROXY": "127.0.0.1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return done.stdout


def exceptions():
    """The list, each entry with the RFC passage that decides it; for all connectors or those it names.

    `says` is a regular expression over what the suite says.
    """
    listed = json.loads((Path(__file__).parent / "exceptions.json").read_text())
    for entry in listed:
        names = {"suite", "test", "status", "says", "why"}
        assert set(entry) - {"connectors"} in (names | {"count"}, names | {"at_most"}), entry
        assert entry["suite"] in SUITES and entry["says"] and entry["why"], entry
    return listed


def judge(suite, connector, results, listed):
    """Counts the results; returns the counts and what is wrong, as texts."""
    of_suite = (entry for entry in listed if entry["suite"] == suite)
    idp = connector.idp
    applicable = [entry for entry in of_suite if idp in entry.get("connectors", [idp])]
    # Suites choose some values at random: `at_most` is for what then need not occur.
    left = [entry.get("count") or entry["at_most"] for entry in applicable]
    counts, wrong = Counter(), []
    for result in results:
        if result.passed:
            counts["passed"] += 1
            continue
        fits = (at for at, entry in enumerate(applicable) if left[at] and is_listed(entry, result))
        at = next(fits, None)
        if at is None:
            wrong.append(f"{result.status}: {result.test}: {result.message}")
        else:
            left[at] -= 1
            counts["skipped" if result.skipped else "excepted"] += 1
    for entry, missing in zip(applicable, left):
        if missing and "count" in entry:
            what = f"{entry['test']}: {entry['says']}"
            wrong.append(f"exceptions.json lists what did not occur ({missing} times): {what}")
    counts["failed"] = len(wrong)
    return counts, wrong


def is_listed(entry, result):
    same = (entry["test"], entry["status"]) == (result.test, result.status)
    return same and re.search(entry["says"], result.message) is not None
