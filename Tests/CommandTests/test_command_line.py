"""The command line as a contract: options, help, exit codes, what goes to which output."""

import json
import os
import resource
import signal
import time

from support import CommandTest


class HelpTests(CommandTest):
    def test_every_command_has_help(self):
        for command in ([], ["run"], ["put"], ["tail"], ["status"]):
            with self.subTest(command=command):
                done = self.millrace(*command, "--help")
                self.assertIn("Usage: millrace", done.stdout)
                self.assertIn("Exit codes", done.stdout)
                self.assertEqual(done.stderr, "")
                self.assertEqual(self.millrace("help", *command).stdout, done.stdout)

    def test_version(self):
        self.assertRegex(self.millrace("--version").stdout, r"^millrace \d+\.\d+\.\d+\n$")


class UsageTests(CommandTest):
    def refused(self, *arguments):
        done = self.millrace(*arguments, expect=2)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_unknown_command_names_the_nearest(self):
        self.assertIn("did you mean \"millrace run\"", self.refused("rum"))
        self.assertIn("millrace run x.sql", self.refused("x.sql"))

    def test_unknown_option_names_the_nearest(self):
        self.assertIn("did you mean --format?", self.refused("run", "--fromat", "json", "x.sql"))
        self.assertIn("did you mean --follow?", self.refused("tail", "s", "--folow"))

    def test_values(self):
        self.assertIn("table, json, csv", self.refused("run", "--format", "xml", "-"))
        self.assertIn("1 to 256", self.refused("run", "--workers", "0", "-"))
        self.assertIn("NAME=VALUE", self.refused("run", "--set", "x", "-"))
        self.assertIn("needs a value", self.refused("run", "--data"))
        self.assertIn("TRIM_HORIZON", self.refused("tail", "s", "--from", "yesterday"))
        self.assertIn("exclude", self.refused("tail", "s", "--follow", "--no-follow"))

    def test_missing_and_surplus_words(self):
        self.assertIn("missing", self.refused("put"))
        self.assertIn("unexpected \"b\"", self.refused("tail", "a", "b"))


class RunTests(CommandTest):
    def test_rows_in_every_format(self):
        sql = "SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, NULL;"
        self.assertEqual(
            self.run_sql(sql).stdout, " a | b \n---+---\n 1 | x\n 2 | \n(2 rows)\n"
        )
        self.assertEqual(self.run_sql(sql, "--format", "csv").stdout, "a,b\n1,x\n2,\n")
        rows = [json.loads(line) for line in self.run_sql(sql, "--format=json").stdout.splitlines()]
        self.assertEqual(rows, [{"a": 1, "b": "x"}, {"a": 2, "b": None}])

    def test_nothing_but_rows_on_standard_output(self):
        done = self.run_sql("CREATE STREAM s (a INT); INSERT INTO s VALUES (1), (2); DROP STREAM s;", "--verbose")
        self.assertEqual(done.stdout, "")
        self.assertIn("CREATE STREAM", done.stderr)
        self.assertIn("INSERT 0 2", done.stderr)

    def test_scripts_from_files_and_from_a_pipe(self):
        one = self.write("one.sql", "CREATE STREAM s (a INT); INSERT INTO s VALUES (7);")
        two = self.write("two.sql", "SELECT a FROM s;")
        self.assertEqual(self.millrace("run", one, two, "--format", "csv").stdout, "a\n7\n")
        self.assertEqual(self.millrace("run", one, "-", "--format", "csv", input="SELECT a + 1 AS a FROM s").stdout, "a\n8\n")
        self.assertEqual(self.millrace("run", "--format", "csv", input="SELECT 5 AS a").stdout, "a\n5\n")

    def test_variables(self):
        script = self.write("v.sql", "-- ${not} a variable\nSELECT '${text}' AS t, ${number} + 1 AS n; /* ${nor} this */")
        done = self.millrace("run", script, "--set", "text=a=b", "--set", "number=41", "--format", "csv")
        self.assertEqual(done.stdout, "t,n\na=b,42\n")

    def test_undefined_variable_has_a_place(self):
        script = self.write("v.sql", "SELECT 1;\nSELECT ${nubmer};")
        done = self.millrace("run", script, "--set", "number=1", expect=1)
        self.assertEqual(done.stdout, "")
        self.assertIn("no value is given for ${nubmer}", done.stderr)
        self.assertIn("v.sql, line 2, column 8", done.stderr)
        self.assertIn("did you mean ${number}?", done.stderr)

    def test_errors_show_line_and_caret(self):
        script = self.write("e.sql", "CREATE STREAM bid (price BIGINT);\n\nSELECT\n  prise FROM bid;\n")
        done = self.millrace("run", script, expect=1)
        self.assertIn("e.sql, line 4, column 3", done.stderr)
        self.assertIn("4 |   prise FROM bid;", done.stderr)
        self.assertIn("  |   ^^^^^", done.stderr)
        self.assertIn('did you mean "price"?', done.stderr)

    def test_a_syntax_error_anywhere_executes_nothing(self):
        done = self.run_sql("SELECT 1 AS a;\nSELCT 2;", expect=1)
        self.assertEqual(done.stdout, "")
        self.assertIn("line 2, column 1", done.stderr)

    def test_an_error_ends_the_script(self):
        done = self.run_sql("SELECT 1 AS a; SELECT nosuch; SELECT 3 AS a;", "--format", "csv", expect=1)
        self.assertEqual(done.stdout, "a\n1\n")

    def test_missing_script(self):
        self.assertIn("cannot read nosuch.sql: No such file", self.millrace("run", "nosuch.sql", expect=1).stderr)

    def test_script_that_is_no_text(self):
        self.write("bad.sql", b"SELECT 1;\xff")
        self.assertIn("bad.sql is not UTF-8 text: byte 9", self.millrace("run", "bad.sql", expect=1).stderr)

    def test_without_data_nothing_stays(self):
        before = set(os.listdir("/tmp"))
        self.run_sql("CREATE STREAM s (a INT); INSERT INTO s VALUES (1);")
        new = {name for name in set(os.listdir("/tmp")) - before if name.startswith("millrace") and "test" not in name}
        self.assertEqual(new, set())
        self.assertEqual(os.listdir(self.folder), [])

    def test_bounded_queries_are_waited_for(self):
        self.write("in.jsonl", "".join(json.dumps({"a": i}) + "\n" for i in range(10_000)))
        done = self.rows(
            """
            CREATE TABLE numbers (a BIGINT) WITH (connector = 'file', path = 'in.jsonl', format = 'json');
            CREATE STREAM copy (a BIGINT);
            INSERT INTO copy SELECT a FROM numbers;
            SELECT count(*) AS n, sum(a) AS s FROM copy;
            """
        )
        self.assertEqual(done, [{"n": 10_000, "s": 49_995_000}])

    def test_a_plain_insert_over_a_stream_ends_when_it_has_caught_up(self):
        self.run_sql("CREATE STREAM s (a BIGINT); CREATE STREAM t (a BIGINT);", "--data", self.data)
        self.put("s", "".join('{"a":%d}\n' % number for number in range(20_000)))
        # Many small epochs: there is more to do for a while after the query has begun.
        self.run_sql("SET epoch_rows = 100; INSERT INTO t SELECT a + 1 FROM s;", "--data", self.data, "--until-caught-up")
        self.assertEqual([row["a"] for row in self.tail("t")], list(range(1, 20_001)))

    def test_unbounded_queries_go_on_until_a_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                data = self.path(f"data-{number}")
                script = self.write(
                    "u.sql",
                    """
                    CREATE STREAM s (bidder BIGINT, price BIGINT);
                    CREATE TABLE g (bidder BIGINT, price BIGINT) WITH (connector = 'nexmark', event = 'bid', rate = 1000);
                    INSERT INTO s SELECT bidder, price FROM g;
                    """,
                )
                child = self.start("run", script, "--data", data)
                time.sleep(1.5)
                self.assertIsNone(child.poll(), "an unbounded query must go on")
                output, _ = self.stop(child, number)
                self.assertEqual(output, "")
                done = self.millrace("run", "-", "--data", data, "--format", "csv", input="SELECT count(*) > 0 AS some FROM s")
                self.assertEqual(done.stdout, "some\ntrue\n")

    def test_first_row_is_quick(self):
        # The processor's time: what else the machine does is no matter.
        times = []
        for _ in range(5):
            start = resource.getrusage(resource.RUSAGE_CHILDREN)
            self.run_sql("SELECT 1 AS a;")
            end = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime)
        self.assertLess(sorted(times)[2], 0.1)

    def test_print_goes_to_standard_output(self):
        done = self.run_sql(
            "CREATE TABLE p (a INT) WITH (connector = 'print'); INSERT INTO p VALUES (1), (2);"
        )
        self.assertEqual(len(done.stdout.splitlines()), 2)


class HeldDirectoryTests(CommandTest):
    def test_a_second_process_is_told_who_holds_the_directory(self):
        script = self.write(
            "u.sql",
            """
            CREATE STREAM s (bidder BIGINT);
            CREATE TABLE g (bidder BIGINT) WITH (connector = 'nexmark', event = 'bid', rate = 1000);
            INSERT INTO s SELECT bidder FROM g;
            """,
        )
        child = self.start("run", script, "--data", self.data)
        self.wait_until(lambda: self.stream_rows("s") > 0, "the first rows")
        refused = self.millrace("put", "s", "--data", self.data, input='{"bidder":1}\n', expect=1)
        self.assertIn(str(child.pid), refused.stderr)
        self.assertIn("millrace run", refused.stderr)
        # Looking is allowed.
        status = self.status()
        self.assertIn(str(child.pid), status["held_by"])
        rows = self.tail("s", "--no-follow")
        self.assertGreater(len(rows), 0)
        self.stop(child)
        self.assertIsNone(self.status()["held_by"])
        self.put("s", '{"bidder":1}\n')
