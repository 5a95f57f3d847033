"""The Nexmark suite of this folder as data: the definition of the event stream, the three views over it, and the queries, each with its sink.

Tests, benchmark and comparison all take the texts from here, and change nothing in them but where rows come from and go to. NEXMARK_QUERIES
names another folder with the same file names, for example the authors' own checkout, to run theirs instead.
"""

import os
import re

FOLDER = os.environ.get("NEXMARK_QUERIES", os.path.dirname(os.path.abspath(__file__)))

#: In the suite's order.
NAMES = [f"q{number}" for number in range(24)]

#: The variables of the files, with the suite's own values for those that have one.
VARIABLES = {
    "TPS": "10000",
    "EVENTS_NUM": "100000",
    "PERSON_PROPORTION": "1",
    "AUCTION_PROPORTION": "3",
    "BID_PROPORTION": "46",
    "NEXMARK_TABLE": "datagen",
}


def read(name):
    """The text of a file, without comments."""
    with open(os.path.join(FOLDER, f"{name}.sql")) as file:
        return "".join(line for line in file if not line.lstrip().startswith("--"))


def statements(text):
    """The statements of a script; a semicolon within quotes ends none."""
    parts = re.findall(r"(?:'(?:[^']|'')*'|`[^`]*`|\"[^\"]*\"|[^;])+", text)
    return [part.strip() for part in parts if part.strip()]


def options(values):
    """A WITH clause; nothing for no options."""
    if not values:
        return ""
    return " WITH (" + ", ".join(f"'{key}' = '{value}'" for key, value in values.items()) + ")"


class Query:
    """One query of the suite: what it defines first, its sink, and its SELECT."""

    def __init__(self, name):
        self.name = name
        parts = statements(read(name))
        insert = parts.pop()
        found = re.match(r"INSERT\s+INTO\s+(\w+)\s+(SELECT\b.*)", insert, re.IGNORECASE | re.DOTALL)
        if found is None:
            raise ValueError(f"{name}.sql does not end with INSERT INTO ... SELECT")
        self.sink, self.select = found.groups()
        definition = None
        #: Statements that come before: functions, views, side inputs.
        self.prelude = []
        for part in parts:
            match = re.match(r"CREATE\s+TABLE\s+(\w+)\s*\((.*)\)\s*(?:PARTITIONED\s+BY\s*\([^)]*\)\s*)?WITH\s*\(", part, re.IGNORECASE | re.DOTALL)
            if match and match.group(1) == self.sink:
                definition = part
                self.columns = match.group(2).strip()
            else:
                self.prelude.append(part)
        if definition is None:
            raise ValueError(f"{name}.sql does not define {self.sink}")
        #: The sink as published.
        self.definition = definition

    def sink_definition(self, values, kind="TABLE"):
        """The sink with other options."""
        return f"CREATE {kind} {self.sink} (\n    {self.columns}\n){options(values)}"

    @property
    def insert(self):
        return f"INSERT INTO {self.sink}\n{self.select}"


def event_columns():
    """Columns and watermark of the event stream."""
    found = re.match(r"\s*CREATE\s+TABLE\s+\w+\s*\((.*)\)\s*WITH\s*\(", read("ddl_gen"), re.IGNORECASE | re.DOTALL)
    if found is None:
        raise ValueError("ddl_gen.sql does not begin with CREATE TABLE ... WITH")
    return found.group(1).strip()


def events(name, values=None, kind="TABLE", clauses=""):
    """The event stream under another name and from elsewhere."""
    return f"CREATE {kind} {name} (\n    {event_columns()}\n){clauses}{options(values or {})}"


def views(table):
    """person, auction and bid over the event stream `table`."""
    return statements(read("ddl_views").replace("${NEXMARK_TABLE}", table))
