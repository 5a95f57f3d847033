"""The console in headless Chromium: what is on the page, live, by keyboard, in light and dark. MILLRACE_SCREENSHOTS=DIR keeps pictures of every view."""

import json
import os
import shutil
import threading
import unittest

from http_support import HTTPTest

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

PIPELINE = """
CREATE STREAM bids (auction BIGINT, channel VARCHAR, price BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND);
CREATE STREAM dashboard (channel VARCHAR, bids BIGINT, highest BIGINT, "window" TIMESTAMP(3));
CREATE QUERY per_channel AS INSERT INTO dashboard
SELECT channel, count(*), max(price), window_start FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(at), INTERVAL '1' SECOND))
WHERE price > 0 GROUP BY channel, window_start, window_end;
"""


class PageTest(HTTPTest):
    def test_page_needs_nothing_else(self):
        self.serve()
        page = self.ask("GET", "/").decode()
        policy = self.headers["Content-Security-Policy"]
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        for outside in ('src="http', "src='http", 'href="http', "@import", "url(http"):
            self.assertNotIn(outside, page)
        self.assertNotIn("innerHTML", page)


@unittest.skipUnless(sync_playwright, "playwright (PyPI) is not installed")
@unittest.skipUnless(CHROMIUM, "chromium is not installed")
class ConsoleTest(HTTPTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.sql(PIPELINE)
        self.isFeeding = True
        self.feeder = threading.Thread(target=self.feed, daemon=True)
        self.feeder.start()
        self.playwright = sync_playwright().start()
        self.addCleanup(self.playwright.stop)
        self.browser = self.playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        self.addCleanup(self.browser.close)
        self.complaints = []

    def tearDown(self):
        self.isFeeding = False
        self.feeder.join(10)
        super().tearDown()

    def feed(self):
        second = 0
        stop = threading.Event()
        while self.isFeeding and second < 3000:
            rows = [
                {"auction": n, "channel": "abc"[n % 3], "price": (n * 7 + second * 11) % 100, "at": f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"}
                for n in range(300)
            ]
            try:
                self.ask("POST", "/v1/streams/bids", body="\n".join(map(json.dumps, rows)).encode())
            except OSError:
                return
            second += 1
            stop.wait(0.1)

    def page(self, path="", width=1280, height=800, theme="light"):
        page = self.browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("request", lambda request: self.complaints.append(request.url) if not request.url.startswith((self.base, "data:")) else None)
        page.goto(self.base + "/" + path)
        return page

    def wait_for(self, page, condition):
        # The page's policy forbids what Playwright's own waiting does: evaluating text inside the page.
        self.wait_until(lambda: page.evaluate(condition), condition, timeout=20)

    def picture(self, page, name):
        if "MILLRACE_SCREENSHOTS" in os.environ:
            os.makedirs(os.environ["MILLRACE_SCREENSHOTS"], exist_ok=True)
            page.screenshot(path=os.path.join(os.environ["MILLRACE_SCREENSHOTS"], name + ".png"))

    def test_views(self):
        for width, height in ((1280, 800), (400, 800)):
            for theme in ("light", "dark"):
                with self.subTest(f"{width} {theme}"):
                    self.complaints = []
                    page = self.page(width=width, height=height, theme=theme)
                    page.get_by_role("link", name="per_channel").first.wait_for()
                    self.wait_for(page, "rateOf('s:bids') > 0")
                    self.picture(page, f"overview-{width}-{theme}")
                    self.assertEqual(page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0, "nothing sticks out")
                    # The query with its graph.
                    page.get_by_role("link", name="per_channel").first.click()
                    page.locator(".node.operator").first.wait_for()
                    self.assertEqual(page.locator(".node").count(), 3)
                    self.assertIn("bids", page.locator(".node.source").first.text_content())
                    self.wait_for(page, "document.querySelectorAll('.edge.flows').length > 0")
                    page.locator(".node.operator").focus()
                    page.keyboard.press("Enter")
                    page.locator(".detail", has_text="count(*)").wait_for()
                    self.picture(page, f"query-{width}-{theme}")
                    self.assertEqual(page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0)
                    page.goto(self.base + "/#/streams/bids")
                    page.get_by_text("event time").first.wait_for()
                    self.picture(page, f"stream-{width}-{theme}")
                    page.goto(self.base + "/#/alerts")
                    page.get_by_text("No alert rule is in place").wait_for()
                    self.picture(page, f"alerts-{width}-{theme}")
                    page.close()
                    self.assertEqual(self.complaints, [])

    def test_alerts_are_shown_silenced_and_acknowledged(self):
        self.sql("""CREATE STREAM machine (host VARCHAR, cpu DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);
            CREATE ALERT busy AS SELECT host, cpu FROM machine WHERE cpu > 90 KEY (host)
              WITH (severity = 'critical', annotation.summary = '<b>{{ host }}</b> is busy');
            INSERT INTO machine VALUES ('web-1', 95, TIMESTAMP '2026-01-01 00:00:00'), ('web-2', 95, TIMESTAMP '2026-01-01 00:00:00'),
              ('web-3', 5, TIMESTAMP '2026-01-01 00:00:01')""")
        page = self.page("#/alerts")
        page.get_by_text("<b>web-1</b> is busy", exact=True).wait_for()
        self.assertEqual(page.locator("#alert-count").text_content(), "2")
        page.on("dialog", lambda dialog: dialog.accept("I know"))
        page.locator("tr[data-alert]", has_text="web-1").get_by_role("button", name="Acknowledge").click()
        page.get_by_text("acknowledged by http: I know").wait_for()
        page.locator("tr[data-alert]", has_text="web-2").get_by_role("button", name="Silence").click()
        page.get_by_text("silence 1").first.wait_for()
        self.assertEqual([row["state"] for row in self.sql("SHOW SILENCES")], ["active"])
        page.get_by_role("button", name="End it").click()
        page.get_by_text("The silence has ended.").wait_for()
        # Live: what ends is shown as it ends.
        self.sql("INSERT INTO machine VALUES ('web-1', 5, TIMESTAMP '2026-01-01 00:00:05'), ('web-3', 5, TIMESTAMP '2026-01-01 00:00:06')")
        self.wait_for(page, "document.querySelector('#alert-count').textContent === '1'")
        self.assertEqual(self.complaints, [])

    def test_sql_by_keyboard(self):
        page = self.page()
        page.get_by_role("link", name="bids").first.wait_for()
        page.keyboard.press("g")
        page.keyboard.press("s")
        box = page.get_by_label("SQL statements")
        box.wait_for()
        box.fill("SELECT * FORM bids")
        page.keyboard.press("Control+Enter")
        page.get_by_role("alert").get_by_text("did you mean FROM?").wait_for()
        self.picture(page, "sql-error")
        self.complaints = []
        box.fill("SELECT 9007199254740993 AS big, NULL AS nothing")
        page.keyboard.press("Control+Enter")
        page.get_by_role("cell", name="9007199254740993").wait_for()
        page.get_by_role("cell", name="NULL").wait_for()
        # Live rows, and a chart of them.
        box.fill("SELECT STREAM channel, bids, \"window\" FROM dashboard")
        page.keyboard.press("Control+Enter")
        self.wait_for(page, "sql.seen > 12 && document.querySelectorAll('.series').length === 3")
        self.assertEqual(page.locator(".keys span").count(), 3)
        page.get_by_text("live", exact=True).wait_for()
        page.wait_for_timeout(600)
        self.picture(page, "sql-live")
        box.focus()
        page.keyboard.press("Escape")
        self.wait_for(page, "sql.abort === null")
        seen = page.evaluate("sql.seen")
        page.wait_for_timeout(700)
        self.assertEqual(page.evaluate("sql.seen"), seen)
        self.assertEqual(self.complaints, [])

    def test_expected_range_and_grade_are_drawn(self):
        page = self.page("#/sql")
        box = page.get_by_label("SQL statements")
        box.wait_for()
        values = ", ".join(f"({n}, {'30.0' if n == 7 else 10 + n % 3}, 12.0, 8.0, 11.0, {1 if n == 7 else 0})" for n in range(12))
        for form in (
            f"SELECT n, v, high, low, expected, grade FROM (VALUES {values}) AS t (n, v, high, low, expected, grade)",
            f"SELECT n, v, CAST(ROW(high, low, grade, expected) AS ROW<high DOUBLE, low DOUBLE, grade DOUBLE, expected DOUBLE>) AS a FROM (VALUES {values}) AS t (n, v, high, low, expected, grade)",
        ):
            box.fill(form)
            page.keyboard.press("Control+Enter")
            self.wait_for(page, "sql.abort === null && sql.seen === 12 && document.querySelectorAll('.chart .band').length === 1")
            self.assertEqual(page.locator(".chart .unusual").count(), 1)
            self.assertEqual(page.locator(".chart .expected").count(), 1)
            self.assertEqual(page.evaluate("sql.columns[sql.y].name"), "v")
            page.get_by_text("shaded: expected range").wait_for()
            self.picture(page, "sql-anomaly")
        self.assertEqual(self.complaints, [])

    def test_theme_is_kept(self):
        page = self.page(theme="light")
        colour = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor + getComputedStyle(document.documentElement).backgroundColor")
        light = colour()
        page.get_by_label("Switch between light and dark").click()
        dark = colour()
        self.assertNotEqual(light, dark)
        page.reload()
        self.assertEqual(colour(), dark)

    def test_names_cannot_become_markup(self):
        self.sql("""CREATE STREAM "<img src=x onerror=alert(1)>" ("<b>" VARCHAR); INSERT INTO "<img src=x onerror=alert(1)>" VALUES ('<script>alert(2)</script>')""")
        page = self.page()
        page.get_by_text("<img src=x").first.wait_for()
        page.goto(self.base + "/#/sql")
        page.get_by_label("SQL statements").fill('SELECT * FROM "<img src=x onerror=alert(1)>"')
        page.keyboard.press("Control+Enter")
        page.get_by_role("cell", name="<script>alert(2)</script>").wait_for()
        self.assertEqual(page.locator("main img").count() + page.locator("main script").count(), 0)
        self.assertEqual(self.complaints, [])


if __name__ == "__main__":
    unittest.main()
