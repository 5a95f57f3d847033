-- The streams of a shop that queries beside this file read: what visitors look at, what they order, how they pay, what lies in store. Rows come
-- from programs of your own: `millrace put`, COPY, or POST.
--
-- Sample input:  {"visitor": "v1", "page": "/", "action": "view", "ts": "2026-01-01T10:00:00"}                       page_views
--                {"order_id": 1, "customer": "c1", "country": "NO", "amount": 99.90, "ts": "2026-01-01T10:00:00"}    orders
--                {"payment_id": 7, "order_id": 1, "card": "4711", "amount": 99.90, "ts": "2026-01-01T10:05:00"}      payments
--                {"sku": "lamp", "quantity": -2, "ts": "2026-01-01T10:00:00"}                                        stock_moves

CREATE STREAM IF NOT EXISTS page_views (
    visitor VARCHAR NOT NULL,
    page VARCHAR,
    action VARCHAR,
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) PARTITION BY (visitor) SHARDS 2 RETAIN INTERVAL '7' DAY;

CREATE STREAM IF NOT EXISTS orders (
    order_id BIGINT NOT NULL,
    customer VARCHAR,
    country VARCHAR,
    amount DECIMAL(12, 2),
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '10' SECOND
) PARTITION BY (order_id) RETAIN INTERVAL '30' DAY;

CREATE STREAM IF NOT EXISTS payments (
    payment_id BIGINT NOT NULL,
    order_id BIGINT,
    card VARCHAR,
    amount DECIMAL(12, 2),
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '10' SECOND
) PARTITION BY (order_id) RETAIN INTERVAL '30' DAY;

CREATE STREAM IF NOT EXISTS stock_moves (
    sku VARCHAR NOT NULL,
    quantity BIGINT,
    ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '10' SECOND
) PARTITION BY (sku) RETAIN INTERVAL '90' DAY;
