"""Runs the suites and the tables, prints one summary, and tells by its exit code whether all is well.

    run.py --binary MUSTER --engines ENGINES --libraries FOLDER --out FOLDER

`scripts/conformance` installs what this needs and calls it.
"""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

import record
import server
import suites
import tables
import webhooks

# Every kind of IdP: what a dialect takes beyond the RFC must not change what the RFC says.
CONNECTORS = ("strict", "generic", "entra", "okta", "onelogin")


def main():
    parser = argparse.ArgumentParser()
    for name in ("--binary", "--engines", "--libraries", "--out"):
        parser.add_argument(name, type=lambda path: Path(path).resolve(), required=True)
    arguments = parser.parse_args()
    report = {"versions": versions(arguments.libraries), "suites": [], "tables": []}
    run_suites(arguments, report["suites"], report["tables"])
    for name, (counts, wrong) in tables.compare(arguments.engines, arguments.libraries).items():
        report["tables"].append({"engine": name, "counts": counts, "wrong": wrong})
    (arguments.out / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    show(report)
    return 1 if any(row["wrong"] for row in [*report["suites"], *report["tables"]]) else 0


def run_suites(arguments, rows, tables):
    listed = suites.exceptions()
    with server.serve(arguments.binary, arguments.out / "server.log") as url:
        for idp in CONNECTORS:
            connector = server.connect(url, idp)
            for suite in suites.SUITES:
                results = suites.run(suite, connector, Path(sys.executable).parent, arguments.out)
                counts, wrong = suites.judge(suite, connector, results, listed)
                rows.append({"suite": suite, "connector": idp, "counts": counts, "wrong": wrong})
        counts, wrong = webhooks.run(url)
        rows.append({"suite": webhooks.SUITE, "connector": "-", "counts": counts, "wrong": wrong})
        counts, wrong = record.check(url, CONNECTORS, arguments.libraries)
        tables.append({"engine": record.LIBRARY, "counts": counts, "wrong": wrong})


def versions(libraries):
    python = ("scim2-cli", "scim2-tester", "scim-sanity", "scim2-filter-parser", "standardwebhooks")
    node = ("scim-patch", "scim2-parse-filter", record.LIBRARY)
    manifest = lambda name: libraries / "node_modules" / name / "package.json"
    packages = {name: json.loads(manifest(name).read_text())["version"] for name in node}
    return {name: version(name) for name in python} | packages


def show(report):
    for row in [*report["suites"], *report["tables"]]:
        for text in row["wrong"]:
            of = row.get("engine") or f"{row['suite']} {row['connector']}"
            print(f"{of}: {text}\n", file=sys.stderr)
    table(("suite", "connector"), ("passed", "excepted", "skipped", "failed"), report["suites"])
    table(("engine",), ("agreed", "differs", "failed"), report["tables"])


def table(names, counts, rows):
    lines = [(*names, *counts)]
    for row in rows:
        lines.append((*(row[name] for name in names), *(row["counts"][name] for name in counts)))
    print()
    for first, *others in lines:
        print(f"{first:<21}", *(f"{cell:<10}" for cell in others[:-1]), others[-1])


if __name__ == "__main__":
    sys.exit(main())
