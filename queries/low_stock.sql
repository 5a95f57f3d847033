-- What is running out? The goods of which fewer than five are left, as they stand now.
--
-- A changelog: an article appears when it falls below five, changes with every move, and disappears when it is filled up. Reads `stock_moves`
-- (shop.sql), writes `low_stock`.
--
-- Sample input:     sku  | quantity     Expected output:  op | sku  | left
--                   lamp |       10                       +I | lamp |    4        (now too few)
--                   lamp |       -6                       -U | lamp |    4        (filled up again)
--                   lamp |       20

CREATE STREAM IF NOT EXISTS low_stock (sku VARCHAR, "left" BIGINT) RETAIN INTERVAL '90' DAY;

CREATE QUERY IF NOT EXISTS low_stock AS
INSERT INTO low_stock
SELECT sku, sum(quantity)
FROM stock_moves
GROUP BY sku
HAVING sum(quantity) < 5;
