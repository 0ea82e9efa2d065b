"""The shared tables of cases: what our engines and the libraries of others say about each.

Ours has to agree with the table everywhere. A library may differ where the table says so, with the
RFC passage that decides it; a difference that is not listed, or one that is listed and is none any
more, is a failure.
"""

import json
import subprocess
from collections import Counter
from pathlib import Path

import filter_parser

HERE = Path(__file__).parent
OURS = "muster"


def compare(engines, libraries):
    """For each engine its counts and what is wrong, as texts."""
    filters, patches = read("filters"), read("patches")
    foreign = json.loads(output(["node", HERE / "libraries.mjs", libraries, HERE]))
    said = {
        f"{OURS} filters": (filters, ours(engines, "filters")),
        "scim2-parse-filter": (filters, foreign["scim2-parse-filter"]),
        "scim2-filter-parser": (filters, filter_parser.answers(filters)),
        f"{OURS} patches": (patches, ours(engines, "patches")),
        "scim-patch": (patches, foreign["scim-patch"]),
    }
    return {name: judge(name, table, answers) for name, (table, answers) in said.items()}


def read(name):
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def ours(engines, name):
    with open(HERE / f"{name}.json", encoding="utf-8") as table:
        return [one["says"] for one in json.loads(output([engines, name], stdin=table))]


def output(arguments, **options):
    return subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True, **options).stdout


def judge(name, table, answers):
    counts, wrong = Counter(), []
    assert len(answers) == len(table["cases"]), f"{name} has not answered every case"
    for case, answer in zip(table["cases"], answers):
        about = case.get("name") or case["filter"]
        keyword = name.startswith(OURS)
        expected, said = comparable(case, keyword), comparable(answer, keyword)
        listed = case.get("differs", {}).get(name)
        if listed and not reasons(listed, table):
            wrong.append(f"{about}: the table has no reason {listed['why']}")
        elif said == expected and listed:
            wrong.append(f"{about}: {name} agrees now, take it off the table's differences")
        elif said == expected:
            counts["agreed"] += 1
        elif listed and said == normal(listed["says"]):
            counts["differs"] += 1
        else:
            wrong.append(f"{about}: {name} says {json.dumps(answer)}, expected {json.dumps(wanted(case))}")
    counts["failed"] = len(wrong)
    return counts, wrong


def wanted(case):
    return {name: case[name] for name in ("matches", "after", "error") if name in case}


def reasons(listed, table):
    names = [listed["why"]] if isinstance(listed["why"], str) else listed["why"]
    return names and all(table["reasons"].get(name) for name in names)


def comparable(answer, keyword):
    """What is compared. Only our engines know the keywords of Table 9; others just refuse."""
    if "error" in answer:
        return answer["error"] if keyword else "error"
    if "matches" in answer:
        return normal(answer["matches"])
    return normal(answer["after"])


def normal(value):
    """The same for what means the same: nothing empty, no `primary: false`, lists in one order.

    RFC 7643 §2.5 for what is empty, §2.4 for `primary`; the order of values says nothing.
    """
    return value if isinstance(value, str) else stripped(value) or {}


def stripped(value):
    if isinstance(value, dict):
        members = ((name, stripped(inner)) for name, inner in value.items())
        says = lambda name, inner: inner is not None and (name, inner) != ("primary", False)
        return {name: inner for name, inner in members if says(name, inner)} or None
    if isinstance(value, list):
        items = [item for item in map(stripped, value) if item is not None]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) or None
    return value
