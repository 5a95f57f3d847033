-- Which auction is everybody suddenly bidding for?
--
-- Counts the bids on each auction in every second: one alert per auction, which fires at a hundred bids and ends when there are fewer. Reads `bid`
-- (feed.sql); what happens is in the stream `alerts`.
--
-- Sample input:     120 bids on auction 7 within a second     Expected output:  alert    | keys               | to_state
--                                                                               bid_rush | {"auction": "7"}   | firing

CREATE ALERT IF NOT EXISTS bid_rush AS
SELECT auction, count(*) AS bids, max(price) AS highest
FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' SECOND))
GROUP BY window_start, window_end, auction
HAVING count(*) >= 100
WITH (
    severity = 'info',
    label.team = 'auctions',
    annotation.summary = '{{ bids }} bids for auction {{ auction }} within a second'
);
