"""`millrace log`: what is damaged is named, and what is given up is read over."""

import glob
import os
import unittest

from support import CommandTest


class LogTest(CommandTest):
    def fill(self):
        self.run_sql(
            "CREATE STREAM t (id BIGINT, name VARCHAR); CREATE STREAM u (id BIGINT)", "--data", self.data
        )
        for start in range(0, 300, 100):
            self.put("t", "".join('{"id": %d, "name": "row %d"}\n' % (i, i) for i in range(start, start + 100)))

    def segment(self):
        return glob.glob(os.path.join(self.data, "streams", "00000001", "shard-0000", "seg-*.log"))[0]

    def everything(self):
        contents = {}
        for folder, _, names in os.walk(self.data):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    contents[os.path.join(folder, name)] = file.read()
        return contents

    def test_a_healthy_log(self):
        self.fill()
        before = self.everything()
        done = self.millrace("log", "verify", "--data", self.data)
        self.assertEqual(done.stdout, "")
        self.assertIn("300 rows: 0 faults", done.stderr)
        self.millrace("log", "verify", "t", "--data", self.data)
        self.assertEqual(self.everything(), before)
        self.assertIn("nothing is damaged", self.millrace("log", "repair", "t", "0", "--data", self.data).stdout)

    def test_damage_is_named_and_given_up(self):
        self.fill()
        path = self.segment()
        size = os.path.getsize(path)
        with open(path, "r+b") as file:
            # In the second of three appends.
            file.seek(size // 2)
            byte = file.read(1)[0]
            file.seek(size // 2)
            file.write(bytes([byte ^ 1]))
        before = self.everything()
        done = self.millrace("log", "verify", "--data", self.data, expect=1)
        self.assertEqual(self.everything(), before)
        self.assertIn(path, done.stdout)
        self.assertIn("offset ", done.stdout)
        self.assertIn("rows 100...199", done.stdout)
        self.assertIn("1 fault", done.stderr)
        self.millrace("log", "verify", "u", "--data", self.data)

        done = self.run_sql("SELECT count(name) FROM t", "--data", self.data, expect=1)
        self.assertIn("rows 100...199", done.stderr)

        done = self.millrace("log", "repair", "t", "0", "--data", self.data, expect=1)
        self.assertIn("--give-up 100..199", done.stdout)
        done = self.millrace("log", "repair", "t", "0", "--give-up", "100..199", "--data", self.data)
        self.assertIn("are given up", done.stdout)
        self.millrace("log", "verify", "--data", self.data)
        self.assertEqual([row["id"] for row in self.tail("t")], list(range(100)) + list(range(200, 300)))
        rows = self.rows("SELECT count(*) AS n FROM t", "--data", self.data)
        self.assertEqual(rows, [{"n": 200}])
        self.put("t", '{"id": 300, "name": "x"}\n')
        self.assertEqual(self.tail("t")[-1]["id"], 300)
        self.assertIn('"given_up_rows": 100', self.millrace("status", "--json", "--data", self.data).stdout.replace('":', '": ').replace("  ", " "))

    def test_a_cut_end_is_found(self):
        self.fill()
        path = self.segment()
        os.truncate(path, os.path.getsize(path) // 2)
        done = self.millrace("log", "verify", "--data", self.data, expect=1)
        self.assertIn("...299", done.stdout)

    def test_wrong_usage(self):
        self.fill()
        for words in (["log"], ["log", "verfy"], ["log", "repair", "t"], ["log", "repair", "t", "x"],
                      ["log", "repair", "t", "0", "--give-up", "5"], ["log", "repair", "t", "0", "--give-up", "9..5"]):
            self.millrace(*words, "--data", self.data, expect=2)
        self.millrace("log", "verify", "nothing", "--data", self.data, expect=1)
        self.millrace("log", "verify", "--data", self.path("nowhere"), expect=1)
        done = self.millrace("log", "repair", "t", "0", "--give-up", "300..301", "--data", self.data, expect=1)
        self.assertIn("there is no row", done.stderr)
        self.millrace("log", "repair", "t", "3", "--data", self.data, expect=1)


if __name__ == "__main__":
    unittest.main()
