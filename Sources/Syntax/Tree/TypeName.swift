// TypeName: a type as written in a column definition or a cast.

package struct TypeName: Hashable, Sendable {
    package indirect enum Kind: Hashable, Sendable {
        case boolean
        case smallint
        case integer
        case bigint
        case real
        case double
        /// `DECIMAL`, `DECIMAL(p)`, `DECIMAL(p, s)`, also spelt NUMERIC.
        case decimal(precision: Int?, scale: Int?)
        /// `VARCHAR`, `VARCHAR(n)`, `TEXT`, `STRING`.
        case varchar(length: Int?)
        /// `CHAR(n)`; a missing length is 1, as the standard has it.
        case char(length: Int?)
        /// `BYTES`, `BYTEA`, `VARBINARY(n)`, `BINARY(n)`.
        case bytes
        case date
        /// `TIME(p)`; nil when no precision is written.
        case time(precision: Int?)
        /// `TIMESTAMP(p)`, `TIMESTAMP(p) WITH TIME ZONE`, `TIMESTAMPTZ`, `TIMESTAMP_LTZ(p)`.
        case timestamp(precision: Int?, hasTimeZone: Bool)
        /// `INTERVAL`, optionally with fields (`INTERVAL DAY TO SECOND`), which are accepted and not kept.
        case interval
        /// `INT ARRAY`, `ARRAY<INT>`, `INT[]`.
        case array(TypeName)
        /// `MAP<VARCHAR, INT>`.
        case map(TypeName, TypeName)
        /// `ROW<a INT, b VARCHAR>`, `ROW(a INT)`.
        case row([RowField])
        case json
        /// A type of PostgreSQL's catalog: `OID`, `NAME`, `REGCLASS`, `"char"`; its name in lower case.
        case system(String)
    }

    package struct RowField: Hashable, Sendable {
        package var name: Identifier
        package var type: TypeName

        package init(name: Identifier, type: TypeName) {
            self.name = name
            self.type = type
        }
    }

    package var kind: Kind
    package var span: SourceSpan

    package init(_ kind: Kind, span: SourceSpan) {
        self.kind = kind
        self.span = span
    }
}
