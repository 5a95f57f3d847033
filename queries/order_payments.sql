-- Which orders were paid, after how long, and which were not paid within the hour?
--
-- An outer join over an interval of event time: an order is kept for an hour; when no payment has come by then it is given with NULLs, once. Reads
-- `orders` and `payments` (shop.sql), writes `order_payments`.
--
-- Sample input:     order 1 at 10:00, paid at 10:05          Expected output:  order_id | paid  | seconds
--                   order 2 at 10:00, never paid                                      1 | 99.90 |     300
--                                                                                     2 |       |

CREATE STREAM IF NOT EXISTS order_payments (
    order_id BIGINT,
    customer VARCHAR,
    amount DECIMAL(12, 2),
    paid DECIMAL(12, 2),
    seconds BIGINT,
    ordered_at TIMESTAMP(3)
) RETAIN INTERVAL '90' DAY;

CREATE QUERY IF NOT EXISTS order_payments AS
INSERT INTO order_payments
SELECT o.order_id, o.customer, o.amount, p.amount, TIMESTAMPDIFF(SECOND, o.ts, p.ts), o.ts
FROM orders AS o
LEFT JOIN payments AS p
    ON p.order_id = o.order_id
    AND p.ts BETWEEN o.ts AND o.ts + INTERVAL '1' HOUR;
