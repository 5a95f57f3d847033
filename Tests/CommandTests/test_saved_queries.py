"""Every file of queries/ is deployed as it stands and gives rows."""

import os

from support import ROOT, CommandTest

FOLDER = os.path.join(ROOT, "queries")


def reads_feed(name):
    """The others read streams that nothing here fills: test_query_tests deploys them all."""
    with open(os.path.join(FOLDER, name)) as file:
        text = file.read()
    # What an alert gives is in the stream of all alerts, and only when something is wrong.
    return "(operations.sql)" not in text and "(shop.sql)" not in text and "CREATE ALERT" not in text


OUTPUTS = sorted(
    name[:-4]
    for name in os.listdir(FOLDER)
    if name.endswith(".sql") and name not in ("feed.sql", "operations.sql", "shop.sql") and reads_feed(name)
)


class SavedQueryTests(CommandTest):
    def scripts(self):
        return [os.path.join(FOLDER, "feed.sql")] + [os.path.join(FOLDER, f"{name}.sql") for name in OUTPUTS]

    def test_every_query_gives_rows_and_goes_on_after_a_restart(self):
        self.assertGreaterEqual(len(OUTPUTS), 3)
        child = self.start("run", *self.scripts(), "--data", self.data)
        for name in OUTPUTS:
            self.wait_until(lambda: self.stream_rows(name) > 0 or child.poll() is not None, f"rows of {name}")
            self.assertIsNone(child.poll(), child.stderr.read() if child.poll() is not None else "")
        self.stop(child)
        before = {name: self.stream_rows(name) for name in OUTPUTS}
        # The queries are kept: opening the directory is enough.
        child = self.start("tail", OUTPUTS[0], "--follow", "--data", self.data)
        for name in OUTPUTS:
            self.wait_until(lambda: self.stream_rows(name) > before[name], f"more rows of {name}")
        self.stop(child)
        # Deploying again changes nothing.
        child = self.start("run", *self.scripts(), "--data", self.data)
        after = {name: self.stream_rows(name) for name in OUTPUTS}
        for name in OUTPUTS:
            self.wait_until(lambda: self.stream_rows(name) > after[name], f"still more rows of {name}")
        _, errors = self.stop(child)
        self.assertNotIn("error", errors)

    def test_each_file_says_what_it_answers(self):
        for path in self.scripts():
            with open(path) as file:
                self.assertTrue(file.readline().startswith("-- "), path)
