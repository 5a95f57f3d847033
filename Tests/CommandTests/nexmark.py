"""The Nexmark events of ../shared/nexmark and the official queries over them: as SQL, as agreed results, and computed naively.

NEXMARK_DIR chooses another place for events.jsonl.gz and expected/.
"""

import collections
import datetime
import decimal
import gzip
import json
import os
import re
import sys

from support import ROOT

sys.path.insert(0, os.path.join(ROOT, "Benchmarks", "nexmark"))
import suite  # noqa: E402  (the queries as published, shared with the benchmark)

DIRECTORY = os.environ.get("NEXMARK_DIR", os.path.join(os.path.dirname(ROOT), "shared", "nexmark"))
EVENTS = os.path.join(DIRECTORY, "events.jsonl.gz")

#: Columns of the three streams, as in the official suite.
BID = "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP(3), extra VARCHAR"
AUCTION = (
    "id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, dateTime TIMESTAMP(3), "
    "expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra VARCHAR"
)
PERSON = (
    "id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, "
    "dateTime TIMESTAMP(3), extra VARCHAR"
)
WATERMARK = "WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND"

_RANKS = """
    count(*) AS total_bids,
    count(*) filter (where price < 10000) AS rank1_bids,
    count(*) filter (where price >= 10000 and price < 1000000) AS rank2_bids,
    count(*) filter (where price >= 1000000) AS rank3_bids"""
_DISTINCT = "".join(
    f"""
    count(distinct {column}) AS total_{name},
    count(distinct {column}) filter (where price < 10000) AS rank1_{name},
    count(distinct {column}) filter (where price >= 10000 and price < 1000000) AS rank2_{name},
    count(distinct {column}) filter (where price >= 1000000) AS rank3_{name}"""
    + ("," if column == "bidder" else "")
    for column, name in (("bidder", "bidders"), ("auction", "auctions"))
)
_COUNTS = "".join(
    f", {rank}_{what} BIGINT" for what in ("bids", "bidders", "auctions") for rank in ("total", "rank1", "rank2", "rank3")
)
_CHANNEL = "REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2)"

#: Query name -> (columns of its sink, its SELECT). As their authors wrote them, but for count_char() of q14, a function of theirs in Java.
QUERIES = {
    "q0": (
        "auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3), extra VARCHAR",
        "SELECT auction, bidder, price, dateTime, extra FROM bid",
    ),
    "q1": (
        "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), dateTime TIMESTAMP(3), extra VARCHAR",
        "SELECT auction, bidder, 0.908 * price as price, dateTime, extra FROM bid",
    ),
    "q2": ("auction BIGINT, price BIGINT", "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0"),
    "tumble": (
        "auction BIGINT, num BIGINT, total BIGINT, highest BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3)",
        "SELECT auction, count(*), sum(price), max(price), window_start, window_end "
        "FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end",
    ),
    # The same in the other spelling.
    "tumble_group": (
        "auction BIGINT, num BIGINT, total BIGINT, highest BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3)",
        "SELECT auction, count(*), sum(price), max(price), TUMBLE_START(dateTime, INTERVAL '10' SECOND), "
        "TUMBLE_END(dateTime, INTERVAL '10' SECOND) FROM bid GROUP BY auction, TUMBLE(dateTime, INTERVAL '10' SECOND)",
    ),
    "q5_counts": (
        "auction BIGINT, num BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3)",
        "SELECT auction, count(*) AS num, window_start AS starttime, window_end AS endtime "
        "FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) "
        "GROUP BY auction, window_start, window_end",
    ),
    "q11": (
        "bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3)",
        "SELECT B.bidder, count(*) as bid_count, SESSION_START(B.dateTime, INTERVAL '10' SECOND) as starttime, "
        "SESSION_END(B.dateTime, INTERVAL '10' SECOND) as endtime FROM bid B "
        "GROUP BY B.bidder, SESSION(B.dateTime, INTERVAL '10' SECOND)",
    ),
    "q14": (
        "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), bidTimeType VARCHAR, dateTime TIMESTAMP(3), extra VARCHAR, "
        "c_counts BIGINT",
        """SELECT auction, bidder, 0.908 * price as price,
            CASE
                WHEN HOUR(dateTime) >= 8 AND HOUR(dateTime) <= 18 THEN 'dayTime'
                WHEN HOUR(dateTime) <= 6 OR HOUR(dateTime) >= 20 THEN 'nightTime'
                ELSE 'otherTime'
            END AS bidTimeType,
            dateTime, extra, CHAR_LENGTH(extra) - CHAR_LENGTH(REPLACE(extra, 'c', '')) AS c_counts
        FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000""",
    ),
    "q15": (
        "`day` VARCHAR" + _COUNTS,
        f"SELECT DATE_FORMAT(dateTime, 'yyyy-MM-dd') as `day`, {_RANKS}, {_DISTINCT} FROM bid "
        "GROUP BY DATE_FORMAT(dateTime, 'yyyy-MM-dd')",
    ),
    "q16": (
        "channel VARCHAR, `day` VARCHAR, `minute` VARCHAR" + _COUNTS,
        "SELECT channel, DATE_FORMAT(dateTime, 'yyyy-MM-dd') as `day`, max(DATE_FORMAT(dateTime, 'HH:mm')) as `minute`, "
        f"{_RANKS}, {_DISTINCT} FROM bid GROUP BY channel, DATE_FORMAT(dateTime, 'yyyy-MM-dd')",
    ),
    "q17": (
        "auction BIGINT, `day` VARCHAR, total_bids BIGINT, rank1_bids BIGINT, rank2_bids BIGINT, rank3_bids BIGINT, "
        "min_price BIGINT, max_price BIGINT, avg_price BIGINT, sum_price BIGINT",
        f"SELECT auction, DATE_FORMAT(dateTime, 'yyyy-MM-dd') as `day`, {_RANKS}, min(price) AS min_price, "
        "max(price) AS max_price, avg(price) AS avg_price, sum(price) AS sum_price FROM bid "
        "GROUP BY auction, DATE_FORMAT(dateTime, 'yyyy-MM-dd')",
    ),
    "q21": (
        "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, channel_id VARCHAR",
        f"""SELECT auction, bidder, price, channel,
            CASE
                WHEN lower(channel) = 'apple' THEN '0'
                WHEN lower(channel) = 'google' THEN '1'
                WHEN lower(channel) = 'facebook' THEN '2'
                WHEN lower(channel) = 'baidu' THEN '3'
                ELSE {_CHANNEL}
            END AS channel_id
        FROM bid WHERE {_CHANNEL} is not null or lower(channel) in ('apple', 'google', 'facebook', 'baidu')""",
    ),
    "q22": (
        "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, dir1 VARCHAR, dir2 VARCHAR, dir3 VARCHAR",
        "SELECT auction, bidder, price, channel, SPLIT_INDEX(url, '/', 3) as dir1, SPLIT_INDEX(url, '/', 4) as dir2, "
        "SPLIT_INDEX(url, '/', 5) as dir3 FROM bid",
    ),
}


# Events


def events(limit=None):
    """The events, in order."""
    with gzip.open(EVENTS, "rt") as file:
        for index, line in enumerate(file):
            if limit is not None and index >= limit:
                return
            yield json.loads(line)


def event_lines():
    """The lines of the file, as they are."""
    with gzip.open(EVENTS, "rt") as file:
        return file.readlines()


def split(kind, limit=None):
    """The persons, auctions or bids among the first `limit` events."""
    return [event[kind] for event in events(limit) if event[kind] is not None]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def sentinels(last):
    """Bids so far in the future that every window closes, for every shard; see `is_sentinel`."""
    return [
        dict(last, auction=-number, bidder=-number, price=0, channel="sentinel", dateTime="2099-01-01T00:00:00.000")
        for number in range(1, 65)
    ]


def is_sentinel(row):
    return any(value == "2099-01-01" for value in row) or (isinstance(row[0], int) and row[0] < 0)


# Results as multisets


def freeze(row):
    return tuple(str(value) if isinstance(value, decimal.Decimal) else value for value in row)


def expected_path(name):
    """The file of the agreed result; None when there is none."""
    path = os.path.join(DIRECTORY, "expected", f"{name}.jsonl.gz")
    return path if os.path.exists(path) else None


def expected(name):
    """The agreed result; None when there is no file."""
    path = expected_path(name)
    if path is None:
        return None
    with gzip.open(path, "rt") as file:
        return collections.Counter(freeze(json.loads(line)) for line in file)


def fold(output_lines):
    """A multiset from JSON lines; a changelog (rows with "op") is folded."""
    result = collections.Counter()
    for line in output_lines:
        row = json.loads(line, parse_float=decimal.Decimal)
        operation = row.pop("op", "+I")
        key = freeze(row.values())
        result[key] += 1 if operation in ("+I", "+U") else -1
    if any(count < 0 for count in result.values()):
        raise AssertionError("the changelog takes back what it never gave")
    return +result


# The same, computed the simplest way that can be read


def _time(text):
    return datetime.datetime.fromisoformat(text)


def _text(time):
    return time.isoformat(timespec="milliseconds")


def _floor(time, seconds):
    epoch = datetime.datetime(1970, 1, 1)
    whole = datetime.timedelta(seconds=seconds)
    return epoch + (time - epoch) // whole * whole


def _price(price):
    return str((decimal.Decimal("0.908") * price).quantize(decimal.Decimal("0.001")))


def _rank(price):
    return 1 if price < 10_000 else 2 if price < 1_000_000 else 3


def _channel_id(url):
    match = re.search("(&|^)channel_id=([^&]*)", url)
    return match.group(2) if match else None


def _counts(bids):
    def four(values):
        return [values([1, 2, 3]), values([1]), values([2]), values([3])]

    result = four(lambda ranks: sum(_rank(bid["price"]) in ranks for bid in bids))
    for column in ("bidder", "auction"):
        result += four(lambda ranks: len({bid[column] for bid in bids if _rank(bid["price"]) in ranks}))
    return result


def _groups(bids, key):
    groups = collections.defaultdict(list)
    for bid in bids:
        groups[key(bid)].append(bid)
    return groups


def _windows(bids, seconds, slide):
    """(auction, start, end, bids) of every window that has bids."""
    groups = collections.defaultdict(list)
    for bid in bids:
        start = _floor(_time(bid["dateTime"]), slide)
        while start + datetime.timedelta(seconds=seconds) > _time(bid["dateTime"]):
            groups[(bid["auction"], start)].append(bid)
            start -= datetime.timedelta(seconds=slide)
    for (auction, start), members in groups.items():
        yield auction, _text(start), _text(start + datetime.timedelta(seconds=seconds)), members


def _sessions(bids, gap_seconds):
    gap = datetime.timedelta(seconds=gap_seconds)
    for bidder, members in _groups(bids, lambda bid: bid["bidder"]).items():
        times = sorted(_time(bid["dateTime"]) for bid in members)
        start, last, count = times[0], times[0], 0
        for time in times:
            # Exactly one gap apart is still the same session.
            if time - last > gap:
                yield bidder, count, _text(start), _text(last + gap)
                start, count = time, 0
            last = time
            count += 1
        yield bidder, count, _text(start), _text(last + gap)


def _q14(bid):
    hour = _time(bid["dateTime"]).hour
    kind = "dayTime" if 8 <= hour <= 18 else "nightTime" if hour <= 6 or hour >= 20 else "otherTime"
    price = decimal.Decimal("0.908") * bid["price"]
    if 1_000_000 < price < 50_000_000:
        yield (
            bid["auction"], bid["bidder"], _price(bid["price"]), kind, bid["dateTime"], bid["extra"], bid["extra"].count("c"),
        )


def _q21(bid):
    known = {"apple": "0", "google": "1", "facebook": "2", "baidu": "3"}
    channel = known.get(bid["channel"].lower(), _channel_id(bid["url"]))
    if channel is not None:
        yield bid["auction"], bid["bidder"], bid["price"], bid["channel"], channel


def _directory(url, index):
    parts = url.split("/")
    return parts[index] if index < len(parts) else None


def naive(name, bids):
    """The result of a query over `bids`, as a multiset."""
    day = lambda bid: bid["dateTime"][:10]
    if name == "q0":
        rows = ((b["auction"], b["bidder"], b["price"], b["dateTime"], b["extra"]) for b in bids)
    elif name == "q1":
        rows = ((b["auction"], b["bidder"], _price(b["price"]), b["dateTime"], b["extra"]) for b in bids)
    elif name == "q2":
        rows = ((b["auction"], b["price"]) for b in bids if b["auction"] % 123 == 0)
    elif name in ("tumble", "tumble_group"):
        rows = (
            (auction, len(members), sum(b["price"] for b in members), max(b["price"] for b in members), start, end)
            for auction, start, end, members in _windows(bids, 10, 10)
        )
    elif name == "q5_counts":
        rows = ((auction, len(members), start, end) for auction, start, end, members in _windows(bids, 10, 2))
    elif name == "q11":
        rows = _sessions(bids, 10)
    elif name == "q14":
        rows = (row for b in bids for row in _q14(b))
    elif name == "q15":
        rows = ((key, *_counts(members)) for key, members in _groups(bids, day).items())
    elif name == "q16":
        groups = _groups(bids, lambda b: (b["channel"], day(b)))
        rows = ((*key, max(b["dateTime"][11:16] for b in members), *_counts(members)) for key, members in groups.items())
    elif name == "q17":
        groups = _groups(bids, lambda b: (b["auction"], day(b)))
        rows = (
            (*key, *_counts(members)[:4], min(prices), max(prices), sum(prices) // len(prices), sum(prices))
            for key, members in groups.items()
            for prices in [[b["price"] for b in members]]
        )
    elif name == "q21":
        rows = (row for b in bids for row in _q21(b))
    elif name == "q22":
        rows = (
            (b["auction"], b["bidder"], b["price"], b["channel"], *(_directory(b["url"], i) for i in (3, 4, 5))) for b in bids
        )
    else:
        raise KeyError(name)
    return collections.Counter(rows)


def _winners(auctions, bids):
    """(auction, its highest bid while it was open; of equal ones the first)."""
    offers = _groups(bids, lambda bid: bid["auction"])
    for auction in auctions:
        valid = [bid for bid in offers[auction["id"]] if auction["dateTime"] <= bid["dateTime"] <= auction["expires"]]
        if valid:
            yield auction, max(valid, key=lambda bid: bid["price"])


def naive_suite(name, all_events):
    """The results that are not agreed on, over events of all kinds."""
    all_events = list(all_events)
    persons, auctions, bids = ([event[kind] for event in all_events if event[kind]] for kind in ("person", "auction", "bid"))
    if name == "q6":
        sellers = _groups([dict(bid, seller=auction["seller"]) for auction, bid in _winners(auctions, bids)], lambda row: row["seller"])
        rows = []
        for seller, won in sellers.items():
            prices = [row["price"] for row in sorted(won, key=lambda row: row["dateTime"])]
            for index in range(len(prices)):
                frame = prices[max(index - 10, 0) : index + 1]
                rows.append((str(seller), sum(frame) // len(frame)))
    elif name == "q23":
        sellers = _groups(auctions, lambda auction: auction["seller"])
        known = {person["id"]: person for person in persons}
        rows = (
            (
                *(b[key] for key in ("bidder", "price", "channel", "url", "extra")),
                *(p[key] for key in ("id", "name", "emailAddress", "creditCard", "city", "state", "extra")),
                *(
                    a[key]
                    for key in (
                        "itemName", "description", "initialBid", "reserve", "dateTime", "expires", "seller", "category", "extra",
                    )
                ),
            )
            for b in bids
            for p in [known.get(b["bidder"])]
            if p is not None
            for a in sellers.get(b["bidder"], [])
        )
    else:
        raise KeyError(name)
    return collections.Counter(rows)
