"""The prompt: through a pipe, and on a terminal."""

import os
import shutil
import subprocess
import time
import unittest

from support import MILLRACE, CommandTest, Terminal


class PipedPromptTests(CommandTest):
    def prompt(self, text, **options):
        return self.millrace("--data", self.data, input=text, **options)

    def test_no_prompt_text(self):
        done = self.prompt("SELECT 1 AS a,\n  2 AS b;\nSELECT 3 AS c; SELECT 4 AS d")
        self.assertEqual(
            done.stdout,
            " a | b \n---+---\n 1 | 2\n(1 row)\n c \n---\n 3\n(1 row)\n d \n---\n 4\n(1 row)\n",
        )
        self.assertEqual(done.stderr, "")

    def test_errors_have_carets_and_the_rest_goes_on(self):
        done = self.prompt("SELECT 1 AS a;\n\nSELECT nosuch;\nSELECT 2 AS a;\n", expect=1)
        self.assertIn("line 3, column 8", done.stderr)
        self.assertIn("^^^^^^", done.stderr)
        self.assertIn(" 2\n", done.stdout)

    def test_backslash_commands(self):
        self.prompt("CREATE STREAM bid (price BIGINT, at TIMESTAMP(3));")
        done = self.prompt("\\d\n\\d bid\n\\dt\n\\dq\n\\dv\n\\format csv\nSELECT 1 AS a;\n\\x\n\\status\n\\?\n\\q\nSELECT nosuch;")
        self.assertIn("bid", done.stdout)
        self.assertIn("price", done.stdout)
        self.assertIn("TIMESTAMP(3)", done.stdout)
        self.assertIn("a\n1\n", done.stdout)
        self.assertIn("\\timing", done.stdout)
        self.assertIn("did you mean \\timing?", self.prompt("\\timng\n", expect=1).stderr)

    def test_files_in_and_out(self):
        self.write("in.sql", "SELECT 1 AS a;\nSELECT 2 AS a;\n")
        done = self.prompt("\\o out.txt\n\\i in.sql\n\\o\n\\i nosuch.sql\n", expect=1)
        self.assertEqual(done.stdout, "")
        self.assertIn("nosuch.sql", done.stderr)
        with open(self.path("out.txt")) as file:
            self.assertEqual(file.read().count("(1 row)"), 2)

    def test_statements_are_executed_as_they_come(self):
        child = self.start("--data", self.data, stdin=subprocess.PIPE)
        child.stdin.write("SELECT 1 AS a;\n")
        child.stdin.flush()
        self.assertEqual(child.stdout.readline(), " a \n")
        child.stdin.close()
        child.stdin = None
        self.assertEqual(child.wait(timeout=20), 0)

    def test_strings_and_comments_may_hold_semicolons(self):
        done = self.prompt("\\format csv\nSELECT 'a;\nb' AS a; -- one; two\n/* ; */ SELECT 2 AS a;")
        self.assertEqual(done.stdout, 'a\n"a;\nb"\na\n2\n')


class TerminalTests(CommandTest):
    def open(self):
        terminal = Terminal("--data", self.data, cwd=self.folder, environment={"MILLRACE_HISTORY": self.path("history")})
        self.addCleanup(terminal.close)
        terminal.expect("millrace=> ")
        return terminal

    def test_statements_over_several_lines(self):
        terminal = self.open()
        terminal.type("select 1 as a,\n")
        terminal.expect("millrace-> ")
        terminal.type("2 as b;\n")
        terminal.expect("(1 row)")
        terminal.expect("millrace=> ")
        terminal.type("\\q\n")
        self.assertEqual(terminal.wait(), 0)

    def test_control_c_gives_up_the_line(self):
        terminal = self.open()
        terminal.type("select nonsense")
        terminal.expect("nonsense")
        terminal.type("\x03")
        terminal.expect("^C")
        terminal.expect("millrace=> ")
        terminal.type("select 41 + 1 as answer;\n")
        terminal.expect("42")
        terminal.type("select (\n")
        terminal.expect("millrace-> ")
        terminal.type("\x03")
        terminal.expect("millrace=> ")
        terminal.type("\x04")
        self.assertEqual(terminal.wait(), 0)

    def test_control_c_cancels_a_live_query_and_not_the_prompt(self):
        terminal = self.open()
        terminal.type("create table g (bidder bigint) with (connector = 'nexmark', event = 'bid', rate = 200);\n")
        terminal.expect("CREATE TABLE")
        terminal.expect("millrace=> ")
        terminal.type("select stream bidder, 'live' as word from g;\n")
        for _ in range(3):
            terminal.expect("| live")
        terminal.type("\x03")
        terminal.expect("cancelled")
        terminal.expect("millrace=> ")
        terminal.type("select 6 * 7 as answer;\n")
        terminal.expect("42")
        terminal.expect("millrace=> ")
        terminal.type("\x04")
        self.assertEqual(terminal.wait(), 0)

    def test_history_outlives_the_prompt(self):
        terminal = self.open()
        terminal.type("select 123\n + 1 as sum;\n")
        terminal.expect("124")
        terminal.expect("millrace=> ")
        terminal.type("\x04")
        terminal.wait()
        terminal = self.open()
        terminal.type("\x1b[A\n")
        terminal.expect("124")
        terminal.expect("millrace=> ")
        terminal.type("\x04")
        self.assertEqual(terminal.wait(), 0)
        self.assertEqual(os.stat(self.path("history")).st_mode & 0o777, 0o600)

    def test_completion(self):
        terminal = self.open()
        terminal.type("create stream sensor_readings (celsius double);\n")
        terminal.expect("millrace=> ")
        terminal.type("insert into sensor_re\tvalues (20.5);\n")
        terminal.expect("INSERT 0 1")
        terminal.expect("millrace=> ")
        terminal.type("SELE\tcels\tFROM sensor_\t;\n")
        terminal.expect("20.5")
        terminal.expect("millrace=> ")
        terminal.type("\\timi\t\n")
        terminal.expect("Timing is on.")
        terminal.type("select 1 as a;\n")
        terminal.expect("Time: ")

    def test_errors_do_not_end_the_prompt(self):
        terminal = self.open()
        terminal.type("selct 1;\n")
        terminal.expect("did you mean SELECT?")
        terminal.expect("millrace=> ")
        terminal.type("quit\n")
        self.assertEqual(terminal.wait(), 0)

    def test_sigterm_closes_the_prompt(self):
        terminal = self.open()
        os.kill(terminal.pid, 15)
        self.assertEqual(terminal.wait(), 0)


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class TmuxTests(CommandTest):
    def tmux(self, *arguments):
        return subprocess.run(
            ["tmux", "-S", self.path("tmux"), "-f", "/dev/null", *arguments], capture_output=True, text=True, timeout=20
        ).stdout

    def screen_shows(self, text):
        return self.wait_until(lambda: text in self.tmux("capture-pane", "-p", "-t", "m"), f"{text!r} on the screen", timeout=20)

    def type(self, text):
        # A semicolon at the end would be tmux's own.
        self.tmux("send-keys", "-t", "m", "-l", text.replace(";", "\\;"))
        self.tmux("send-keys", "-t", "m", "Enter")

    def test_a_whole_terminal(self):
        self.tmux(
            "new-session", "-d", "-s", "m", "-x", "100", "-y", "40",
            f"TERM=screen MILLRACE_HISTORY= {MILLRACE} --data {self.data}; echo ended with $?; sleep 30",
        )
        self.addCleanup(self.tmux, "kill-server")
        self.screen_shows("millrace=>")
        self.type("create table g (bidder bigint) with (connector = 'nexmark', event = 'bid', rate = 50);")
        self.screen_shows("CREATE TABLE")
        self.type("select stream bidder from g;")
        self.screen_shows("--------")
        time.sleep(0.5)
        self.tmux("send-keys", "-t", "m", "C-c")
        self.screen_shows("cancelled")
        self.type("select 6 * 7 as answer;")
        self.screen_shows("42")
        self.tmux("send-keys", "-t", "m", "C-d")
        self.screen_shows("ended with 0")
