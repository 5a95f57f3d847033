// ErrorCorpus: wrong statements and what is said about them. Rewritten by ErrorTests when asked; see there.

let errorCorpus = #"""
create alert a as select * from t where x > 1 for '5 minutes'
--------
error: expected an interval such as INTERVAL '5' MINUTE, found the string '5 minutes'
 --> line 1, column 51
  |
1 | create alert a as select * from t where x > 1 for '5 minutes'
  |                                                   ^^^^^^^^^^^
hint: INTERVAL '5 minutes'
========
create alert a as select * from t key (k) keep firing interval '5' second
--------
error: expected FOR, found "interval"
 --> line 1, column 55
  |
1 | create alert a as select * from t key (k) keep firing interval '5' second
  |                                                       ^^^^^^^^
========
create alert a as select * from t on no data for interval '5' second stop
--------
error: expected FIRE, RESOLVE or KEEP, found "stop"
 --> line 1, column 70
  |
1 | create alert a as select * from t on no data for interval '5' second stop
  |                                                                      ^^^^
========
create alert a as insert into b select * from t
--------
error: an alert is a query without INSERT
 --> line 1, column 19
  |
1 | create alert a as insert into b select * from t
  |                   ^^^^^^
hint: its transitions go to the stream alerts: CREATE ALERT .. AS SELECT ..
========
create alert a as select * from t resolve when x > 1 resolve when y
--------
error: RESOLVE WHEN is given twice
 --> line 1, column 54
  |
1 | create alert a as select * from t resolve when x > 1 resolve when y
  |                                                      ^^^^^^^
========
test alert a to
--------
error: expected an expression, found the end of the statement
 --> line 1, column 16
  |
1 | test alert a to
  |                ^
========
select * form bid
--------
error: expected FROM, found "form"
 --> line 1, column 10
  |
1 | select * form bid
  |          ^^^^
hint: did you mean FROM?
========
selct * from bid
--------
error: expected SELECT, found "selct"
 --> line 1, column 1
  |
1 | selct * from bid
  | ^^^^^
hint: did you mean SELECT?
========
select a, b form bid
--------
error: expected FROM, found "form"
 --> line 1, column 13
  |
1 | select a, b form bid
  |             ^^^^
hint: did you mean FROM?
========
select * from bid were price > 1
--------
error: expected WHERE, found "were"
 --> line 1, column 19
  |
1 | select * from bid were price > 1
  |                   ^^^^
hint: did you mean WHERE?
========
select * from bid gropu by price
--------
error: expected GROUP BY, found "gropu"
 --> line 1, column 19
  |
1 | select * from bid gropu by price
  |                   ^^^^^
hint: did you mean GROUP BY?
========
select * from bid limt 5
--------
error: expected LIMIT, found "limt"
 --> line 1, column 19
  |
1 | select * from bid limt 5
  |                   ^^^^
hint: did you mean LIMIT?
========
select * from bid where price > 5 oder by price
--------
error: expected ORDER BY, found "oder"
 --> line 1, column 35
  |
1 | select * from bid where price > 5 oder by price
  |                                   ^^^^
hint: did you mean ORDER BY?
========
select * from a jion b on a.x = b.x
--------
error: expected JOIN, found "jion"
 --> line 1, column 17
  |
1 | select * from a jion b on a.x = b.x
  |                 ^^^^
hint: did you mean JOIN?
========
select a from
--------
error: expected a table name, found the end of the statement
 --> line 1, column 14
  |
1 | select a from
  |              ^
========
select
--------
error: expected DISTINCT, ALL or an expression, found the end of the statement
 --> line 1, column 7
  |
1 | select
  |       ^
========
select , a from b
--------
error: expected DISTINCT, ALL or an expression, found ","
 --> line 1, column 8
  |
1 | select , a from b
  |        ^
========
select a, from b
--------
error: expected an expression, found "from"
 --> line 1, column 11
  |
1 | select a, from b
  |           ^^^^
hint: is there a comma too many before FROM?
========
select a b c from d
--------
error: expected ",", FROM, WHERE, GROUP BY, ... or the end of the statement, found "c"
 --> line 1, column 12
  |
1 | select a b c from d
  |            ^
========
select order from bid
--------
error: expected DISTINCT, ALL or an expression, found "order"
 --> line 1, column 8
  |
1 | select order from bid
  |        ^^^^^
hint: ORDER is a reserved word; as a name it is written "order"
========
select * from bid where
--------
error: expected an expression, found the end of the statement
 --> line 1, column 24
  |
1 | select * from bid where
  |                        ^
========
select * from bid where price >
--------
error: expected an expression, found the end of the statement
 --> line 1, column 32
  |
1 | select * from bid where price >
  |                                ^
========
select * from bid where price = = 5
--------
error: expected an expression, found "="
 --> line 1, column 33
  |
1 | select * from bid where price = = 5
  |                                 ^
========
select * from bid where price == 5
--------
error: unexpected "=="
 --> line 1, column 31
  |
1 | select * from bid where price == 5
  |                               ^^
hint: one = compares
========
select * from bid where a = 1 && b = 2
--------
error: = cannot follow another comparison
 --> line 1, column 36
  |
1 | select * from bid where a = 1 && b = 2
  |                                    ^
hint: conditions are joined by AND; && is for arrays
========
select * from bid where a < b < c
--------
error: < cannot follow another comparison
 --> line 1, column 31
  |
1 | select * from bid where a < b < c
  |                               ^
hint: join the two by AND, or use parentheses
========
select * from bid where a in 5
--------
error: expected "(", found the number 5
 --> line 1, column 30
  |
1 | select * from bid where a in 5
  |                              ^
========
select * from bid where a in ()
--------
error: expected an expression, found ")"
 --> line 1, column 31
  |
1 | select * from bid where a in ()
  |                               ^
========
select * from bid where a between 1 or 2
--------
error: expected AND, found "or"
 --> line 1, column 37
  |
1 | select * from bid where a between 1 or 2
  |                                     ^^
========
select * from bid where a is nul
--------
error: expected NULL, found "nul"
 --> line 1, column 30
  |
1 | select * from bid where a is nul
  |                              ^^^
hint: did you mean NULL?
========
select * from bid where !a
--------
error: unexpected character "!"
 --> line 1, column 25
  |
1 | select * from bid where !a
  |                         ^
hint: did you mean NOT?
========
select * from bid group price
--------
error: expected BY, found "price"
 --> line 1, column 25
  |
1 | select * from bid group price
  |                         ^^^^^
========
select * from bid order price
--------
error: expected BY, found "price"
 --> line 1, column 25
  |
1 | select * from bid order price
  |                         ^^^^^
========
select a from bid group by
--------
error: expected an expression, found the end of the statement
 --> line 1, column 27
  |
1 | select a from bid group by
  |                           ^
========
select (a + b from bid
--------
error: expected ")", found "from"
 --> line 1, column 15
  |
1 | select (a + b from bid
  |               ^^^^
========
select a + b) from bid
--------
error: expected AS, FROM, ",", WHERE, ... or the end of the statement, found ")"
 --> line 1, column 13
  |
1 | select a + b) from bid
  |             ^
========
select f(a from bid
--------
error: expected ",", ORDER BY or ")", found "from"
 --> line 1, column 12
  |
1 | select f(a from bid
  |            ^^^^
========
select count(distinct) from bid
--------
error: expected an expression, found ")"
 --> line 1, column 22
  |
1 | select count(distinct) from bid
  |                      ^
========
select case when a then b from bid
--------
error: expected WHEN, ELSE or END, found "from"
 --> line 1, column 27
  |
1 | select case when a then b from bid
  |                           ^^^^
========
select case a whne 1 then 2 end from bid
--------
error: expected WHEN, found "whne"
 --> line 1, column 15
  |
1 | select case a whne 1 then 2 end from bid
  |               ^^^^
hint: did you mean WHEN?
========
select case else 1 end from bid
--------
error: expected WHEN or an expression, found "else"
 --> line 1, column 13
  |
1 | select case else 1 end from bid
  |             ^^^^
hint: ELSE is a reserved word; as a name it is written "else"
========
select cast(a as) from bid
--------
error: expected a type, found ")"
 --> line 1, column 17
  |
1 | select cast(a as) from bid
  |                 ^
========
select cast(a as integr) from bid
--------
error: type "integr" does not exist
 --> line 1, column 18
  |
1 | select cast(a as integr) from bid
  |                  ^^^^^^
hint: did you mean INTEGER?
========
select cast(a int) from bid
--------
error: expected AS, found "int"
 --> line 1, column 15
  |
1 | select cast(a int) from bid
  |               ^^^
========
select a::timestmp from bid
--------
error: type "timestmp" does not exist
 --> line 1, column 11
  |
1 | select a::timestmp from bid
  |           ^^^^^^^^
hint: did you mean TIMESTAMP?
========
select cast(a as decimal(x)) from bid
--------
error: expected a precision, found "x"
 --> line 1, column 26
  |
1 | select cast(a as decimal(x)) from bid
  |                          ^
========
select cast(a as varchar(99999999999999999999)) from bid
--------
error: a length cannot be 99999999999999999999
 --> line 1, column 26
  |
1 | select cast(a as varchar(99999999999999999999)) from bid
  |                          ^^^^^^^^^^^^^^^^^^^^
========
select cast(a as time with time zone) from bid
--------
error: TIME WITH TIME ZONE is not supported
 --> line 1, column 23
  |
1 | select cast(a as time with time zone) from bid
  |                       ^^^^^^^^^^^^^^
hint: use TIME, or TIMESTAMP WITH TIME ZONE
========
select 'abc from bid
--------
error: this string has no end
 --> line 1, column 8
  |
1 | select 'abc from bid
  |        ^
hint: a quote inside a string is written twice: 'it''s'
========
select "abc from bid
--------
error: this quoted name has no end
 --> line 1, column 8
  |
1 | select "abc from bid
  |        ^
========
select $$abc from bid
--------
error: this string has no end
 --> line 1, column 8
  |
1 | select $$abc from bid
  |        ^^
========
select /* a from bid
--------
error: this comment has no end
 --> line 1, column 8
  |
1 | select /* a from bid
  |        ^^
========
select "" from bid
--------
error: a quoted name cannot be empty
 --> line 1, column 8
  |
1 | select "" from bid
  |        ^^
========
select 1abc from bid
--------
error: a number cannot go on with letters: "1abc"
 --> line 1, column 8
  |
1 | select 1abc from bid
  |        ^^^^
hint: put a space behind the number, or quote the text
========
select X'ABC' from bid
--------
error: X'...' needs an even number of digits
 --> line 1, column 8
  |
1 | select X'ABC' from bid
  |        ^^^^^^
========
select X'AG' from bid
--------
error: only hexadecimal digits can stand in X'...'
 --> line 1, column 11
  |
1 | select X'AG' from bid
  |           ^
========
select E'\xff' from bid
--------
error: the escapes of this string do not give valid UTF-8
 --> line 1, column 8
  |
1 | select E'\xff' from bid
  |        ^^^^^^^
========
select E'\u12' from bid
--------
error: this escape sequence is not valid
 --> line 1, column 10
  |
1 | select E'\u12' from bid
  |          ^^
========
select ‘abc’ from bid
--------
error: unexpected character "‘"
 --> line 1, column 8
  |
1 | select ‘abc’ from bid
  |        ^^^^^
hint: use the plain quotes ' and "
========
select @a from bid
--------
error: unexpected character "@"
 --> line 1, column 8
  |
1 | select @a from bid
  |        ^
========
select interval 5 from bid
--------
error: expected a unit such as SECOND, found "from"
 --> line 1, column 19
  |
1 | select interval 5 from bid
  |                   ^^^^
========
select extract(hour, ts) from bid
--------
error: expected FROM, found ","
 --> line 1, column 20
  |
1 | select extract(hour, ts) from bid
  |                    ^
========
select floor(ts to fortnight) from bid
--------
error: expected a unit such as DAY, found "fortnight"
 --> line 1, column 20
  |
1 | select floor(ts to fortnight) from bid
  |                    ^^^^^^^^^
========
select * from a join b
--------
error: expected AS, ON or USING, found the end of the statement
 --> line 1, column 23
  |
1 | select * from a join b
  |                       ^
hint: every join but CROSS JOIN needs a condition
========
select * from a natural cross join b
--------
error: NATURAL cannot stand before CROSS JOIN
 --> line 1, column 36
  |
1 | select * from a natural cross join b
  |                                    ^
========
select * from a left b on x = y
--------
error: expected OUTER or JOIN, found "b"
 --> line 1, column 22
  |
1 | select * from a left b on x = y
  |                      ^
========
select * from a cross b
--------
error: expected JOIN, found "b"
 --> line 1, column 23
  |
1 | select * from a cross b
  |                       ^
========
select * from (select 1
--------
error: expected AS, FROM, ",", WHERE, ... or ")", found the end of the statement
 --> line 1, column 24
  |
1 | select * from (select 1
  |                        ^
hint: the "(" before "select" is not closed
========
select * from table(bid)
--------
error: expected "(", found ")"
 --> line 1, column 24
  |
1 | select * from table(bid)
  |                        ^
========
select * from tumble(table, descriptor(ts), interval '1' second)
--------
error: expected a table name, found ","
 --> line 1, column 27
  |
1 | select * from tumble(table, descriptor(ts), interval '1' second)
  |                           ^
========
select * from tumble(table bid, descriptor(), interval '1' second)
--------
error: expected a column name, found ")"
 --> line 1, column 44
  |
1 | select * from tumble(table bid, descriptor(), interval '1' second)
  |                                            ^
========
with recursive a (select 1) select * from a
--------
error: expected AS, found "("
 --> line 1, column 18
  |
1 | with recursive a (select 1) select * from a
  |                  ^
========
select a operator(pg_catalog.?) b
--------
error: expected an operator, found "?"
 --> line 1, column 30
  |
1 | select a operator(pg_catalog.?) b
  |                              ^
========
select a collate "de_DE" from t
--------
error: collation "de_DE" is not supported
 --> line 1, column 18
  |
1 | select a collate "de_DE" from t
  |                  ^^^^^^^
hint: text is ordered by its code points: COLLATE "C"
========
pause stream s
--------
error: expected MATERIALIZED VIEW, ALERT, QUERY or PUMP, found "stream"
 --> line 1, column 7
  |
1 | pause stream s
  |       ^^^^^^
hint: PAUSE QUERY name
========
with a (select 1) select * from a
--------
error: expected AS, found "("
 --> line 1, column 8
  |
1 | with a (select 1) select * from a
  |        ^
========
with a as select 1 select * from a
--------
error: expected "(", found "select"
 --> line 1, column 11
  |
1 | with a as select 1 select * from a
  |           ^^^^^^
========
select 1 union select
--------
error: expected DISTINCT, ALL or an expression, found the end of the statement
 --> line 1, column 22
  |
1 | select 1 union select
  |                      ^
========
select 1 union 2
--------
error: expected ALL, DISTINCT, SELECT, VALUES or WITH, found the number 2
 --> line 1, column 16
  |
1 | select 1 union 2
  |                ^
========
select 1 limit 1 limit 2
--------
error: LIMIT is given twice
 --> line 1, column 18
  |
1 | select 1 limit 1 limit 2
  |                  ^^^^^
========
select 1 order a
--------
error: expected BY, found "a"
 --> line 1, column 16
  |
1 | select 1 order a
  |                ^
========
select 1 fetch first 5 rows
--------
error: expected ONLY, found the end of the statement
 --> line 1, column 28
  |
1 | select 1 fetch first 5 rows
  |                            ^
========
select * from bid emit chnages
--------
error: expected CHANGES, found "chnages"
 --> line 1, column 24
  |
1 | select * from bid emit chnages
  |                        ^^^^^^^
hint: did you mean CHANGES?
========
select * from bid emit on windw close
--------
error: expected WINDOW, found "windw"
 --> line 1, column 27
  |
1 | select * from bid emit on windw close
  |                           ^^^^^
hint: did you mean WINDOW?
========
select * from bid start from
--------
error: expected TRIM_HORIZON, LATEST, a time or a sequence number in quotes, found the end of the statement
 --> line 1, column 29
  |
1 | select * from bid start from
  |                             ^
========
select a, sum(b) over (partition a) from c
--------
error: expected PARTITION BY, ORDER BY, ROWS, RANGE, ... or ")", found "a"
 --> line 1, column 34
  |
1 | select a, sum(b) over (partition a) from c
  |                                  ^
========
select a, sum(b) over (order by a rows between 1 and 2) from c
--------
error: expected PRECEDING or FOLLOWING, found "and"
 --> line 1, column 50
  |
1 | select a, sum(b) over (order by a rows between 1 and 2) from c
  |                                                  ^^^
========
select 1; selct 2
--------
error: expected SELECT, found "selct"
 --> line 1, column 11
  |
1 | select 1; selct 2
  |           ^^^^^
hint: did you mean SELECT?
========
create stream
--------
error: expected a stream name, found the end of the statement
 --> line 1, column 14
  |
1 | create stream
  |              ^
========
create strem a (b int)
--------
error: expected STREAM, found "strem"
 --> line 1, column 8
  |
1 | create strem a (b int)
  |        ^^^^^
hint: did you mean STREAM?
========
create functoin f(a int) returns int as $$ 1 $$
--------
error: expected FUNCTION, found "functoin"
 --> line 1, column 8
  |
1 | create functoin f(a int) returns int as $$ 1 $$
  |        ^^^^^^^^
hint: did you mean FUNCTION?
========
create stream a (b)
--------
error: expected a type, found ")"
 --> line 1, column 19
  |
1 | create stream a (b)
  |                   ^
========
create stream a (b int,)
--------
error: expected WATERMARK, PRIMARY KEY or a column name, found ")"
 --> line 1, column 24
  |
1 | create stream a (b int,)
  |                        ^
hint: is there a comma too many before ")"?
========
create stream a (b int c int)
--------
error: expected PRIMARY KEY, NULL, NOT NULL, "," or ")", found "c"
 --> line 1, column 24
  |
1 | create stream a (b int c int)
  |                        ^
========
create stream a (b int) shards many
--------
error: expected a number of shards, found "many"
 --> line 1, column 32
  |
1 | create stream a (b int) shards many
  |                                ^^^^
========
create stream a (b int) shards 2 shards 3
--------
error: SHARDS is given twice
 --> line 1, column 34
  |
1 | create stream a (b int) shards 2 shards 3
  |                                  ^^^^^^
========
create stream a (b int) retain 5
--------
error: expected an interval or a size such as '10 GB', found the number 5
 --> line 1, column 32
  |
1 | create stream a (b int) retain 5
  |                                ^
========
create stream a (b int) with (connector 'file')
--------
error: expected "=", found the string 'file'
 --> line 1, column 41
  |
1 | create stream a (b int) with (connector 'file')
  |                                         ^^^^^^
========
create stream a (b int) with (connector = )
--------
error: expected a value: a string, a number or a word, found ")"
 --> line 1, column 43
  |
1 | create stream a (b int) with (connector = )
  |                                           ^
========
create stream a (b int) with (first-event = 5)
--------
error: expected "=", found "-"
 --> line 1, column 36
  |
1 | create stream a (b int) with (first-event = 5)
  |                                    ^
hint: a name with a hyphen is quoted: 'first-...' = ...
========
create stream a (b int) with (a = 1, A = 2)
--------
error: option "A" is given twice
 --> line 1, column 38
  |
1 | create stream a (b int) with (a = 1, A = 2)
  |                                      ^
========
create stream a (b int, watermark for as b)
--------
error: expected a column name, found "as"
 --> line 1, column 39
  |
1 | create stream a (b int, watermark for as b)
  |                                       ^^
hint: AS is a reserved word; as a name it is written "as"
========
create stream a (b int, watemark for b as b)
--------
error: expected WATERMARK, found "watemark"
 --> line 1, column 25
  |
1 | create stream a (b int, watemark for b as b)
  |                         ^^^^^^^^
hint: did you mean WATERMARK?
========
create stream a (b int primary key, primary key (b))
--------
error: PRIMARY KEY is given twice
 --> line 1, column 37
  |
1 | create stream a (b int primary key, primary key (b))
  |                                     ^^^^^^^
========
create stream a (b int) partiton by b
--------
error: expected PARTITION BY, found "partiton"
 --> line 1, column 25
  |
1 | create stream a (b int) partiton by b
  |                         ^^^^^^^^
hint: did you mean PARTITION BY?
========
create view v select 1
--------
error: expected AS, found "select"
 --> line 1, column 15
  |
1 | create view v select 1
  |               ^^^^^^
========
create view v as insert into a select 1
--------
error: expected SELECT, VALUES or WITH, found "insert"
 --> line 1, column 18
  |
1 | create view v as insert into a select 1
  |                  ^^^^^^
========
create query q as select 1
--------
error: expected INSERT INTO, found "select"
 --> line 1, column 19
  |
1 | create query q as select 1
  |                   ^^^^^^
hint: a saved query writes its rows somewhere: CREATE QUERY q AS INSERT INTO .. SELECT ..; a query with a name is a VIEW
========
create or view v as select 1
--------
error: expected REPLACE, found "view"
 --> line 1, column 11
  |
1 | create or view v as select 1
  |           ^^^^
========
insert bid select 1
--------
error: expected INTO, found "bid"
 --> line 1, column 8
  |
1 | insert bid select 1
  |        ^^^
========
insert into bid (a, b) value (1, 2)
--------
error: expected VALUES, found "value"
 --> line 1, column 24
  |
1 | insert into bid (a, b) value (1, 2)
  |                        ^^^^^
hint: did you mean VALUES?
========
insert into bid
--------
error: expected SELECT, VALUES or WITH, found the end of the statement
 --> line 1, column 16
  |
1 | insert into bid
  |                ^
========
drop bid
--------
error: expected STREAM, TABLE, VIEW, QUERY, ... or FUNCTION, found "bid"
 --> line 1, column 6
  |
1 | drop bid
  |      ^^^
========
drop stream
--------
error: expected a stream name, found the end of the statement
 --> line 1, column 12
  |
1 | drop stream
  |            ^
========
show streems
--------
error: expected STREAMS, found "streems"
 --> line 1, column 6
  |
1 | show streems
  |      ^^^^^^^
hint: did you mean STREAMS?
========
show
--------
error: expected STREAMS, TABLES, VIEWS, QUERIES, ... or CREATE, found the end of the statement
 --> line 1, column 5
  |
1 | show
  |     ^
========
describe
--------
error: expected a stream, table, view or query name, found the end of the statement
 --> line 1, column 9
  |
1 | describe
  |         ^
========
explain foo
--------
error: expected LOGICAL, PHYSICAL, PLAN FOR, SELECT, ... or another statement, found "foo"
 --> line 1, column 9
  |
1 | explain foo
  |         ^^^
========
set a
--------
error: expected "=" or TO, found the end of the statement
 --> line 1, column 6
  |
1 | set a
  |      ^
========
set a 5
--------
error: expected "=" or TO, found the number 5
 --> line 1, column 7
  |
1 | set a 5
  |       ^
========
update bid set a = 1
--------
error: UPDATE is not supported
 --> line 1, column 1
  |
1 | update bid set a = 1
  | ^^^^^^
hint: rows of a stream are only appended; a stream WITH (changelog = 'upsert') and a PRIMARY KEY takes changes as rows
========
delete from bid
--------
error: DELETE is not supported
 --> line 1, column 1
  |
1 | delete from bid
  | ^^^^^^
hint: rows of a stream are only appended; a stream WITH (changelog = 'upsert') and a PRIMARY KEY takes changes as rows
========
foo
--------
error: expected SELECT, INSERT, CREATE, DROP, ... or another statement, found "foo"
 --> line 1, column 1
  |
1 | foo
  | ^^^
========
(select 1
--------
error: expected AS, FROM, ",", WHERE, ... or ")", found the end of the statement
 --> line 1, column 10
  |
1 | (select 1
  |          ^
hint: the "(" before "select" is not closed
========
select 1 1
--------
error: expected AS, FROM, ",", WHERE, ... or the end of the statement, found the number 1
 --> line 1, column 10
  |
1 | select 1 1
  |          ^
========
select a from b where c like
--------
error: expected an expression, found the end of the statement
 --> line 1, column 29
  |
1 | select a from b where c like
  |                             ^
========
select row_number() over w w2 w3 from b
--------
error: expected ",", FROM, WHERE, GROUP BY, ... or the end of the statement, found "w3"
 --> line 1, column 31
  |
1 | select row_number() over w w2 w3 from b
  |                               ^^
========
select a.b., d from c
--------
error: expected a name, found ","
 --> line 1, column 12
  |
1 | select a.b., d from c
  |            ^
========
select a.5 from c
--------
error: expected AS, FROM, ",", WHERE, ... or the end of the statement, found the number 0.5
 --> line 1, column 9
  |
1 | select a.5 from c
  |         ^^
========
select * from (a b) c
--------
error: this table already has the name "b"
 --> line 1, column 21
  |
1 | select * from (a b) c
  |                     ^
========
select
  price,
  bidder
form bid
--------
error: expected FROM, found "form"
 --> line 4, column 1
  |
4 | form bid
  | ^^^^
hint: did you mean FROM?
========
select * from bid match_recognize (partition by a)
--------
error: expected ",", ORDER BY, MEASURES, ONE ROW PER MATCH, ... or PATTERN, found ")"
 --> line 1, column 50
  |
1 | select * from bid match_recognize (partition by a)
  |                                                  ^
========
select * from t match_recognize (order by ts pattern (a b+) define b as b.x > 1) m where
--------
error: expected an expression, found the end of the statement
 --> line 1, column 89
  |
1 | select * from t match_recognize (order by ts pattern (a b+) define b as b.x > 1) m where
  |                                                                                         ^
========
select * from t match_recognize (order by ts measures a.x pattern (a) define a as true)
--------
error: expected AS, found "pattern"
 --> line 1, column 59
  |
1 | select * from t match_recognize (order by ts measures a.x pattern (a) define a as true)
  |                                                           ^^^^^^^
hint: every measure has a name: MEASURES expression AS name
========
select * from t match_recognize (order by ts measures a.x as y patern (a) define a as true)
--------
error: expected PATTERN, found "patern"
 --> line 1, column 64
  |
1 | select * from t match_recognize (order by ts measures a.x as y patern (a) define a as true)
  |                                                                ^^^^^^
hint: did you mean PATTERN?
========
select * from t match_recognize (order by ts one row per pattern (a) define a as true)
--------
error: expected MATCH, found "pattern"
 --> line 1, column 58
  |
1 | select * from t match_recognize (order by ts one row per pattern (a) define a as true)
  |                                                          ^^^^^^^
========
select * from t match_recognize (order by ts after match skip to pattern (a) define a as true)
--------
error: expected PATTERN, found "("
 --> line 1, column 74
  |
1 | select * from t match_recognize (order by ts after match skip to pattern (a) define a as true)
  |                                                                          ^
========
select * from t match_recognize (order by ts pattern (a b++) define a as true)
--------
error: a quantifier cannot follow another one
 --> line 1, column 59
  |
1 | select * from t match_recognize (order by ts pattern (a b++) define a as true)
  |                                                           ^
hint: put parentheses around what is repeated
========
select * from t match_recognize (order by ts pattern (a || b) define a as true)
--------
error: expected "*", "+", "?", "|" or ")", found "||"
 --> line 1, column 57
  |
1 | select * from t match_recognize (order by ts pattern (a || b) define a as true)
  |                                                         ^^
========
select * from t match_recognize (order by ts pattern (a | ) define a as true)
--------
error: expected a variable name, found ")"
 --> line 1, column 59
  |
1 | select * from t match_recognize (order by ts pattern (a | ) define a as true)
  |                                                           ^
hint: a pattern is made of variables: PATTERN (a b+ c)
========
select * from t match_recognize (order by ts pattern (a{x}) define a as true)
--------
error: expected a number of repetitions, found "x"
 --> line 1, column 57
  |
1 | select * from t match_recognize (order by ts pattern (a{x}) define a as true)
  |                                                         ^
========
select * from t match_recognize (order by ts pattern (a{1,1000000}) define a as true)
--------
error: a quantifier can count to 100000 at most
 --> line 1, column 59
  |
1 | select * from t match_recognize (order by ts pattern (a{1,1000000}) define a as true)
  |                                                           ^^^^^^^
========
select * from t match_recognize (order by ts pattern ({- a) define a as true)
--------
error: expected "*", "+", "?", "|" or "-", found ")"
 --> line 1, column 59
  |
1 | select * from t match_recognize (order by ts pattern ({- a) define a as true)
  |                                                           ^
========
select * from t match_recognize (order by ts pattern (a b)
--------
error: expected WITHIN, SUBSET or DEFINE, found the end of the statement
 --> line 1, column 59
  |
1 | select * from t match_recognize (order by ts pattern (a b)
  |                                                           ^
========
select * from t match_recognize (order by ts pattern (a) within interval '1' hour within interval '1' hour define a as true)
--------
error: WITHIN is given twice
 --> line 1, column 83
  |
1 | ...cognize (order by ts pattern (a) within interval '1' hour within interval '1' hour define a as true)
  |                                                              ^^^^^^
========
select * from t match_recognize (order by ts pattern (a) subset u = a define a as true)
--------
error: expected "(", found "a"
 --> line 1, column 69
  |
1 | select * from t match_recognize (order by ts pattern (a) subset u = a define a as true)
  |                                                                     ^
"""#
