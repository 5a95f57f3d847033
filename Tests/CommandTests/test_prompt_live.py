"""The prompt on a whole terminal, driven with tmux: completion, live results, drawings, colours, paging; and the same honestly in a pipe."""

import os
import re
import shutil
import subprocess
import time
import unittest

from support import MILLRACE, CommandTest, Terminal

BIDS = "create table g (auction bigint, bidder bigint, price bigint, dateTime timestamp(3)) with (connector = 'nexmark', event = 'bid', rate = %d);"


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class TmuxPromptTests(CommandTest):
    def setUp(self):
        super().setUp()
        self.open()

    def open(self, *arguments, environment="", columns=100, rows=30):
        self.write("history", "")
        self.tmux(
            "new-session", "-d", "-s", "m", "-x", str(columns), "-y", str(rows), "-c", self.folder,
            f"TERM=screen-256color INPUTRC=/dev/null MILLRACE_HISTORY={self.path('history')} {environment} "
            f"{MILLRACE} --data {self.data} {' '.join(arguments)}; echo ended with $?; sleep 30",
        )
        self.addCleanup(self.tmux, "kill-server")
        self.shows("millrace=>")

    def tmux(self, *arguments):
        return subprocess.run(
            ["tmux", "-S", self.path("tmux"), "-f", "/dev/null", *arguments], capture_output=True, text=True, timeout=20
        ).stdout

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", *options, "-t", "m")

    def shows(self, text, timeout=20, options=()):
        """Waits for a text (or a pattern) on the screen; what is there then."""
        def look():
            screen = self.screen(*options)
            return screen if (text in screen if isinstance(text, str) else text.search(screen)) else None

        try:
            return self.wait_until(look, f"{text!r} on the screen", timeout=timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows\n{self.screen()}") from None

    def keys(self, *names):
        self.tmux("send-keys", "-t", "m", *names)

    def type(self, text, enter=True):
        # A semicolon at the end would be tmux's own.
        self.tmux("send-keys", "-t", "m", "-l", text[:-1] + "\\;" if text.endswith(";") else text)
        if enter:
            self.keys("Enter")

    def complete(self, text, expected):
        """What Tab makes of an unfinished line."""
        self.type(text, enter=False)
        self.keys("Tab")
        self.shows("=> " + expected)
        self.keys("C-c")
        self.keys("C-l")
        time.sleep(0.1)

    def test_completion_knows_where_it_stands(self):
        self.type("create stream sensor_readings (celsius double, place varchar);")
        self.shows("CREATE STREAM")
        self.type("create stream stations (place_name varchar, height double);")
        self.type("create query keep_warm as insert into stations select place, celsius from sensor_readings;")
        self.shows("CREATE QUERY")
        self.keys("C-l")
        time.sleep(0.2)
        self.complete("select * from sens", "select * from sensor_readings")
        self.complete("select * from stations where hei", "select * from stations where height")
        # Only columns of the relations that are read: not celsius, which would make two of them.
        self.complete("select ce from stations s where s.pl", "select ce from stations s where s.place_name")
        self.complete("select * from sensor_readings r join stations t on r.cel", "select * from sensor_readings r join stations t on r.celsius")
        self.complete("alter query kee", "alter query keep_warm")
        self.complete("drop query k", "drop query keep_warm")
        self.complete("show stre", "show streams")
        self.complete("SELECT celsius FROM sensor_readings WHER", "SELECT celsius FROM sensor_readings WHERE")
        self.complete("set checkpoint_i", "set checkpoint_interval")
        self.complete("select zsco", "select zscore")
        self.complete("select zscore(celsius, poi", "select zscore(celsius, points =>")
        self.complete("\\timi", "\\timing")
        self.complete("\\d keep", "\\d keep_warm")
        self.complete("insert into stat", "insert into stations")
        # Over lines: the relation stands on the line before.
        self.type("select * from stations")
        self.shows("millrace->")
        self.type("where hei", enter=False)
        self.keys("Tab")
        self.shows("-> where height")
        self.keys("C-c")

    def test_history_is_searched(self):
        self.type("select 1234 + 1 as a;")
        self.shows("1235")
        self.type("select 2 as b;")
        self.shows(re.compile(r" b *\n"))
        self.keys("C-l")
        self.keys("C-r")
        self.type("1234", enter=False)
        self.shows("select 1234 + 1 as a;")
        self.keys("Enter")
        self.shows("1235")

    def test_a_changelog_is_refreshed_in_place(self):
        self.type(BIDS % 300)
        self.shows("CREATE TABLE")
        self.keys("C-l")
        self.type("select stream bidder % 3 as remainder, count(*) as bids from g group by bidder % 3;")
        first = self.shows(re.compile(r"3 rows, [\d,]+ changes, [\d,]+ changes/s"))
        time.sleep(1.2)
        second = self.screen()
        # The header stands once, and the figures have moved.
        for screen in (first, second):
            self.assertEqual(len(re.findall(r"remainder \|", screen)), 1, screen)
        count = lambda screen: sum(int(number) for number in re.findall(r"^ +\d \| +(\d+)", screen, re.M))
        self.assertGreater(count(second), count(first))
        self.assertIn("(Ctrl-C ends)", second)
        self.keys("C-c")
        self.shows("(3 rows)")
        self.shows("cancelled")
        self.type("select 6 * 7 as answer;")
        self.shows("42")

    def test_a_live_result_has_a_status_line(self):
        self.type(BIDS.replace("timestamp(3))", "timestamp(3), watermark for dateTime as dateTime)") % 40)
        self.shows("CREATE TABLE")
        self.keys("C-l")
        self.type("select stream auction from g where price < 0;")
        self.shows(re.compile(r"0 rows, 0 rows/s, watermark 20\d\d-.*, Ctrl-C ends"))
        self.keys("C-c")
        self.shows("cancelled")

    def test_a_live_series_is_drawn(self):
        self.type(BIDS % 100)
        self.shows("CREATE TABLE")
        self.type("select stream dateTime, price from g limit 3;")
        self.shows("(3 rows)")
        self.keys("C-l")
        self.type("\\plot")
        self.shows(re.compile(r"price\n"))
        # Three rows make a line between them.
        self.type("select stream dateTime, price from g;")
        time.sleep(0.7)
        self.keys("C-c")
        self.shows("cancelled")
        self.keys("C-l")
        self.type("\\plot price")
        first = self.shows(re.compile(r"(?s)price\n.*┤.*└─+\n.*\d\d:\d\d:\d\d +\d\d:\d\d:\d\d"))
        time.sleep(1.5)
        second = self.screen()
        dots = lambda screen: len(re.findall("[\u2801-\u28ff]", screen))
        self.assertGreater(dots(second), 10)
        self.assertNotEqual(first, second)
        self.assertEqual(second.count("└"), 1)
        self.keys("C-c")
        self.shows("millrace=>")
        self.type("\\plot nosuch")
        self.shows("there is no numeric column")

    def test_errors_are_coloured_with_the_caret_under_the_text(self):
        self.type("select nosuch from (values (1)) as t (a);")
        screen = self.shows("nosuch", options=("-e",))
        screen = self.shows(re.compile(r"\x1b\[1;31m\x1b?\[?[\d;]*m?\^\^\^\^\^\^|\x1b\[1m\x1b\[31m\^{6}"), options=("-e",))
        plain = self.screen()
        line = next(line for line in plain.splitlines() if line.startswith("1 | "))
        caret = next(line for line in plain.splitlines() if "^^^^^^" in line)
        self.assertEqual(line.index("nosuch"), caret.index("^"))

    def test_long_results_are_paged(self):
        if not shutil.which("less"):
            self.skipTest("less is not installed")
        values = ", ".join(f"({number})" for number in range(100))
        self.type(f"select * from (values {values}) as t (number);")
        # The first page, and a colon that waits; the end is not there yet.
        screen = self.shows(re.compile(r"^:", re.M))
        self.assertNotIn("(100 rows)", screen)
        self.keys("G")
        self.shows("(100 rows)")
        self.keys("q")
        self.shows("millrace=>")

    def test_statements_are_edited(self):
        editor = self.write("editor", "#!/bin/sh\nsed -i 's/40/41/' \"$1\"\n")
        os.chmod(editor, 0o755)
        self.keys("C-d")
        self.shows("ended with 0")
        self.tmux("kill-server")
        self.wait_until(lambda: self.screen() == "", "the end of tmux")
        self.open(environment=f"EDITOR={editor}")
        self.type("select 40 + 1 as sum;")
        self.shows("41\n")
        self.type("\\e")
        self.shows(re.compile(r" 42\n"))

    def test_watch(self):
        self.type("create stream s (a int);")
        self.shows("CREATE STREAM")
        self.type("select count(*) as rows from s;")
        self.shows("(1 row)")
        self.type("\\watch 0.2")
        self.shows("every 0.2 s, Ctrl-C ends")
        self.wait_until(lambda: self.screen().count("every 0.2 s") >= 3, "the third time")
        self.keys("C-c")
        time.sleep(0.5)
        self.keys("C-l")
        self.type("select 6 * 7 as answer;")
        self.shows("42")


class PipedPromptTests(CommandTest):
    def prompt(self, text, *arguments, **options):
        return self.millrace("--data", self.data, *arguments, input=text, **options)

    def test_no_escape_codes_in_a_pipe(self):
        done = self.prompt(
            "create stream t (k int);\ninsert into t values (1), (2), (1);\nselect stream k, count(*) as n from t group by k start from trim_horizon limit 2;\n"
            "select 1 as x, 2.5 as y;\n\\plot\nselect nosuch;\n", expect=1,
        )
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        self.assertIn("^^^^^^", done.stderr)
        self.assertIn("└", done.stdout)

    def test_formats(self):
        self.assertEqual(
            self.prompt("select 1 as a, 'x|y' as b;", "--format", "markdown").stdout, "| a | b |\n| ---: | --- |\n| 1 | x\\|y |\n"
        )
        self.assertEqual(self.prompt("\\set format json\nselect 1 as a;").stdout, '{"a":1}\n')
        self.assertEqual(self.prompt("\\format csv\nselect 1 as a;").stdout, "a\n1\n")
        self.assertEqual(
            self.rows("select 1 as a;")[0], {"a": 1}
        )
        self.assertIn("markdown", self.prompt("\\format xml", expect=1).stderr)
        self.assertEqual(self.run_sql("SELECT 1 AS a;", "--format", "markdown").stdout, "| a |\n| ---: |\n| 1 |\n")

    def test_variables(self):
        done = self.prompt("\\set limit 2\n\\set\nselect ${limit} as a;\nselect ${nosuch};\n", "--format", "csv", expect=1)
        self.assertEqual(done.stdout, "format = csv\nlimit = 2\na\n2\n")
        self.assertIn("no value is given for ${nosuch}", done.stderr)

    def test_a_plot_in_a_pipe(self):
        done = self.prompt("select * from (values (1, 1.0), (2, 4.0), (3, 9.0)) as t (x, y);\n\\plot y\n\\plot z\n", expect=1)
        drawing = done.stdout[done.stdout.index("(3 rows)\n") + 9:].splitlines()
        self.assertEqual(drawing[0], "y")
        self.assertRegex(drawing[1], r"^9\.?0* ┤.*[\u2801-\u28ff]$")
        self.assertIn("no numeric column \"z\"", done.stderr)

    def test_definitions_can_be_taken_along(self):
        self.prompt("create stream t (k int);\ncreate view v as select k + 1 as k from t;\n")
        done = self.prompt("show create all;", "--format", "json")
        self.assertEqual(len(done.stdout.splitlines()), 2)
        self.assertIn('"kind":"VIEW"', done.stdout)


class CancelTests(CommandTest):
    def test_control_c_ends_a_watch_and_not_the_prompt(self):
        terminal = Terminal("--data", self.data, cwd=self.folder, environment={"MILLRACE_HISTORY": ""})
        self.addCleanup(terminal.close)
        terminal.expect("millrace=> ")
        terminal.type("select 1 as one;\n")
        terminal.expect("(1 row)")
        terminal.type("\\watch 0.1\n")
        for _ in range(3):
            terminal.expect("(1 row)")
        terminal.type("\x03")
        terminal.expect("millrace=> ")
        terminal.type("\x04")
        self.assertEqual(terminal.wait(), 0)
