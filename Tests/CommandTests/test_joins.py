"""Joins, subqueries and changelogs through the command, from files to files."""

import json

from support import CommandTest

BIDS = [{"id": i, "k": "abc"[i % 3], "v": i * 7 % 20} for i in range(30)]
NAMES = [{"k": "a", "name": "Ann"}, {"k": "b", "name": "Bob"}, {"k": "d", "name": "Dan"}]
CHANGES = [
    {"k": "a", "v": 1, "op": "+I"}, {"k": "b", "v": 2, "op": "+I"}, {"k": "a", "v": 1, "op": "-U"}, {"k": "a", "v": 5, "op": "+U"},
    {"k": "b", "v": 2, "op": "-D"}, {"k": "c", "v": 9, "op": "+I"},
]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def folded(rows):
    """What is left when every change has been made."""
    left = []
    for row in rows:
        row = dict(row)
        op = row.pop("op", "+I")
        if op in ("+I", "+U"):
            left.append(row)
        else:
            left.remove(row)
    return sorted(left, key=json.dumps)


class JoinTests(CommandTest):
    def setUp(self):
        super().setUp()
        self.write("bids.json", lines(BIDS))
        self.write("names.json", lines(NAMES))
        self.write("changes.json", lines(CHANGES))
        self.tables = f"""
            CREATE TABLE bids (id BIGINT, k VARCHAR, v BIGINT) WITH (connector = 'file', path = '{self.path("bids.json")}', format = 'json');
            CREATE TABLE names (k VARCHAR, name VARCHAR) WITH (connector = 'file', path = '{self.path("names.json")}', format = 'json');
            CREATE TABLE changes (k VARCHAR, v BIGINT)
            WITH (connector = 'file', path = '{self.path("changes.json")}', format = 'json', changelog = 'op');
        """

    def into_file(self, columns, query, **options):
        self.run_sql(
            self.tables
            + f"CREATE TABLE out ({columns}) WITH (connector = 'file', path = '{self.path('out.json')}', format = 'json');"
            + f"INSERT INTO out {query};",
            **options,
        )
        return folded(self.read_json_lines("out.json"))

    def test_a_left_join_ends_with_the_rows_of_a_batch(self):
        found = self.into_file("id BIGINT, name VARCHAR", "SELECT b.id, n.name FROM bids b LEFT JOIN names n ON b.k = n.k")
        names = {row["k"]: row["name"] for row in NAMES}
        expected = [{"id": row["id"], "name": names.get(row["k"])} for row in BIDS]
        self.assertEqual(found, sorted(expected, key=json.dumps))

    def test_a_plain_select_joins_what_is_there(self):
        rows = self.rows(self.tables + "SELECT n.name, count(*) AS n FROM bids b JOIN names n USING (k) GROUP BY n.name ORDER BY 1;")
        self.assertEqual(rows, [{"name": "Ann", "n": 10}, {"name": "Bob", "n": 10}])

    def test_subqueries(self):
        found = self.into_file("id BIGINT", "SELECT id FROM bids b WHERE k NOT IN (SELECT k FROM names) AND v > (SELECT avg(v) FROM bids)")
        mean = sum(row["v"] for row in BIDS) / len(BIDS)
        expected = [{"id": row["id"]} for row in BIDS if row["k"] == "c" and row["v"] > mean]
        self.assertEqual(found, sorted(expected, key=json.dumps))

    def test_a_changelog_is_read(self):
        found = self.into_file("k VARCHAR, total BIGINT", "SELECT n.name, c.v FROM changes c LEFT JOIN names n ON c.k = n.k")
        self.assertEqual(found, [{"k": "Ann", "total": 5}, {"k": None, "total": 9}])

    def test_set_operations(self):
        found = self.into_file("k VARCHAR", "SELECT k FROM bids EXCEPT SELECT k FROM names")
        self.assertEqual(found, [{"k": "c"}])

    def test_an_append_only_target_refuses_updates(self):
        done = self.run_sql(
            self.tables + "CREATE TABLE out (k VARCHAR, n BIGINT) WITH (connector = 'file', path = 'x.json', format = 'json', changelog = 'append');"
            "INSERT INTO out SELECT k, count(*) FROM bids GROUP BY k;",
            expect=None,
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("takes no updates", done.stderr)

    def test_a_late_row_of_a_chain_joins(self):
        """As written nothing in the chain is bounded, so nothing is ever late. The rule `join order` would bound one of the joins."""
        rows = [
            {"id": 1, "k": "a", "v": 7, "ts": "2026-01-01T00:00:01"}, {"id": 2, "k": "b", "v": 7, "ts": "2026-01-01T00:01:00"},
            {"id": 3, "k": "a", "v": 8, "ts": "2026-01-01T00:00:02"},
        ]
        self.write("events.json", lines(rows))
        wanted = [
            {"a": a["id"], "b": b["id"], "c": c["id"]}
            for a in rows for b in rows for c in rows
            if a["v"] == b["v"] and a["k"] == c["k"] and a["ts"] <= c["ts"] <= a["ts"][:-2] + f"{int(a['ts'][-2:]) + 3:02}"
        ]
        script = f"""
            CREATE TABLE e (id BIGINT, k VARCHAR, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
            WITH (connector = 'file', path = '{self.path("events.json")}', format = 'json');
            CREATE TABLE out (a BIGINT, b BIGINT, c BIGINT) WITH (connector = 'file', path = '{self.path("out.json")}', format = 'json');
            INSERT INTO out SELECT a.id, b.id, c.id FROM e a JOIN e b ON a.v = b.v
            JOIN e c ON a.k = c.k AND c.ts BETWEEN a.ts AND a.ts + INTERVAL '3' SECOND;
        """
        one_by_one = "SET epoch_rows = 1; SET batch_rows = 1;"
        done = self.run_sql(one_by_one + script)
        self.assertEqual(sorted(self.read_json_lines("out.json"), key=json.dumps), sorted(wanted, key=json.dumps))
        self.assertIn("SET optimizer_on = 'join order'", done.stderr)
        self.run_sql(one_by_one + "SET optimizer = off;" + script)
        self.assertEqual(sorted(self.read_json_lines("out.json"), key=json.dumps), sorted(wanted, key=json.dumps))
