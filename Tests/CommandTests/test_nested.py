"""The official Nexmark shape: one stream of nested events and three views over it, from a file, from the log and back out as JSON."""

import gzip
import json
import os
import unittest

import nexmark
from support import CommandTest

COLUMNS = (
    f"event_type INT, person ROW<{nexmark.PERSON}>, auction ROW<{nexmark.AUCTION}>, bid ROW<{nexmark.BID}>, "
    "`dateTime` AS CASE WHEN event_type = 0 THEN person.`dateTime` WHEN event_type = 1 THEN auction.`dateTime` "
    "ELSE bid.`dateTime` END, WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND"
)
VIEWS = """
CREATE VIEW person AS SELECT person.id, person.name, person.emailAddress, person.creditCard, person.city, person.state, `dateTime`,
    person.extra FROM events WHERE event_type = 0;
CREATE VIEW auction AS SELECT auction.id, auction.itemName, auction.description, auction.initialBid, auction.reserve, `dateTime`,
    auction.expires, auction.seller, auction.category, auction.extra FROM events WHERE event_type = 1;
CREATE VIEW bid AS SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, `dateTime`, bid.extra FROM events WHERE event_type = 2;
"""


@unittest.skipUnless(os.path.exists(nexmark.EVENTS), f"{nexmark.EVENTS} is not there")
class NestedEvents(CommandTest):
    def event(self, line):
        """An event with all three digits of its milliseconds."""
        event = json.loads(line)
        for kind in ("person", "auction", "bid"):
            for field in ("dateTime", "expires"):
                if event[kind] and field in event[kind]:
                    seconds, _, fraction = event[kind][field].partition(".")
                    event[kind][field] = f"{seconds}.{fraction:0<3}"
        return event

    def expected(self, name):
        with gzip.open(os.path.join(nexmark.DIRECTORY, "expected", f"{name}.jsonl.gz"), "rt") as file:
            return sorted(json.dumps(json.loads(line)) for line in file)

    def test_views_over_nested_events(self):
        with gzip.open(nexmark.EVENTS, "rt") as source:
            lines = source.readlines()
        events = self.path("events.jsonl")
        with open(events, "w") as file:
            file.writelines(lines)
        selects = {name: nexmark.QUERIES[name] for name in ("q0", "q2")}
        for place, table in {
            "file": f"CREATE TABLE events ({COLUMNS}) WITH (connector = 'file', path = '{events}', format = 'json');",
            "log": f"CREATE TABLE raw (event_type INT, person ROW<{nexmark.PERSON}>, auction ROW<{nexmark.AUCTION}>, bid ROW<{nexmark.BID}>) "
            f"WITH (connector = 'file', path = '{events}', format = 'json'); CREATE STREAM events ({COLUMNS}) SHARDS 1 WITH (sync = 'none');"
            "INSERT INTO events SELECT * FROM raw;",
        }.items():
            data = self.path(place + "-data")
            self.write(place + ".sql", table + VIEWS)
            self.millrace("run", self.path(place + ".sql"), "--data", data, timeout=300)
            for name, (_, select) in selects.items():
                result = self.millrace("run", "-", "--data", data, "--format", "json", input=select + ";", timeout=300)
                rows = sorted(json.dumps(list(json.loads(line).values())) for line in result.stdout.splitlines())
                self.assertEqual(len(rows), len(self.expected(name)), f"{name} from {place}")
                self.assertEqual(rows, self.expected(name), f"{name} from {place}")
        # Everything comes out of the log as it went in.
        result = self.millrace("tail", "events", "--data", self.path("log-data"), "--no-follow", timeout=300)
        for line, written in zip(lines, result.stdout.splitlines()):
            self.assertEqual(self.event(line), self.event(written))
        self.assertEqual(len(result.stdout.splitlines()), len(lines))


if __name__ == "__main__":
    unittest.main()
