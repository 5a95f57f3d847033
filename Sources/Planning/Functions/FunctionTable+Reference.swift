// What the reference says of each function beside its signatures: an example with its result, and what fails a row. By the function's first
// name. The examples are run by a test, so they are true; the reference of functions (grammar/FUNCTIONS.md) is made of them.

extension FunctionTable {
    package struct Reference: Hashable, Sendable {
        package var call: String
        /// As text; NULL as the word.
        package var result: String
        /// What fails a row; empty when nothing does.
        package var fails: String
    }

    package static let reference: [String: Reference] = {
        var entries: [String: Reference] = [:]
        for line in lines.split(separator: "\n") {
            let parts = line.split(separator: " ¦ ").map { String($0.drop { $0 == " " }) }
            guard parts.count >= 3 else { continue }
            entries[parts[0]] = Reference(call: parts[1], result: parts[2], fails: parts.count > 3 ? parts[3] : "")
        }
        return entries
    }()

    /// name ¦ example ¦ its result ¦ what fails a row
    private static let lines = #"""
        coalesce ¦ coalesce(NULL, 'a', 'b') ¦ a
        nullif ¦ nullif(3, 3) ¦ NULL
        if ¦ if(2 > 1, 'yes', 'no') ¦ yes
        greatest ¦ greatest(3, NULL, 7) ¦ 7
        least ¦ least(3, NULL, 7) ¦ 3
        nvl2 ¦ nvl2(NULL, 'there', 'missing') ¦ missing
        decode ¦ decode(2, 1, 'one', 2, 'two', 'many') ¦ two ¦ of two arguments: an unknown encoding or character set; a text or bytes not of it
        elt ¦ elt(2, 'a', 'b', 'c') ¦ b
        nullifzero ¦ nullifzero(0) ¦ NULL
        zeroifnull ¦ zeroifnull(CAST(NULL AS INT)) ¦ 0
        num_nulls ¦ num_nulls(1, NULL, 'a') ¦ 1
        num_nonnulls ¦ num_nonnulls(1, NULL, 'a') ¦ 2
        typeof ¦ typeof(1.50) ¦ DECIMAL(3, 2)
        upper ¦ upper('grün') ¦ GRÜN
        lower ¦ lower('GRÜN') ¦ grün
        initcap ¦ initcap('hello wORLD') ¦ Hello World
        char_length ¦ char_length('grün') ¦ 4
        bit_length ¦ bit_length('grün') ¦ 40
        octet_length ¦ octet_length('grün') ¦ 5
        substring ¦ substring('streams', 2, 3) ¦ tre ¦ a negative length
        left ¦ left('streams', 3) ¦ str
        right ¦ right('streams', 3) ¦ ams
        overlay ¦ overlay('Txxxxas', 'hom', 2, 4) ¦ Thomas ¦ a position below 1
        position ¦ position('e' IN 'streams') ¦ 4
        strpos ¦ strpos('streams', 'e') ¦ 4
        locate ¦ locate('s', 'streams', 2) ¦ 7
        replace ¦ replace('a.b.c', '.', '/') ¦ a/b/c ¦ a result of more than 16 MiB
        translate ¦ translate('12345', '143', 'ax') ¦ a2x5
        btrim ¦ btrim('xxhixx', 'x') ¦ hi
        ltrim ¦ ltrim('xxhixx', 'x') ¦ hixx
        rtrim ¦ rtrim('xxhixx', 'x') ¦ xxhi
        lpad ¦ lpad('7', 3, '0') ¦ 007 ¦ a length of more than 4 Mi characters
        rpad ¦ rpad('7', 3, '.') ¦ 7.. ¦ a length of more than 4 Mi characters
        repeat ¦ repeat('ab', 3) ¦ ababab ¦ a result of more than 16 MiB
        reverse ¦ reverse('grün') ¦ nürg
        concat ¦ concat('a', NULL, 1) ¦ a1 ¦ a result of more than 16 MiB
        concat_ws ¦ concat_ws('-', 'a', NULL, 1) ¦ a-1 ¦ a result of more than 16 MiB
        split_part ¦ split_part('a/b/c', '/', -1) ¦ c ¦ a part number of 0
        split_index ¦ split_index('a/b/c', '/', 0) ¦ a
        starts_with ¦ starts_with('streams', 'str') ¦ true
        ends_with ¦ ends_with('streams', 's') ¦ true
        ascii ¦ ascii('ü') ¦ 252
        chr ¦ chr(252) ¦ ü ¦ 0, a negative number, or one that is no code point
        contains ¦ contains('streams', 'tre') ¦ true
        substring_index ¦ substring_index('www.apache.org', '.', 2) ¦ www.apache
        space ¦ 'x' || space(2) || 'x' ¦ x  x ¦ more than 16 Mi spaces
        levenshtein ¦ levenshtein('kitten', 'sitting') ¦ 3 ¦ a text of more than 1,000 characters
        hamming ¦ hamming('karolin', 'kathrin') ¦ 3 ¦ texts of different lengths
        soundex ¦ soundex('Robert') ¦ R163
        difference ¦ difference('Robert', 'Rupert') ¦ 4
        is_digit ¦ is_digit('2026') ¦ true
        is_alpha ¦ is_alpha('grün') ¦ true
        is_decimal ¦ is_decimal('1.5e3') ¦ true
        quote_literal ¦ quote_literal('it''s') ¦ 'it''s' ¦ a result of more than 16 MiB
        quote_nullable ¦ quote_nullable(CAST(NULL AS VARCHAR)) ¦ NULL ¦ a result of more than 16 MiB
        quote_ident ¦ quote_ident('my column') ¦ "my column" ¦ a result of more than 16 MiB
        format ¦ format('%s: %5s %I', 'a', 42, 'my column') ¦ a:    42 "my column" ¦ too few arguments, an unknown letter, NULL for `%I`
        md5 ¦ md5('abc') ¦ 900150983cd24fb0d6963f7d28e17f72
        sha1 ¦ sha1('abc') ¦ a9993e364706816aba3e25717850c26c9cd0d89d
        sha224 ¦ sha224('abc') ¦ 23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7
        sha256 ¦ sha256('abc') ¦ ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
        sha384 ¦ sha384('abc') ¦ cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7
        sha512 ¦ sha512('abc') ¦ ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
        sha2 ¦ sha2('abc', 256) ¦ ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad ¦ (when planned) a length that is none of the four
        crc32 ¦ crc32('123456789') ¦ 3421780262
        crc32c ¦ crc32c('123456789') ¦ 3808858755
        to_hex ¦ to_hex(255) ¦ ff ¦ a result of more than 16 MiB
        hex ¦ hex('abc') ¦ 616263 ¦ a result of more than 16 MiB
        unhex ¦ unhex('cafe') ¦ \xcafe ¦ anything but pairs of hexadecimal digits
        bin ¦ bin(10) ¦ 1010
        to_oct ¦ to_oct(64) ¦ 100
        encode ¦ encode(X'CAFE', 'base64') ¦ yv4= ¦ an unknown encoding or character set; a character that the set lacks
        convert_to ¦ convert_to('ü', 'UTF-8') ¦ \xc3bc ¦ an unknown character set; a character that it lacks
        convert_from ¦ convert_from(X'C3BC', 'UTF-8') ¦ ü ¦ an unknown character set; bytes that are no text in it
        to_base64 ¦ to_base64('hello') ¦ aGVsbG8= ¦ a result of more than 16 MiB
        from_base64 ¦ from_base64('aGVsbG8=') ¦ hello ¦ a text that is no base64, or whose bytes are no UTF-8
        url_encode ¦ url_encode('a b&c/ü') ¦ a+b%26c%2F%C3%BC ¦ a result of more than 16 MiB
        url_decode ¦ url_decode('a+b%26c') ¦ a b&c ¦ a percent sign without two hexadecimal digits; bytes that are no UTF-8
        parse_url ¦ parse_url('https://example.com/a?k=v#top', 'QUERY', 'k') ¦ v
        get_byte ¦ get_byte(X'CAFE', 1) ¦ 254 ¦ a number outside of the bytes
        set_byte ¦ set_byte(X'CAFE', 1, 0) ¦ \xca00 ¦ a number outside of the bytes
        get_bit ¦ get_bit(X'CAFE', 1) ¦ 1 ¦ a number outside of the bytes
        set_bit ¦ set_bit(X'CAFE', 0, 1) ¦ \xcbfe ¦ a number outside of the bytes; a new bit other than 0 and 1
        bit_count ¦ bit_count(255) ¦ 8
        regexp_like ¦ regexp_like('Bid 42', '^bid \d+$', 'i') ¦ true ¦ a pattern from a column that is not valid
        regexp_extract ¦ regexp_extract('channel_id=77&x', 'channel_id=(\d+)', 1) ¦ 77 ¦ a pattern from a column that is not valid; a group that is not there
        regexp_replace ¦ regexp_replace('2026-05-01', '(\d+)-(\d+)-(\d+)', '$3.$2.$1') ¦ 01.05.2026 ¦ a pattern from a column that is not valid
        regexp_count ¦ regexp_count('a1b22c333', '\d+') ¦ 3 ¦ a pattern from a column that is not valid; a position below 1
        regexp_instr ¦ regexp_instr('a1b22c333', '\d+', 1, 2) ¦ 4 ¦ a pattern from a column that is not valid; a position or number below 1
        regexp_substr ¦ regexp_substr('a1b22c333', '\d+', 1, 2) ¦ 22 ¦ a pattern from a column that is not valid; a position or number below 1
        regexp_full_match ¦ regexp_full_match('a1', '[a-z]\d') ¦ true ¦ a pattern from a column that is not valid
        abs ¦ abs(-7) ¦ 7 ¦ the smallest integer, which has no positive counterpart
        sign ¦ sign(-7) ¦ -1
        ceil ¦ ceil(1.2) ¦ 2 ¦ a DECIMAL that gets a digit too many
        floor ¦ floor(TIMESTAMP '2026-05-17 13:45:00', 'hour') ¦ 2026-05-17T13:00:00.000 ¦ a DECIMAL that gets a digit too many
        round ¦ round(2.345, 2) ¦ 2.350 ¦ a number that gets a digit too many
        trunc ¦ trunc(2.349, 2) ¦ 2.340 ¦ a number that gets a digit too many
        mod ¦ mod(-7, 3) ¦ -1 ¦ a divisor of 0
        div ¦ div(7, 2) ¦ 3 ¦ a divisor of 0
        power ¦ power(2, 10) ¦ 1024 ¦ 0 to a negative power; a negative number to a broken one
        sqrt ¦ sqrt(2) ¦ 1.4142135623730951 ¦ a negative number
        cbrt ¦ cbrt(27) ¦ 3
        exp ¦ exp(1) ¦ 2.718281828459045 ¦ a result too large for a DOUBLE
        ln ¦ ln(10) ¦ 2.302585092994046 ¦ 0 and negative numbers
        log10 ¦ log10(1000) ¦ 3 ¦ 0 and negative numbers
        log2 ¦ log2(8) ¦ 3 ¦ 0 and negative numbers
        log ¦ log(2, 8) ¦ 3 ¦ 0 and negative numbers; a base of 1
        sin ¦ sin(1) ¦ 0.8414709848078965
        cos ¦ cos(1) ¦ 0.5403023058681398
        tan ¦ tan(1) ¦ 1.5574077246549023
        cot ¦ cot(1) ¦ 0.6420926159343306
        asin ¦ asin(1) ¦ 1.5707963267948966 ¦ below -1 and above 1
        acos ¦ acos(0) ¦ 1.5707963267948966 ¦ below -1 and above 1
        atan ¦ atan(1) ¦ 0.7853981633974483
        atan2 ¦ atan2(1, 1) ¦ 0.7853981633974483
        sinh ¦ sinh(1) ¦ 1.1752011936438014
        cosh ¦ cosh(1) ¦ 1.5430806348152437
        tanh ¦ tanh(1) ¦ 0.7615941559557649
        asinh ¦ asinh(1) ¦ 0.881373587019543
        acosh ¦ acosh(2) ¦ 1.3169578969248166 ¦ below 1
        atanh ¦ atanh(0.5) ¦ 0.5493061443340548 ¦ below -1 and above 1
        sec ¦ sec(0) ¦ 1
        csc ¦ csc(1) ¦ 1.1883951057781212
        sind ¦ sind(30) ¦ 0.5 ¦ an infinity
        cosd ¦ cosd(60) ¦ 0.5 ¦ an infinity
        tand ¦ tand(45) ¦ 1 ¦ an infinity
        cotd ¦ cotd(45) ¦ 1 ¦ an infinity
        asind ¦ asind(0.5) ¦ 30 ¦ below -1 and above 1
        acosd ¦ acosd(0.5) ¦ 60 ¦ below -1 and above 1
        atand ¦ atand(1) ¦ 45
        atan2d ¦ atan2d(1, 1) ¦ 45
        log1p ¦ log1p(1) ¦ 0.6931471805599453 ¦ -1 and less
        expm1 ¦ expm1(1) ¦ 1.718281828459045 ¦ a result too large for a DOUBLE
        erf ¦ erf(1) ¦ 0.8427007929497149
        erfc ¦ erfc(1) ¦ 0.15729920705028513
        gamma ¦ gamma(5) ¦ 24 ¦ 0 and negative whole numbers; a result too large for a DOUBLE
        lgamma ¦ lgamma(10) ¦ 12.80182748008147 ¦ 0 and negative whole numbers
        hypot ¦ hypot(3, 4) ¦ 5
        even ¦ even(2.1) ¦ 4
        degrees ¦ degrees(pi()) ¦ 180
        radians ¦ radians(180) ¦ 3.141592653589793
        pi ¦ pi() ¦ 3.141592653589793
        e ¦ e() ¦ 2.718281828459045
        width_bucket ¦ width_bucket(5.35, 0.024, 10.06, 5) ¦ 3 ¦ a count below 1; bounds that are equal or not finite
        factorial ¦ factorial(20) ¦ 2432902008176640000 ¦ a negative number; more than 33
        gcd ¦ gcd(1071, 462) ¦ 21 ¦ a result out of range
        lcm ¦ lcm(4, 6) ¦ 12 ¦ a result out of range
        scale ¦ scale(8.40) ¦ 2
        min_scale ¦ min_scale(8.40) ¦ 1
        isnan ¦ isnan(CAST('NaN' AS DOUBLE)) ¦ true
        isinf ¦ isinf(CAST('-Infinity' AS DOUBLE)) ¦ true
        isfinite ¦ isfinite(1) ¦ true
        signbit ¦ signbit(-1) ¦ true
        nanvl ¦ nanvl(CAST('NaN' AS DOUBLE), 0) ¦ 0
        try_divide ¦ try_divide(1, 0) ¦ NULL ¦ a result out of range
        conv ¦ conv('ff', 16, 10) ¦ 255 ¦ a base below 2 or above 36; a text that is no number in it
        to_number ¦ to_number('-12,454.8', 'S99G999D9') ¦ -12454.8 ¦ a text that does not suit the pattern
        bitand ¦ bitand(12, 10) ¦ 8
        bitor ¦ bitor(12, 10) ¦ 14
        bitxor ¦ bitxor(12, 10) ¦ 6
        bitnot ¦ bitnot(12) ¦ -13
        shiftleft ¦ shiftleft(1, 4) ¦ 16
        shiftright ¦ shiftright(-16, 2) ¦ -4
        now ¦ now() IS NULL ¦ false
        localtimestamp ¦ localtimestamp IS NULL ¦ false
        current_date ¦ current_date IS NULL ¦ false
        current_time ¦ current_time IS NULL ¦ false
        date_part ¦ date_part('week', DATE '2026-01-01') ¦ 1
        year ¦ year(TIMESTAMP '2026-05-17 13:45:12') ¦ 2026
        quarter ¦ quarter(DATE '2026-05-17') ¦ 2
        month ¦ month(DATE '2026-05-17') ¦ 5
        week ¦ week(DATE '2026-05-17') ¦ 20
        dayofmonth ¦ dayofmonth(DATE '2026-05-17') ¦ 17
        dayofweek ¦ dayofweek(DATE '2026-05-17') ¦ 1
        dayofyear ¦ dayofyear(DATE '2026-05-17') ¦ 137
        hour ¦ hour(TIMESTAMP '2026-05-17 13:45:12') ¦ 13
        minute ¦ minute(TIMESTAMP '2026-05-17 13:45:12') ¦ 45
        second ¦ second(TIMESTAMP '2026-05-17 13:45:12') ¦ 12
        date_trunc ¦ date_trunc('month', TIMESTAMP '2026-05-17 13:45:12') ¦ 2026-05-01T00:00:00.000
        timestampadd ¦ TIMESTAMPADD(MONTH, 1, TIMESTAMP '2026-01-31 12:00:00') ¦ 2026-02-28T12:00:00.000 ¦ a result outside of the years 1 to 9999
        timestampdiff ¦ TIMESTAMPDIFF(DAY, TIMESTAMP '2026-05-01 12:00:00', TIMESTAMP '2026-05-17 11:00:00') ¦ 15
        date_format ¦ date_format(TIMESTAMP '2026-05-17 13:45:12', 'dd.MM.yyyy HH:mm') ¦ 17.05.2026 13:45 ¦ a pattern from a column that is not valid
        to_char ¦ to_char(-1234.5, 'FM999,990.00') ¦ -1,234.50 ¦ a pattern from a column that is not valid
        to_timestamp ¦ to_timestamp('17.05.2026 13:45', 'dd.MM.yyyy HH:mm') ¦ 2026-05-17T13:45:00.000 ¦ a text that does not suit the pattern; seconds outside of the years 1 to 9999
        to_timestamp_ltz ¦ to_timestamp_ltz(1800000000000, 3) ¦ 2027-01-15T08:00:00.000Z ¦ a precision other than 0 and 3; a number outside of the years 1 to 9999
        to_date ¦ to_date('17.05.2026', 'dd.MM.yyyy') ¦ 2026-05-17 ¦ a text that does not suit the pattern
        from_unixtime ¦ from_unixtime(1800000000) ¦ 2027-01-15 08:00:00 ¦ a number outside of the years 1 to 9999; a pattern from a column that is not valid
        unix_timestamp ¦ unix_timestamp('2026-05-17 13:45:12') ¦ 1779025512
        make_date ¦ make_date(2026, 5, 17) ¦ 2026-05-17 ¦ a day that there is not
        make_timestamp ¦ make_timestamp(2026, 5, 17, 13, 45, 12.5) ¦ 2026-05-17T13:45:12.500000 ¦ a time that there is not
        last_day ¦ last_day(DATE '2028-02-10') ¦ 2028-02-29
        century ¦ century(DATE '2026-05-17') ¦ 21
        decade ¦ decade(DATE '2026-05-17') ¦ 202
        millennium ¦ millennium(DATE '2026-05-17') ¦ 3
        isoyear ¦ isoyear(DATE '2027-01-01') ¦ 2026
        isodow ¦ isodow(DATE '2026-05-17') ¦ 7
        millisecond ¦ millisecond(TIMESTAMP '2026-05-17 13:45:12.345') ¦ 12345
        microsecond ¦ microsecond(TIMESTAMP '2026-05-17 13:45:12.345') ¦ 12345000
        epoch ¦ epoch(TIMESTAMP '2026-05-17 13:45:12.345') ¦ 1779025512.345000
        yearweek ¦ yearweek(DATE '2027-01-01') ¦ 202653
        dayname ¦ dayname(DATE '2026-05-17') ¦ Sunday
        monthname ¦ monthname(DATE '2026-05-17') ¦ May
        date ¦ date(TIMESTAMP '2026-05-17 13:45:12') ¦ 2026-05-17 ¦ a text that is no date
        age ¦ age(TIMESTAMP '2026-05-17 00:00:00', TIMESTAMP '2024-01-31 12:00:00') ¦ 2 years 3 mons 16 days 12:00:00
        make_time ¦ make_time(13, 45, 12.5) ¦ 13:45:12.500000 ¦ a time that there is not
        overlaps ¦ (DATE '2026-01-01', DATE '2026-01-10') OVERLAPS (DATE '2026-01-09', DATE '2026-01-20') ¦ true
        make_interval ¦ make_interval(1, 2, 0, 3, 4, 5, 6.5) ¦ 1 year 2 mons 3 days 04:05:06.5 ¦ a result out of range
        make_timestamptz ¦ make_timestamptz(2026, 5, 17, 13, 45, 12.5) ¦ 2026-05-17T13:45:12.500000Z ¦ a time that there is not
        date_bin ¦ date_bin(INTERVAL '15' MINUTE, TIMESTAMP '2026-05-17 13:44:12') ¦ 2026-05-17T13:30:00.000 ¦ a length that is not positive or has months
        justify_days ¦ justify_days(INTERVAL '35' DAY) ¦ 1 mon 5 days ¦ a result out of range
        justify_hours ¦ justify_hours(INTERVAL '27' HOUR) ¦ 1 day 03:00:00
        justify_interval ¦ justify_interval(INTERVAL '1' MONTH - INTERVAL '1' HOUR) ¦ 29 days 23:00:00 ¦ a result out of range
        add_months ¦ add_months(DATE '2026-01-31', 1) ¦ 2026-02-28 ¦ a result outside of the years 1 to 9999
        months_between ¦ months_between(DATE '2026-03-15', DATE '2026-01-01') ¦ 2.4516129
        next_day ¦ next_day(DATE '2026-05-17', 'Friday') ¦ 2026-05-22 ¦ an unknown day; a result after the year 9999
        date_add ¦ date_add(DATE '2026-05-17', 20) ¦ 2026-06-06 ¦ a result outside of the years 1 to 9999
        date_sub ¦ date_sub(DATE '2026-05-17', 20) ¦ 2026-04-27 ¦ a result outside of the years 1 to 9999
        datediff ¦ datediff('month', DATE '2026-01-31', DATE '2026-05-01') ¦ 4
        unix_seconds ¦ unix_seconds(TIMESTAMP '2026-05-17 13:45:12') ¦ 1779025512
        unix_millis ¦ unix_millis(TIMESTAMP '2026-05-17 13:45:12.345') ¦ 1779025512345
        unix_micros ¦ unix_micros(TIMESTAMP '2026-05-17 13:45:12.345') ¦ 1779025512345000
        timestamp_seconds ¦ timestamp_seconds(1800000000) ¦ 2027-01-15T08:00:00 ¦ a number outside of the years 1 to 9999
        timestamp_millis ¦ timestamp_millis(1800000000123) ¦ 2027-01-15T08:00:00.123 ¦ a number outside of the years 1 to 9999
        timestamp_micros ¦ timestamp_micros(1800000000123456) ¦ 2027-01-15T08:00:00.123456 ¦ a number outside of the years 1 to 9999
        unix_date ¦ unix_date(DATE '2026-05-17') ¦ 20590
        date_from_unix_date ¦ date_from_unix_date(20590) ¦ 2026-05-17 ¦ a result outside of the years 1 to 9999
        to_years ¦ to_years(2) ¦ 2 years ¦ a result out of range
        to_months ¦ to_months(14) ¦ 1 year 2 mons ¦ a result out of range
        to_weeks ¦ to_weeks(2) ¦ 14 days ¦ a result out of range
        to_days ¦ to_days(2) ¦ 2 days ¦ a result out of range
        to_hours ¦ to_hours(30) ¦ 1 day 06:00:00 ¦ a result out of range
        to_minutes ¦ to_minutes(90) ¦ 01:30:00 ¦ a result out of range
        to_seconds ¦ to_seconds(1.5) ¦ 00:00:01.5 ¦ a result out of range
        to_milliseconds ¦ to_milliseconds(1500) ¦ 00:00:01.5 ¦ a result out of range
        to_microseconds ¦ to_microseconds(1500) ¦ 00:00:00.0015 ¦ a result out of range
        convert_tz ¦ convert_tz('2026-05-17 13:45:12', 'UTC', '+02:00') ¦ 2026-05-17 15:45:12 ¦ a text that is no timestamp
        timezone ¦ timezone('+02:00', TIMESTAMP '2026-05-17 13:45:12') ¦ 2026-05-17T11:45:12.000Z
        cardinality ¦ cardinality(ARRAY[1, 2, 3]) ¦ 3
        array_length ¦ array_length(ARRAY[1, 2, 3], 1) ¦ 3
        array_append ¦ array_append(ARRAY[1, 2], 3) ¦ [1,2,3]
        array_prepend ¦ array_prepend(0, ARRAY[1, 2]) ¦ [0,1,2]
        array_cat ¦ array_cat(ARRAY[1], ARRAY[2, 3]) ¦ [1,2,3]
        array_remove ¦ array_remove(ARRAY[1, 2, 1], 1) ¦ [2]
        array_replace ¦ array_replace(ARRAY[1, 2, 1], 1, 9) ¦ [9,2,9]
        array_position ¦ array_position(ARRAY['a', 'b'], 'b') ¦ 2
        array_positions ¦ array_positions(ARRAY[1, 2, 1], 1) ¦ [1,3]
        array_contains ¦ array_contains(ARRAY[1, 2], 2) ¦ true
        array_contains_all ¦ array_contains_all(ARRAY[1, 2, 3], ARRAY[3, 1]) ¦ true
        arrays_overlap ¦ arrays_overlap(ARRAY[1, 2], ARRAY[2, 3]) ¦ true
        array_distinct ¦ array_distinct(ARRAY[2, 1, 2]) ¦ [2,1]
        array_sort ¦ array_sort(ARRAY[3, 1, 2]) ¦ [1,2,3]
        array_reverse ¦ array_reverse(ARRAY[1, 2, 3]) ¦ [3,2,1]
        array_min ¦ array_min(ARRAY[3, 1, 2]) ¦ 1
        array_max ¦ array_max(ARRAY[3, 1, 2]) ¦ 3
        array_sum ¦ array_sum(ARRAY[3, 1, 2]) ¦ 6 ¦ a sum out of range
        array_slice ¦ array_slice(ARRAY[1, 2, 3, 4], 2, 3) ¦ [2,3]
        trim_array ¦ trim_array(ARRAY[1, 2, 3], 1) ¦ [1,2] ¦ a number outside of the array
        array_to_string ¦ array_to_string(ARRAY['a', 'b'], '-') ¦ a-b
        string_to_array ¦ string_to_array('a,b', ',') ¦ ["a","b"]
        array_union ¦ array_union(ARRAY[1, 2], ARRAY[2, 3]) ¦ [1,2,3]
        array_intersect ¦ array_intersect(ARRAY[1, 2], ARRAY[2, 3]) ¦ [2]
        array_except ¦ array_except(ARRAY[1, 2], ARRAY[2, 3]) ¦ [1]
        element_at ¦ element_at(ARRAY['a', 'b'], 2) ¦ b
        sequence ¦ sequence(1, 7, 2) ¦ [1,3,5,7] ¦ a step of 0 or of months; too many values
        map_keys ¦ map_keys(MAP['a', 1, 'b', 2]) ¦ ["a","b"]
        map_values ¦ map_values(MAP['a', 1, 'b', 2]) ¦ [1,2]
        map_entries ¦ map_entries(MAP['a', 1]) ¦ [{"key":"a","value":1}]
        map_from_arrays ¦ map_from_arrays(ARRAY['a', 'b'], ARRAY[1, 2]) ¦ {"a":1,"b":2} ¦ a NULL key
        map_union ¦ map_union(MAP['a', 1, 'b', 2], MAP['b', 3]) ¦ {"a":1,"b":3}
        any_element ¦ 2 = ANY (ARRAY[1, 2]) ¦ true
        all_elements ¦ 2 <> ALL (ARRAY[1, 2]) ¦ false
        regexp_extract_all ¦ regexp_extract_all('a1b22', '([a-z])([0-9]+)', 2) ¦ ["1","22"] ¦ a group that the pattern does not have
        regexp_match ¦ regexp_match('ab12', '([a-z]+)([0-9]+)') ¦ ["ab","12"] ¦ a pattern that is none
        regexp_split_to_array ¦ regexp_split_to_array('a1b22c', '[0-9]+') ¦ ["a","b","c"] ¦ a pattern that is none
        map_from_entries ¦ map_from_entries(map_entries(MAP['a', 1])) ¦ {"a":1} ¦ a NULL key
        map_contains_key ¦ map_contains_key(MAP['a', 1], 'a') ¦ true
        str_to_map ¦ str_to_map('k1=v1,k2=v2') ¦ {"k1":"v1","k2":"v2"}
        json_value ¦ json_value('{"a": {"b": 7}}', '$.a.b') ¦ 7
        json_query ¦ json_query('{"a": {"b": 7}}', '$.a') ¦ {"b": 7}
        json_exists ¦ json_exists('{"a": {"b": 7}}', '$.c') ¦ false
        jsonb_path_query_array ¦ jsonb_path_query_array('{"a": [1, 2]}', '$.a[*]') ¦ [1,2]
        json_quote ¦ json_quote('a"b') ¦ "a\"b"
        json_unquote ¦ json_unquote('"a\"b"') ¦ a"b
        json_contains ¦ json_contains('{"a": [1, 2], "b": 3}', '{"a": [2]}') ¦ true
        json_array ¦ json_array(1, NULL, 'x') ¦ [1,"x"]
        json_extract_path ¦ json_extract_path('{"a": {"b": 7}}', 'a') ¦ {"b": 7}
        json_extract_path_text ¦ json_extract_path_text('{"a": {"b": "x"}}', 'a', 'b') ¦ x
        json_array_length ¦ json_array_length('[1, 2, 3]') ¦ 3 ¦ JSON that is no array
        json_typeof ¦ json_typeof('[1, 2, 3]') ¦ array
        json_object_keys ¦ json_object_keys('{"a": 1, "b": 2}') ¦ ["a","b"] ¦ JSON that is no object
        json_array_elements ¦ json_array_elements('[1, 2]') ¦ [1,2] ¦ JSON that is no array
        json_array_elements_text ¦ json_array_elements_text('["a", "b"]') ¦ ["a","b"] ¦ JSON that is no array
        json_each ¦ json_each('{"a": 1}') ¦ {"a":1} ¦ JSON that is no object
        json_each_text ¦ json_each_text('{"a": 1}') ¦ {"a":"1"} ¦ JSON that is no object
        json_strip_nulls ¦ json_strip_nulls('{"a": null, "b": 1}') ¦ {"b":1}
        json_build_object ¦ json_build_object('a', 1) ¦ {"a":1} ¦ a NULL key
        json_build_array ¦ json_build_array(1, 'x') ¦ [1,"x"]
        to_json ¦ to_json(ARRAY[1, 2]) ¦ [1,2]
        json_valid ¦ json_valid('{"a"') ¦ false
        proctime ¦ proctime() IS NULL ¦ false
        """#
}
