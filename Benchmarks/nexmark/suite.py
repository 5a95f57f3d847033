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
    """One query: what it defines first, its sink, and its SELECT. Of the suite, or of another script of that form."""

    def __init__(self, name, text=None):
        self.name = name
        parts = statements(read(name) if text is None else text)
        insert = parts.pop()
        found = re.match(r"INSERT\s+INTO\s+(\w+)\s+(SELECT\b.*)", insert, re.IGNORECASE | re.DOTALL)
        if found is None:
            raise ValueError(f"{name} does not end with INSERT INTO ... SELECT")
        self.sink, self.select = found.groups()
        definition = None
        #: Statements that come before: functions, views, side inputs.
        self.prelude = []
        for part in parts:
            plain = re.sub(r"PARTITIONED\s+BY\s*\([^)]*\)", "", part, flags=re.IGNORECASE)
            match = re.match(r"CREATE\s+(?:TEMPORARY\s+)?TABLE\s+(\w+)\s*\((.*)\)\s*WITH\s*\(", plain, re.IGNORECASE | re.DOTALL)
            if match and match.group(1) == self.sink:
                definition = part
                self.columns = match.group(2).strip()
            else:
                self.prelude.append(part)
        if definition is None:
            raise ValueError(f"{name} does not define {self.sink}")
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


def fields(kind):
    """(name, type) of the fields of person, auction or bid."""
    found = re.search(rf"\b{kind}\s+ROW\s*<(.*?)>", event_columns(), re.DOTALL)
    if found is None:
        raise ValueError(f"ddl_gen.sql has no column {kind} ROW<...>")
    return [tuple(part.replace("`", "").split(None, 1)) for part in re.split(r",\s*(?![^(]*\))", found.group(1).strip())]


def load_duckdb(connection, path):
    """The events of a JSON file as DuckDB's tables person, auction and bid; `n` is an event's place in the file."""
    types = {"TIMESTAMP(3)": "TIMESTAMP"}
    kinds = ("person", "auction", "bid")
    shapes = {kind: ", ".join(f"{name} {types.get(type_, type_)}" for name, type_ in fields(kind)) for kind in kinds}
    columns = ", ".join(["event_type: 'INTEGER'", *(f"{kind}: 'STRUCT({shapes[kind]})'" for kind in kinds)])
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE events AS SELECT *, row_number() OVER () AS n "
        f"FROM read_json('{path}', format = 'newline_delimited', columns = {{{columns}}})"
    )
    for number, kind in enumerate(kinds):
        connection.execute(f"CREATE OR REPLACE TABLE {kind} AS SELECT {kind}.*, n FROM events WHERE event_type = {number} ORDER BY n")
    connection.execute("DROP TABLE events")


def duckdb_select(name):
    """DuckDB's form of a query; None where it has none."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "duckdb", f"{name}.sql")
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return file.read().strip()


def copy_to_file(table, path):
    """Statements that write the events of a table as JSON lines, in the shape that is read back."""
    columns = re.split(r",\s*`?dateTime`?\s+AS\b", event_columns())[0]
    sink = f"CREATE TABLE copied (\n    {columns}\n){options({'connector': 'file', 'path': path, 'format': 'json'})}"
    return f"{sink};\nINSERT INTO copied SELECT event_type, person, auction, bid FROM {table}"
