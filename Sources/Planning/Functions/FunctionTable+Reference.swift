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
        coalesce ¦ coalesce(NULL, 'a', 'b') ¦ ?
        nullif ¦ nullif(3, 3) ¦ ?
        if ¦ if(2 > 1, 'yes', 'no') ¦ ?
        greatest ¦ greatest(3, NULL, 7) ¦ ?
        least ¦ least(3, NULL, 7) ¦ ?
        nvl2 ¦ nvl2(NULL, 'there', 'missing') ¦ ?
        decode ¦ decode(2, 1, 'one', 2, 'two', 'many') ¦ ? ¦ of two arguments: an unknown encoding or character set; a text or bytes not of it
        elt ¦ elt(2, 'a', 'b', 'c') ¦ ?
        nullifzero ¦ nullifzero(0) ¦ ?
        zeroifnull ¦ zeroifnull(CAST(NULL AS INT)) ¦ ?
        num_nulls ¦ num_nulls(1, NULL, 'a') ¦ ?
        num_nonnulls ¦ num_nonnulls(1, NULL, 'a') ¦ ?
        typeof ¦ typeof(1.50) ¦ ?
        upper ¦ upper('grün') ¦ ?
        lower ¦ lower('GRÜN') ¦ ?
        initcap ¦ initcap('hello wORLD') ¦ ?
        char_length ¦ char_length('grün') ¦ ?
        bit_length ¦ bit_length('grün') ¦ ?
        octet_length ¦ octet_length('grün') ¦ ?
        substring ¦ substring('streams', 2, 3) ¦ ? ¦ a negative length
        left ¦ left('streams', 3) ¦ ?
        right ¦ right('streams', 3) ¦ ?
        overlay ¦ overlay('Txxxxas', 'hom', 2, 4) ¦ ? ¦ a position below 1
        position ¦ position('e' IN 'streams') ¦ ?
        strpos ¦ strpos('streams', 'e') ¦ ?
        locate ¦ locate('s', 'streams', 2) ¦ ?
        replace ¦ replace('a.b.c', '.', '/') ¦ ? ¦ a result of more than 16 MiB
        translate ¦ translate('12345', '143', 'ax') ¦ ?
        btrim ¦ btrim('xxhixx', 'x') ¦ ?
        ltrim ¦ ltrim('xxhixx', 'x') ¦ ?
        rtrim ¦ rtrim('xxhixx', 'x') ¦ ?
        lpad ¦ lpad('7', 3, '0') ¦ ? ¦ a length of more than 4 Mi characters
        rpad ¦ rpad('7', 3, '.') ¦ ? ¦ a length of more than 4 Mi characters
        repeat ¦ repeat('ab', 3) ¦ ? ¦ a result of more than 16 MiB
        reverse ¦ reverse('grün') ¦ ?
        concat ¦ concat('a', NULL, 1) ¦ ? ¦ a result of more than 16 MiB
        concat_ws ¦ concat_ws('-', 'a', NULL, 1) ¦ ? ¦ a result of more than 16 MiB
        split_part ¦ split_part('a/b/c', '/', -1) ¦ ? ¦ a part number of 0
        split_index ¦ split_index('a/b/c', '/', 0) ¦ ?
        starts_with ¦ starts_with('streams', 'str') ¦ ?
        ends_with ¦ ends_with('streams', 's') ¦ ?
        ascii ¦ ascii('ü') ¦ ?
        chr ¦ chr(252) ¦ ? ¦ 0, a negative number, or one that is no code point
        contains ¦ contains('streams', 'tre') ¦ ?
        substring_index ¦ substring_index('www.apache.org', '.', 2) ¦ ?
        space ¦ space(3) || 'x' ¦ ? ¦ more than 16 Mi spaces
        levenshtein ¦ levenshtein('kitten', 'sitting') ¦ ? ¦ a text of more than 1,000 characters
        hamming ¦ hamming('karolin', 'kathrin') ¦ ? ¦ texts of different lengths
        soundex ¦ soundex('Robert') ¦ ?
        difference ¦ difference('Robert', 'Rupert') ¦ ?
        is_digit ¦ is_digit('2026') ¦ ?
        is_alpha ¦ is_alpha('grün') ¦ ?
        is_decimal ¦ is_decimal('1.5e3') ¦ ?
        quote_literal ¦ quote_literal('it''s') ¦ ? ¦ a result of more than 16 MiB
        quote_nullable ¦ quote_nullable(CAST(NULL AS VARCHAR)) ¦ ? ¦ a result of more than 16 MiB
        quote_ident ¦ quote_ident('my column') ¦ ? ¦ a result of more than 16 MiB
        format ¦ format('%s: %5s %I', 'a', 42, 'my column') ¦ ? ¦ too few arguments, an unknown letter, NULL for `%I`
        md5 ¦ md5('abc') ¦ ?
        sha1 ¦ sha1('abc') ¦ ?
        sha224 ¦ sha224('abc') ¦ ?
        sha256 ¦ sha256('abc') ¦ ?
        sha384 ¦ sha384('abc') ¦ ?
        sha512 ¦ sha512('abc') ¦ ?
        sha2 ¦ sha2('abc', 256) ¦ ? ¦ (when planned) a length that is none of the four
        crc32 ¦ crc32('123456789') ¦ ?
        crc32c ¦ crc32c('123456789') ¦ ?
        to_hex ¦ to_hex(255) ¦ ?
        hex ¦ hex('abc') ¦ ?
        unhex ¦ unhex('cafe') ¦ ? ¦ anything but pairs of hexadecimal digits
        bin ¦ bin(10) ¦ ?
        to_oct ¦ to_oct(64) ¦ ?
        encode ¦ encode(X'CAFE', 'base64') ¦ ? ¦ an unknown encoding or character set; a character that the set lacks
        convert_to ¦ convert_to('ü', 'UTF-8') ¦ ? ¦ an unknown character set; a character that it lacks
        convert_from ¦ convert_from(X'C3BC', 'UTF-8') ¦ ? ¦ an unknown character set; bytes that are no text in it
        to_base64 ¦ to_base64('hello') ¦ ? ¦ a result of more than 16 MiB
        from_base64 ¦ from_base64('aGVsbG8=') ¦ ? ¦ a text that is no base64, or whose bytes are no UTF-8
        url_encode ¦ url_encode('a b&c/ü') ¦ ? ¦ a result of more than 16 MiB
        url_decode ¦ url_decode('a+b%26c') ¦ ? ¦ a percent sign without two hexadecimal digits; bytes that are no UTF-8
        parse_url ¦ parse_url('https://example.com/a?k=v#top', 'QUERY', 'k') ¦ ?
        get_byte ¦ get_byte(X'CAFE', 1) ¦ ? ¦ a number outside of the bytes
        set_byte ¦ set_byte(X'CAFE', 1, 0) ¦ ? ¦ a number outside of the bytes
        get_bit ¦ get_bit(X'CAFE', 1) ¦ ? ¦ a number outside of the bytes
        set_bit ¦ set_bit(X'CAFE', 0, 1) ¦ ? ¦ a number outside of the bytes; a new bit other than 0 and 1
        bit_count ¦ bit_count(255) ¦ ?
        regexp_like ¦ regexp_like('Bid 42', '^bid \d+$', 'i') ¦ ? ¦ a pattern from a column that is not valid
        regexp_extract ¦ regexp_extract('channel_id=77&x', 'channel_id=(\d+)', 1) ¦ ? ¦ a pattern from a column that is not valid; a group that is not there
        regexp_replace ¦ regexp_replace('2026-05-01', '(\d+)-(\d+)-(\d+)', '$3.$2.$1') ¦ ? ¦ a pattern from a column that is not valid
        regexp_count ¦ regexp_count('a1b22c333', '\d+') ¦ ? ¦ a pattern from a column that is not valid; a position below 1
        regexp_instr ¦ regexp_instr('a1b22c333', '\d+', 1, 2) ¦ ? ¦ a pattern from a column that is not valid; a position or number below 1
        regexp_substr ¦ regexp_substr('a1b22c333', '\d+', 1, 2) ¦ ? ¦ a pattern from a column that is not valid; a position or number below 1
        regexp_full_match ¦ regexp_full_match('a1', '[a-z]\d') ¦ ? ¦ a pattern from a column that is not valid
        abs ¦ abs(-7) ¦ ? ¦ the smallest integer, which has no positive counterpart
        sign ¦ sign(-7) ¦ ?
        ceil ¦ ceil(1.2) ¦ ? ¦ a DECIMAL that gets a digit too many
        floor ¦ floor(TIMESTAMP '2026-05-17 13:45:00', 'hour') ¦ ? ¦ a DECIMAL that gets a digit too many
        round ¦ round(2.345, 2) ¦ ? ¦ a number that gets a digit too many
        trunc ¦ trunc(2.349, 2) ¦ ? ¦ a number that gets a digit too many
        mod ¦ mod(-7, 3) ¦ ? ¦ a divisor of 0
        div ¦ div(7, 2) ¦ ? ¦ a divisor of 0
        power ¦ power(2, 10) ¦ ? ¦ 0 to a negative power; a negative number to a broken one
        sqrt ¦ sqrt(2) ¦ ? ¦ a negative number
        cbrt ¦ cbrt(27) ¦ ?
        exp ¦ exp(1) ¦ ? ¦ a result too large for a DOUBLE
        ln ¦ ln(10) ¦ ? ¦ 0 and negative numbers
        log10 ¦ log10(1000) ¦ ? ¦ 0 and negative numbers
        log2 ¦ log2(8) ¦ ? ¦ 0 and negative numbers
        log ¦ log(2, 8) ¦ ? ¦ 0 and negative numbers; a base of 1
        sin ¦ sin(1) ¦ ?
        cos ¦ cos(1) ¦ ?
        tan ¦ tan(1) ¦ ?
        cot ¦ cot(1) ¦ ?
        asin ¦ asin(1) ¦ ? ¦ below -1 and above 1
        acos ¦ acos(0) ¦ ? ¦ below -1 and above 1
        atan ¦ atan(1) ¦ ?
        atan2 ¦ atan2(1, 1) ¦ ?
        sinh ¦ sinh(1) ¦ ?
        cosh ¦ cosh(1) ¦ ?
        tanh ¦ tanh(1) ¦ ?
        asinh ¦ asinh(1) ¦ ?
        acosh ¦ acosh(2) ¦ ? ¦ below 1
        atanh ¦ atanh(0.5) ¦ ? ¦ below -1 and above 1
        sec ¦ sec(0) ¦ ?
        csc ¦ csc(1) ¦ ?
        sind ¦ sind(30) ¦ ? ¦ an infinity
        cosd ¦ cosd(60) ¦ ? ¦ an infinity
        tand ¦ tand(45) ¦ ? ¦ an infinity
        cotd ¦ cotd(45) ¦ ? ¦ an infinity
        asind ¦ asind(0.5) ¦ ? ¦ below -1 and above 1
        acosd ¦ acosd(0.5) ¦ ? ¦ below -1 and above 1
        atand ¦ atand(1) ¦ ?
        atan2d ¦ atan2d(1, 1) ¦ ?
        log1p ¦ log1p(1) ¦ ? ¦ -1 and less
        expm1 ¦ expm1(1) ¦ ? ¦ a result too large for a DOUBLE
        erf ¦ erf(1) ¦ ?
        erfc ¦ erfc(1) ¦ ?
        gamma ¦ gamma(5) ¦ ? ¦ 0 and negative whole numbers; a result too large for a DOUBLE
        lgamma ¦ lgamma(10) ¦ ? ¦ 0 and negative whole numbers
        hypot ¦ hypot(3, 4) ¦ ?
        even ¦ even(2.1) ¦ ?
        degrees ¦ degrees(pi()) ¦ ?
        radians ¦ radians(180) ¦ ?
        pi ¦ pi() ¦ ?
        e ¦ e() ¦ ?
        width_bucket ¦ width_bucket(5.35, 0.024, 10.06, 5) ¦ ? ¦ a count below 1; bounds that are equal or not finite
        factorial ¦ factorial(20) ¦ ? ¦ a negative number; more than 33
        gcd ¦ gcd(1071, 462) ¦ ? ¦ a result out of range
        lcm ¦ lcm(4, 6) ¦ ? ¦ a result out of range
        scale ¦ scale(8.40) ¦ ?
        min_scale ¦ min_scale(8.40) ¦ ?
        isnan ¦ isnan(CAST('NaN' AS DOUBLE)) ¦ ?
        isinf ¦ isinf(CAST('-Infinity' AS DOUBLE)) ¦ ?
        isfinite ¦ isfinite(1) ¦ ?
        signbit ¦ signbit(-1) ¦ ?
        nanvl ¦ nanvl(CAST('NaN' AS DOUBLE), 0) ¦ ?
        try_divide ¦ try_divide(1, 0) ¦ ? ¦ a result out of range
        conv ¦ conv('ff', 16, 10) ¦ ? ¦ a base below 2 or above 36; a text that is no number in it
        to_number ¦ to_number('-12,454.8', 'S99G999D9') ¦ ? ¦ a text that does not suit the pattern
        bitand ¦ bitand(12, 10) ¦ ?
        bitor ¦ bitor(12, 10) ¦ ?
        bitxor ¦ bitxor(12, 10) ¦ ?
        bitnot ¦ bitnot(12) ¦ ?
        shiftleft ¦ shiftleft(1, 4) ¦ ?
        shiftright ¦ shiftright(-16, 2) ¦ ?
        now ¦ now() IS NULL ¦ ?
        localtimestamp ¦ localtimestamp IS NULL ¦ ?
        current_date ¦ current_date IS NULL ¦ ?
        current_time ¦ current_time IS NULL ¦ ?
        date_part ¦ date_part('week', DATE '2026-01-01') ¦ ?
        year ¦ year(TIMESTAMP '2026-05-17 13:45:12') ¦ ?
        quarter ¦ quarter(DATE '2026-05-17') ¦ ?
        month ¦ month(DATE '2026-05-17') ¦ ?
        week ¦ week(DATE '2026-05-17') ¦ ?
        dayofmonth ¦ dayofmonth(DATE '2026-05-17') ¦ ?
        dayofweek ¦ dayofweek(DATE '2026-05-17') ¦ ?
        dayofyear ¦ dayofyear(DATE '2026-05-17') ¦ ?
        hour ¦ hour(TIMESTAMP '2026-05-17 13:45:12') ¦ ?
        minute ¦ minute(TIMESTAMP '2026-05-17 13:45:12') ¦ ?
        second ¦ second(TIMESTAMP '2026-05-17 13:45:12') ¦ ?
        date_trunc ¦ date_trunc('month', TIMESTAMP '2026-05-17 13:45:12') ¦ ?
        timestampadd ¦ TIMESTAMPADD(MONTH, 1, TIMESTAMP '2026-01-31 12:00:00') ¦ ? ¦ a result outside of the years 1 to 9999
        timestampdiff ¦ TIMESTAMPDIFF(DAY, TIMESTAMP '2026-05-01 12:00:00', TIMESTAMP '2026-05-17 11:00:00') ¦ ?
        date_format ¦ date_format(TIMESTAMP '2026-05-17 13:45:12', 'dd.MM.yyyy HH:mm') ¦ ? ¦ a pattern from a column that is not valid
        to_char ¦ to_char(-1234.5, 'FM999,990.00') ¦ ? ¦ a pattern from a column that is not valid
        to_timestamp ¦ to_timestamp('17.05.2026 13:45', 'dd.MM.yyyy HH:mm') ¦ ? ¦ a text that does not suit the pattern; seconds outside of the years 1 to 9999
        to_timestamp_ltz ¦ to_timestamp_ltz(1800000000000, 3) ¦ ? ¦ a precision other than 0 and 3; a number outside of the years 1 to 9999
        to_date ¦ to_date('17.05.2026', 'dd.MM.yyyy') ¦ ? ¦ a text that does not suit the pattern
        from_unixtime ¦ from_unixtime(1800000000) ¦ ? ¦ a number outside of the years 1 to 9999; a pattern from a column that is not valid
        unix_timestamp ¦ unix_timestamp('2026-05-17 13:45:12') ¦ ?
        make_date ¦ make_date(2026, 5, 17) ¦ ? ¦ a day that there is not
        make_timestamp ¦ make_timestamp(2026, 5, 17, 13, 45, 12.5) ¦ ? ¦ a time that there is not
        last_day ¦ last_day(DATE '2028-02-10') ¦ ?
        proctime ¦ proctime() IS NULL ¦ ?
        century ¦ century(DATE '2026-05-17') ¦ ?
        decade ¦ decade(DATE '2026-05-17') ¦ ?
        millennium ¦ millennium(DATE '2026-05-17') ¦ ?
        isoyear ¦ isoyear(DATE '2027-01-01') ¦ ?
        isodow ¦ isodow(DATE '2026-05-17') ¦ ?
        millisecond ¦ millisecond(TIMESTAMP '2026-05-17 13:45:12.345') ¦ ?
        microsecond ¦ microsecond(TIMESTAMP '2026-05-17 13:45:12.345') ¦ ?
        epoch ¦ epoch(TIMESTAMP '2026-05-17 13:45:12.345') ¦ ?
        yearweek ¦ yearweek(DATE '2027-01-01') ¦ ?
        dayname ¦ dayname(DATE '2026-05-17') ¦ ?
        monthname ¦ monthname(DATE '2026-05-17') ¦ ?
        date ¦ date(TIMESTAMP '2026-05-17 13:45:12') ¦ ? ¦ a text that is no date
        age ¦ age(TIMESTAMP '2026-05-17 00:00:00', TIMESTAMP '2024-01-31 12:00:00') ¦ ?
        make_time ¦ make_time(13, 45, 12.5) ¦ ? ¦ a time that there is not
        make_interval ¦ make_interval(1, 2, 0, 3, 4, 5, 6.5) ¦ ? ¦ a result out of range
        make_timestamptz ¦ make_timestamptz(2026, 5, 17, 13, 45, 12.5) ¦ ? ¦ a time that there is not
        date_bin ¦ date_bin(INTERVAL '15' MINUTE, TIMESTAMP '2026-05-17 13:44:12') ¦ ? ¦ a length that is not positive or has months
        justify_days ¦ justify_days(INTERVAL '35' DAY) ¦ ? ¦ a result out of range
        justify_hours ¦ justify_hours(INTERVAL '27' HOUR) ¦ ?
        justify_interval ¦ justify_interval(INTERVAL '1' MONTH - INTERVAL '1' HOUR) ¦ ? ¦ a result out of range
        add_months ¦ add_months(DATE '2026-01-31', 1) ¦ ? ¦ a result outside of the years 1 to 9999
        months_between ¦ months_between(DATE '2026-03-15', DATE '2026-01-01') ¦ ?
        next_day ¦ next_day(DATE '2026-05-17', 'Friday') ¦ ? ¦ an unknown day; a result after the year 9999
        date_add ¦ date_add(DATE '2026-05-17', 20) ¦ ? ¦ a result outside of the years 1 to 9999
        date_sub ¦ date_sub(DATE '2026-05-17', 20) ¦ ? ¦ a result outside of the years 1 to 9999
        datediff ¦ datediff('month', DATE '2026-01-31', DATE '2026-05-01') ¦ ?
        unix_seconds ¦ unix_seconds(TIMESTAMP '2026-05-17 13:45:12') ¦ ?
        unix_millis ¦ unix_millis(TIMESTAMP '2026-05-17 13:45:12.345') ¦ ?
        unix_micros ¦ unix_micros(TIMESTAMP '2026-05-17 13:45:12.345') ¦ ?
        timestamp_seconds ¦ timestamp_seconds(1800000000) ¦ ? ¦ a number outside of the years 1 to 9999
        timestamp_millis ¦ timestamp_millis(1800000000123) ¦ ? ¦ a number outside of the years 1 to 9999
        timestamp_micros ¦ timestamp_micros(1800000000123456) ¦ ? ¦ a number outside of the years 1 to 9999
        unix_date ¦ unix_date(DATE '2026-05-17') ¦ ?
        date_from_unix_date ¦ date_from_unix_date(20590) ¦ ? ¦ a result outside of the years 1 to 9999
        to_years ¦ to_years(2) ¦ ? ¦ a result out of range
        to_months ¦ to_months(14) ¦ ? ¦ a result out of range
        to_weeks ¦ to_weeks(2) ¦ ? ¦ a result out of range
        to_days ¦ to_days(2) ¦ ? ¦ a result out of range
        to_hours ¦ to_hours(30) ¦ ? ¦ a result out of range
        to_minutes ¦ to_minutes(90) ¦ ? ¦ a result out of range
        to_seconds ¦ to_seconds(1.5) ¦ ? ¦ a result out of range
        to_milliseconds ¦ to_milliseconds(1500) ¦ ? ¦ a result out of range
        to_microseconds ¦ to_microseconds(1500) ¦ ? ¦ a result out of range
        convert_tz ¦ convert_tz('2026-05-17 13:45:12', 'UTC', '+02:00') ¦ ? ¦ a text that is no timestamp
        timezone ¦ timezone('+02:00', TIMESTAMP '2026-05-17 13:45:12') ¦ ?
        """#
}
