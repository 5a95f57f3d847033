// Functions that people will ask for and that there cannot be, each with the reason and what to do instead.

extension FunctionTable {
    /// By lower-case name: why not, and the remedy.
    static func refusal(_ name: String) -> (reason: String, hint: String)? {
        switch name.lowercased() {
        case "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "newid", "uuid_generate_v4", "random", "rand", "rand_integer", "random_normal",
            "setseed":
            (
                "its value would be another one when an epoch is run again after a crash",
                "let the producer write it, or derive it from the row: md5(concat_ws('|', a, b))"
            )
        case "current_watermark":
            ("the watermark differs between the shards of a row's stage", "SHOW QUERIES shows the watermark of each query")
        case "pg_sleep", "nextval", "currval", "setval", "lastval", "txid_current":
            ("a query may not have side effects", "ROW_NUMBER() numbers rows")
        case "trim_scale": ("all values of a DECIMAL column have one scale", "to_char(x, 'FM999999990.999999') leaves out zeros; CAST sets a scale")
        case "metaphone", "dmetaphone": ("only soundex is there", "soundex(x) and difference(x, y) compare the sound of words")
        case "source_watermark": ("no source here knows a watermark", "declare WATERMARK FOR ts AS ts - INTERVAL '5' SECOND")
        case "generate_series", "unnest", "regexp_matches", "regexp_split_to_table":
            ("it gives rows, and stands in FROM", "FROM t CROSS JOIN UNNEST(t.tags) AS u (tag); FROM generate_series(1, 3) AS g (i)")
        case "collect": ("there are no multisets", "array_agg(x) keeps the values, histogram(x) counts them")
        case "group_id": ("grouping sets that stand twice are told apart by nothing", "GROUPING_ID(a, b) tells which keys a row leaves out")
        case "element": ("an array may have more than one element", "a[1] is the first one")
        case "jsonb_set", "jsonb_insert", "jsonb_pretty": ("JSON values are not changed in place", "JSON_OBJECT(KEY k VALUE v, ..) makes one")
        default: nil
        }
    }
}
