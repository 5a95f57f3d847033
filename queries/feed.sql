-- The streams that the queries beside this file read. It can be executed again and again: what is there is left as it is.
--
--     millrace run queries/feed.sql queries/auction_dashboard.sql --data DIR
--
-- The auction house is the Nexmark benchmark's, generated here at a steady pace and written to the log, as a producer of your own
-- would do with `millrace put bid`.
--
-- Sample input:  {"auction": 7, "bidder": 1, "price": 100, "channel": "web", "dateTime": "2026-01-01T10:00:00"}   bid
--                {"ts": "2026-01-01T10:00:00", "cpu": 12.5, "memory_used": 50, "memory_total": 100}                system

CREATE STREAM IF NOT EXISTS bid (
    auction BIGINT,
    bidder BIGINT,
    price BIGINT,
    channel VARCHAR,
    url VARCHAR,
    dateTime TIMESTAMP(3),
    WATERMARK FOR dateTime AS dateTime - INTERVAL '1' SECOND
) PARTITION BY (auction) SHARDS 2 RETAIN INTERVAL '1' DAY;

CREATE TABLE IF NOT EXISTS auction_house (
    auction BIGINT,
    bidder BIGINT,
    price BIGINT,
    channel VARCHAR,
    url VARCHAR,
    dateTime TIMESTAMP(3)
) WITH (connector = 'nexmark', event = 'bid', rate = '2000', 'base-time' = 'now');

CREATE QUERY IF NOT EXISTS feed_bids AS
INSERT INTO bid SELECT auction, bidder, price, channel, url, dateTime FROM auction_house;

-- This machine's own load, four times a second.
CREATE STREAM IF NOT EXISTS system (
    ts TIMESTAMP(3),
    cpu DOUBLE,
    cpu_user DOUBLE,
    cpu_system DOUBLE,
    cpu_iowait DOUBLE,
    memory_used BIGINT,
    memory_available BIGINT,
    memory_total BIGINT,
    disk_read_bytes BIGINT,
    disk_written_bytes BIGINT,
    net_received_bytes BIGINT,
    net_sent_bytes BIGINT,
    load1 DOUBLE,
    load5 DOUBLE,
    load15 DOUBLE,
    processes_running INT,
    WATERMARK FOR ts AS ts - INTERVAL '0.1' SECOND
) RETAIN INTERVAL '1' DAY WITH (connector = 'system', interval = '250 ms');
