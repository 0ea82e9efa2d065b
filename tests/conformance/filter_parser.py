"""What scim2-filter-parser says about the shared table of filters.

The library makes SQL of a filter, by a map from attributes to columns that its user writes. This is
such a user: every attribute of the documents is a column, those with several values stand in
tables of their own, and texts are compared in SQLite as their `caseExact` says.
"""

import sqlite3

from scim2_filter_parser.queries.sql import SQLiteQuery

CORE = {
    "User": "urn:ietf:params:scim:schemas:core:2.0:User",
    "Group": "urn:ietf:params:scim:schemas:core:2.0:Group",
}

# What of the table's documents is caseExact: RFC 7643 §3.1, §2.3.6 for binaries; URIs by §2.3.7.
CASE_EXACT = {"id", "externalId", "x509Certificates.value", "schemas.value"}


def answers(table):
    """One answer for each case, in the table's order."""
    return [answer(table["documents"], case) for case in table["cases"]]


def answer(documents, case):
    kind = case.get("of", "User")
    rows = Rows([one for one in documents if one["meta"]["resourceType"] == kind], CORE[kind])
    try:
        query = SQLiteQuery(case["filter"], "resources", rows.attributes, rows.joins)
        found = rows.database.execute(query.sql, query.params).fetchall()
    # Whatever the library or SQLite makes of a filter that it cannot read is a refusal.
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"matches": [row["id"] for row in found]}


class Attributes(dict):
    """A map from attributes to columns that takes names in any case (RFC 7644 §3.4.2.2)."""

    def __init__(self):
        super().__init__()
        self.folded = {}

    def __setitem__(self, path, column):
        self.folded[fold(path)] = column

    def get(self, path, default=None):
        return self.folded.get(fold(path), default)


def fold(path):
    return tuple(part.lower() if isinstance(part, str) else part for part in path)


class Rows:
    """Documents as rows: one table for the resources, one for each attribute with several values."""

    def __init__(self, documents, core):
        self.core = core
        self.attributes = Attributes()
        self.tables = {"resources": {}}
        self.rows = {"resources": []}
        # Of the schema, though no document has it.
        self.column({}, "resources", ("name", "middleName", None), "name.middleName", None)
        for document in documents:
            self.add(document)
        self.joins = tuple(
            f'LEFT JOIN "{name}" ON "{name}".owner = resources.id'
            for name in self.tables
            if name != "resources"
        )
        self.database = sqlite3.connect(":memory:")
        self.database.row_factory = sqlite3.Row
        for name, columns in self.tables.items():
            self.fill(name, columns)

    def add(self, document):
        row = {}
        for name, value in document.items():
            if isinstance(value, dict) and ":" in name:
                for sub, inner in value.items():
                    self.attribute(row, document["id"], sub, inner, name)
            else:
                self.attribute(row, document["id"], name, value, None)
        self.rows["resources"].append(row)

    def attribute(self, row, owner, name, value, urn):
        if isinstance(value, list):
            for element in value:
                element = element if isinstance(element, dict) else {"value": element}
                self.element(owner, name, element)
        elif isinstance(value, dict):
            for sub, inner in value.items():
                self.column(row, "resources", (name, sub, urn), f"{name}.{sub}", inner)
        else:
            self.column(row, "resources", (name, None, urn), name, value)

    def element(self, owner, name, element):
        self.tables.setdefault(name, {"owner": ""})
        row = {"owner": owner}
        for sub, value in element.items():
            self.column(row, name, (name, sub, None), sub, value)
            if sub == "value":
                self.attributes[(name, None, None)] = f'"{name}"."value"'
                self.attributes[(name, None, self.core)] = f'"{name}"."value"'
        self.rows.setdefault(name, []).append(row)

    def column(self, row, table, path, name, value):
        """Sets a value and maps its attribute, by its short name and by its full one."""
        exact = (name if table == "resources" else f"{table}.{name}") in CASE_EXACT
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        kind = "NUMERIC" if number else "TEXT" if exact else "TEXT COLLATE NOCASE"
        self.tables[table].setdefault(name, kind)
        row[name] = str(value).upper() if isinstance(value, bool) else value
        column = f'"{table}"."{name}"'
        self.attributes[path] = column
        if path[2] is None:
            self.attributes[(path[0], path[1], self.core)] = column

    def fill(self, table, columns):
        declared = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        self.database.execute(f'CREATE TABLE "{table}" ({declared})')
        places = ", ".join("?" for _ in columns)
        for row in self.rows.get(table, []):
            values = [row.get(name) for name in columns]
            self.database.execute(f'INSERT INTO "{table}" VALUES ({places})', values)
