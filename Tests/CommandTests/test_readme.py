"""The README's tour, executed as it is printed."""

import os
import re
import subprocess

from support import MILLRACE, ROOT, CommandTest

#: A fenced block of shell, and, when it follows at once, the text block with what it prints.
BLOCK = re.compile(r"```sh\n(.*?)```(?:\n+```text\n(.*?)```)?", re.S)


class ReadmeTests(CommandTest):
    def test_the_tour(self):
        with open(os.path.join(ROOT, "README.md")) as file:
            readme = file.read()
        tour = readme[readme.index("## A tour in five minutes") :]
        tour = tour[: tour.index("\n## ", 3)]
        blocks = BLOCK.findall(tour)
        self.assertGreaterEqual(len(blocks), 5)
        os.symlink(MILLRACE, self.path("millrace"))
        environment = dict(os.environ, PATH=self.folder + os.pathsep + os.environ["PATH"])
        for commands, printed in blocks:
            with self.subTest(commands=commands):
                done = subprocess.run(
                    ["bash", "-euo", "pipefail", "-c", commands], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                    capture_output=True, text=True, timeout=60,
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                if printed:
                    self.assertEqual(self.plain(done.stdout + done.stderr), self.plain(printed))

    @staticmethod
    def plain(text):
        return "\n".join(line.rstrip() for line in text.strip().splitlines())
