-- Which auction draws the big money right now?
--
-- Adds up the bids on each auction in every second: one alert per auction, which fires when they come to 500 millions and ends two seconds
-- after they no longer do. Reads `bid` (feed.sql); what happens is in the stream `alerts`.
--
-- Sample input:     two bids of 300,000,000 on auction 7 within a second     Expected output:  alert     | to_state | severity
--                                                                                              big_money | firing   | info

CREATE ALERT IF NOT EXISTS big_money AS
SELECT auction, count(*) AS bids, sum(price) AS money
FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' SECOND))
GROUP BY window_start, window_end, auction
HAVING sum(price) >= 500000000
KEEP FIRING FOR INTERVAL '2' SECOND
WITH (
    severity = 'info',
    label.team = 'auctions',
    annotation.summary = '{{ bids }} bids of {{ money }} for auction {{ auction }} within a second'
);
