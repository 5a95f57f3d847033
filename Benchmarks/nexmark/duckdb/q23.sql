SELECT
    bidder, price, channel, url, B.extra, P.id, name, emailAddress, creditCard, city, state, P.extra,
    itemName, description, initialBid, reserve, A.dateTime, expires, seller, category, A.extra
FROM bid B JOIN person P ON P.id = B.bidder JOIN auction A ON A.seller = B.bidder
