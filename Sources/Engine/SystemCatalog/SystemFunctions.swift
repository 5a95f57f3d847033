// SystemFunctions: what programs ask about the catalog in functions: names of types, definitions, comments, who may do what, settings.
//
// There is one user, who may do everything; comments are those that the engine has to give; what PostgreSQL has and there is not here (defaults,
// triggers, partitions, sequences) is NULL, as PostgreSQL says it of a relation without.

import Columns
import Planning
import Syntax

enum SystemFunctions {
    /// Names without parentheses.
    static func niladic(_ name: String, _ snapshot: SystemSnapshot) -> (Value, SystemType)? {
        switch name {
        case "current_user", "session_user", "user", "current_role": (.string(snapshot.identity.user), .name)
        case "current_catalog": (.string(snapshot.identity.database), .name)
        case "current_schema": (.string("public"), .name)
        default: nil
        }
    }

    /// Names whose call makes a query one about the catalog, though it reads nothing.
    static let names: Set<String> = [
        "current_schema", "current_schemas", "current_database", "current_setting", "set_config", "version", "pg_backend_pid", "pg_is_in_recovery",
        "txid_current", "txid_current_if_assigned", "pg_current_xact_id", "format_type", "pg_get_userbyid", "pg_table_is_visible", "pg_type_is_visible",
        "pg_function_is_visible", "pg_get_expr", "pg_get_viewdef", "pg_get_ruledef", "pg_get_function_result", "pg_get_function_arguments",
        "pg_get_function_identity_arguments", "pg_get_functiondef", "obj_description", "col_description", "shobj_description", "pg_get_indexdef",
        "pg_get_constraintdef", "pg_relation_is_publishable", "pg_encoding_to_char", "to_regclass", "to_regtype", "to_regproc", "to_regnamespace",
        "to_regprocedure", "to_regrole", "pg_client_encoding", "pg_postmaster_start_time", "pg_conf_load_time", "pg_total_relation_size",
        "pg_relation_size", "pg_table_size", "pg_indexes_size", "pg_database_size", "pg_size_pretty", "pg_tablespace_location", "pg_my_temp_schema",
        "pg_is_other_temp_schema", "inet_server_addr", "inet_server_port", "inet_client_addr", "inet_client_port", "has_table_privilege",
        "has_schema_privilege", "has_database_privilege", "has_column_privilege", "has_any_column_privilege", "has_function_privilege",
        "has_sequence_privilege", "has_type_privilege", "pg_has_role", "pg_get_serial_sequence", "pg_column_is_updatable", "pg_get_keywords",
        "pg_blocking_pids", "pg_is_wal_replay_paused", "pg_last_wal_receive_lsn", "pg_current_wal_lsn", "pg_show_all_settings", "pg_char_to_encoding", "getdatabaseencoding",
        "pg_options_to_table", "aclexplode", "generate_subscripts", "_pg_expandarray", "pg_stat_get_activity",
    ]

    /// Functions that return rows: nowhere else may they stand in a select list.
    static let generators: Set<String> = [
        "generate_series", "unnest", "generate_subscripts", "regexp_split_to_table", "string_to_table", "_pg_expandarray", "pg_options_to_table", "aclexplode",
        "pg_get_keywords",
    ]

    private static let yes: Set<String> = [
        "pg_operator_is_visible", "pg_type_is_visible", "pg_opclass_is_visible",
        "pg_opfamily_is_visible", "pg_collation_is_visible", "pg_conversion_is_visible", "pg_statistics_obj_is_visible", "pg_ts_config_is_visible",
        "pg_ts_dict_is_visible", "pg_ts_parser_is_visible", "pg_ts_template_is_visible", "has_table_privilege", "has_schema_privilege",
        "has_database_privilege", "has_column_privilege", "has_any_column_privilege", "has_function_privilege", "has_sequence_privilege",
        "has_type_privilege", "has_language_privilege", "has_tablespace_privilege", "has_foreign_data_wrapper_privilege", "has_server_privilege",
        "pg_has_role",
    ]
    private static let no: Set<String> = [
        "pg_is_in_recovery", "pg_is_other_temp_schema", "pg_is_wal_replay_paused", "pg_column_is_updatable", "pg_relation_is_publishable",
        "pg_index_column_has_property", "pg_indexam_has_property", "pg_index_has_property", "row_security_active",
    ]
    /// Text, and NULL.
    private static let nothing: Set<String> = [
        "pg_get_ruledef", "pg_get_triggerdef", "pg_get_partkeydef", "pg_get_partition_constraintdef", "pg_get_serial_sequence", "pg_get_statisticsobjdef",
        "pg_get_statisticsobjdef_columns", "pg_get_statisticsobjdef_expressions", "pg_tablespace_location", "inet_server_addr", "inet_client_addr",
        "shobj_description", "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn", "pg_current_wal_lsn", "acldefault", "pg_get_function_sqlbody",
        "pg_filenode_relation", "pg_relation_filepath", "txid_current_if_assigned", "pg_get_function_arg_default",
    ]

    /// The call of a function about the catalog; nil for every other.
    static func call(_ name: String, _ arguments: [SystemNode], _ span: SourceSpan, _ compiler: SystemCompiler) throws(SQLError) -> SystemNode? {
        let snapshot = compiler.snapshot
        func constant(_ value: Value, _ type: SystemType) -> SystemNode { .constant(value, type, span: span) }
        func number(_ index: Int, _ frame: SystemFrame) throws -> Int64? {
            guard index < arguments.count else { return nil }
            switch try arguments[index].evaluate(frame) {
            case .integer(let number): return number
            case .string(let text): return Int64(text)
            default: return nil
            }
        }
        func text(_ value: @escaping (SystemFrame) throws -> String?) -> SystemNode {
            SystemNode(.text, span: span) { frame in try value(frame).map { .string($0) } ?? .null }
        }
        if yes.contains(name) { return constant(.boolean(true), .boolean) }
        if no.contains(name) { return constant(.boolean(false), .boolean) }
        if nothing.contains(name) { return constant(.null, .text) }
        if let (value, type) = niladic(name, snapshot), arguments.isEmpty { return constant(value, type) }
        switch name {
        case "pg_table_is_visible", "pg_function_is_visible":
            // By the search path: what lies in `public` or `pg_catalog`.
            return SystemNode(.boolean, span: span) { frame in
                guard let oid = try number(0, frame) else { return .null }
                let namespace = name == "pg_table_is_visible"
                    ? snapshot.relation(oid)?.namespace ?? snapshot.keyed(oid, .keyIndex)?.namespace : snapshot.function(oid)?.namespace
                return namespace.map { .boolean($0 == SystemOID.publicSchema || $0 == SystemOID.catalogSchema) } ?? .null
            }
        case "current_database": return constant(.string(snapshot.identity.database), .name)
        case "current_schemas":
            return SystemNode(SystemType.name.array, span: span) { frame in
                let isWhole = try arguments.first?.evaluate(frame) == .boolean(true)
                return .list((isWhole ? ["pg_catalog", "public"] : ["public"]).map { .string($0) })
            }
        case "version":
            return constant(.string("PostgreSQL \(snapshot.identity.serverVersion), a streaming SQL engine that speaks PostgreSQL's protocol"), .text)
        case "pg_backend_pid": return constant(.integer(snapshot.identity.processID), .integer)
        case "txid_current", "pg_current_xact_id": return constant(.integer(1), .bigint)
        case "pg_client_encoding", "getdatabaseencoding": return constant(.string("UTF8"), .name)
        case "pg_encoding_to_char":
            return SystemNode(.name, span: span) { frame in .string(try number(0, frame) == 6 ? "UTF8" : "SQL_ASCII") }
        case "pg_char_to_encoding": return constant(.integer(6), .integer)
        case "pg_postmaster_start_time", "pg_conf_load_time": return constant(.null, SystemType(.timestampTZ(precision: 6)))
        case "pg_my_temp_schema": return constant(.integer(0), .oid)
        case "inet_server_port", "inet_client_port": return constant(.null, .integer)
        case "pg_blocking_pids": return constant(.list([]), SystemType.integer.array)
        case "pg_relation_is_updatable": return constant(.integer(8), .integer)

        case "format_type":
            return text { frame in
                guard let oid = try number(0, frame) else { return nil }
                return TypeRow.display(UInt32(exactly: oid) ?? 0, modifier: try number(1, frame), known: snapshot.type(oid))
            }
        case "pg_get_userbyid":
            return SystemNode(.name, span: span) { frame in
                guard let oid = try number(0, frame) else { return .null }
                return .string(oid == Int64(SystemOID.owner) ? snapshot.identity.user : "unknown (OID=\(oid))")
            }
        case "pg_get_expr": return text { frame in if case .string(let text) = try arguments[0].evaluate(frame) { text } else { nil } }
        case "pg_get_viewdef": return text { frame in try object(arguments, 0, .regclass, frame, compiler).flatMap { snapshot.relation($0)?.definition } }
        case "pg_get_indexdef":
            return text { frame in
                guard let oid = try number(0, frame), let relation = snapshot.keyed(oid, .keyIndex) else { return nil }
                let names = relation.primaryKey.map { SystemSnapshot.quoted(relation.columns[$0].name) }
                if let place = try number(1, frame), place > 0 { return place <= names.count ? names[Int(place) - 1] : nil }
                return "CREATE UNIQUE INDEX \(SystemSnapshot.quoted(relation.name + "_pkey")) ON public.\(SystemSnapshot.quoted(relation.name)) "
                    + "USING btree (\(names.joined(separator: ", ")))"
            }
        case "pg_get_constraintdef":
            return text { frame in
                guard let oid = try number(0, frame), let relation = snapshot.keyed(oid, .keyConstraint) else { return nil }
                return "PRIMARY KEY (\(relation.primaryKey.map { SystemSnapshot.quoted(relation.columns[$0].name) }.joined(separator: ", ")))"
            }
        case "pg_get_function_result": return text { frame in try number(0, frame).flatMap { snapshot.function($0)?.resultName } }
        case "pg_get_function_arguments", "pg_get_function_identity_arguments":
            return text { frame in try number(0, frame).flatMap { snapshot.function($0)?.argumentText } }
        case "pg_get_functiondef": return text { frame in try object(arguments, 0, .regprocedure, frame, compiler).flatMap { snapshot.function($0)?.object?.sql } }
        case "obj_description":
            return text { frame in
                guard let oid = try number(0, frame) else { return nil }
                let comment = snapshot.relation(oid)?.comment ?? snapshot.function(oid)?.comment
                    ?? SystemSnapshot.schemas.first { Int64($0.oid) == oid }?.comment
                return comment?.isEmpty == false ? comment : nil
            }
        case "col_description":
            return text { frame in
                guard let oid = try number(0, frame), let relation = snapshot.relation(oid), let place = try number(1, frame),
                    place >= 1, place <= Int64(relation.columns.count)
                else { return nil }
                return relation.columns[Int(place) - 1].comment
            }
        case "to_regclass", "to_regtype", "to_regproc", "to_regprocedure", "to_regnamespace", "to_regrole":
            guard let alias = SystemType.Alias(rawValue: String(name.dropFirst(3))), arguments.count == 1 else { return nil }
            let argument = try compiler.cast(arguments[0], to: .text, mode: .explicit, span: span)
            return try compiler.cast(argument, to: SystemType(alias), mode: .attempt, span: span)
        case "pg_relation_size", "pg_table_size", "pg_total_relation_size":
            return SystemNode(.bigint, span: span) { frame in
                try object(arguments, 0, .regclass, frame, compiler).flatMap { snapshot.relation($0) }.map { .integer($0.byteCount) } ?? .null
            }
        case "pg_indexes_size": return constant(.integer(0), .bigint)
        case "pg_database_size": return constant(.integer(snapshot.relations.reduce(0) { $0 &+ $1.byteCount }), .bigint)
        case "pg_size_pretty":
            return text { frame in
                guard var size = try number(0, frame) else { return nil }
                var unit = 0
                let units = ["bytes", "kB", "MB", "GB", "TB", "PB"]
                while abs(size) >= 10_240, unit < units.count - 1 {
                    size = (size + 512) / 1_024
                    unit += 1
                }
                return "\(size) \(units[unit])"
            }
        case "current_setting":
            let isOptional = arguments.count > 1 && arguments[1].constant == .boolean(true)
            return text { frame in
                guard case .string(let name) = try arguments[0].evaluate(frame) else { return nil }
                if let value = snapshot.setting(name) { return value }
                if isOptional { return nil }
                throw SQLError("unrecognized configuration parameter \"\(name)\"", at: span, code: SQLError.undefinedObject)
            }
        case "set_config":
            // The session's settings are changed by SET; what programs set so (the search path, mostly) has one value here.
            return text { frame in if arguments.count > 1, case .string(let value) = try arguments[1].evaluate(frame) { value } else { nil } }
        case "pg_stat_get_numscans", "pg_stat_get_live_tuples", "pg_stat_get_dead_tuples", "pg_relation_filenode":
            return constant(.integer(0), .bigint)
        case "quote_ident":
            return text { frame in
                guard let first = arguments.first, case .string(let name) = try first.evaluate(frame) else { return nil }
                return SystemSnapshot.quoted(name)
            }
        case "array_upper", "array_length", "cardinality", "array_lower":
            guard let list = arguments.first, list.type.isArray || list.constant?.isNull == true else { return nil }
            let first: Int64 = list.type.isVector ? 0 : 1
            return SystemNode(.integer, span: span) { frame in
                guard case .list(let items) = try list.evaluate(frame) else { return .null }
                if items.isEmpty { return name == "cardinality" ? .integer(0) : .null }
                return .integer(name == "array_lower" ? first : name == "array_upper" ? first + Int64(items.count) - 1 : Int64(items.count))
            }
        case "array_remove", "array_append", "array_prepend", "array_cat", "array_position":
            // Of the catalog's own types; the rest is ordinary.
            return nil
        case "array_to_string":
            guard arguments.count >= 2, arguments[0].type.isArray else { return arguments.first?.constant?.isNull == true ? constant(.null, .text) : nil }
            let list = try compiler.cast(arguments[0], to: SystemType(.array(.text)), mode: .explicit, span: span)
            return text { frame in
                guard case .list(let items) = try list.evaluate(frame), case .string(let separator) = try arguments[1].evaluate(frame) else { return nil }
                return items.compactMap { if case .string(let item) = $0 { item } else { nil } }.joined(separator: separator)
            }
        case "pg_typeof":
            guard arguments.count == 1 else { return nil }
            let type = arguments[0].type
            return constant(.string(arguments[0].isUntyped ? "unknown" : type.alias?.rawValue ?? TypeRow.display(TypeRow.number(of: type.sql).oid, modifier: nil, known: nil)), .text)
        default: return nil
        }
    }

    /// The number in an argument that may also be a name.
    private static func object(
        _ arguments: [SystemNode], _ index: Int, _ alias: SystemType.Alias, _ frame: SystemFrame, _ compiler: SystemCompiler
    ) throws -> Int64? {
        guard index < arguments.count else { return nil }
        switch try arguments[index].evaluate(frame) {
        case .integer(let number): return number
        case .string(let text):
            guard case .integer(let number) = try compiler.snapshot.resolve(text, as: SystemType(alias), span: arguments[index].span, isOptional: false)
            else { return nil }
            return number
        default: return nil
        }
    }

    // MARK: Functions that return rows

    static func generator(_ name: String, _ arguments: [SystemNode], _ span: SourceSpan, _ compiler: SystemCompiler) throws(SQLError) -> SystemGenerator? {
        func list(_ index: Int, _ frame: SystemFrame) throws -> [Value]? {
            guard index < arguments.count, case .list(let items) = try arguments[index].evaluate(frame) else { return nil }
            return items
        }
        switch name {
        case "unnest":
            guard arguments.count == 1 else { return nil }
            var array = arguments[0]
            if array.isUntyped { array = try compiler.cast(array, to: SystemType(.array(.text)), mode: .explicit, span: span) }
            guard let element = array.type.element else {
                if array.constant?.isNull == true { return SystemGenerator(type: .text) { _ in [] } }
                throw SQLError("function unnest(\(array.type.displayName)) does not exist", at: span, code: SQLError.undefinedFunction)
            }
            return SystemGenerator(type: element) { frame in if case .list(let items) = try array.evaluate(frame) { items } else { [] } }
        case "generate_subscripts":
            guard let first = arguments.first else { return nil }
            let base: Int64 = first.type.isVector ? 0 : 1
            return SystemGenerator(type: .integer) { frame in
                guard let items = try list(0, frame) else { return [] }
                return items.indices.map { .integer(base + Int64($0)) }
            }
        case "generate_series":
            guard arguments.count == 2 || arguments.count == 3, arguments.allSatisfy({ $0.type.sql.isInteger || $0.type.sql == .null }) else {
                throw SystemCompiler.notSupported("generate_series of anything but whole numbers is", span)
            }
            return SystemGenerator(type: arguments[0].type.sql == .null ? .integer : SystemType(arguments[0].type.sql)) { frame in
                guard case .integer(let start) = try arguments[0].evaluate(frame), case .integer(let end) = try arguments[1].evaluate(frame) else { return [] }
                var step: Int64 = 1
                if arguments.count == 3 {
                    guard case .integer(let written) = try arguments[2].evaluate(frame) else { return [] }
                    guard written != 0 else { throw SQLError("step size cannot equal zero", at: span, code: SQLError.invalidParameter) }
                    step = written
                }
                var values: [Value] = []
                var value = start
                while step > 0 ? value <= end : value >= end {
                    values.append(.integer(value))
                    if values.count > SystemCompiler.rowsMax { throw SystemCompiler.tooMany(span) }
                    let (next, overflow) = value.addingReportingOverflow(step)
                    if overflow { break }
                    value = next
                }
                return values
            }
        case "_pg_expandarray":
            guard let element = arguments.first?.type.element else { return nil }
            let row = SystemType(.row([SQLType.Field(name: "x", type: element.sql), SQLType.Field(name: "n", type: .integer)]))
            return SystemGenerator(type: row, fieldTypes: [element, .integer]) { frame in
                (try list(0, frame) ?? []).enumerated().map { .list([$0.element, .integer(Int64($0.offset) + 1)]) }
            }
        case "pg_options_to_table":
            let row = SystemType(.row([SQLType.Field(name: "option_name", type: .text), SQLType.Field(name: "option_value", type: .text)]))
            return SystemGenerator(type: row) { frame in
                (try list(0, frame) ?? []).compactMap { item in
                    guard case .string(let text) = item else { return nil }
                    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                    return .list([.string(parts[0]), parts.count > 1 ? .string(parts[1]) : .null])
                }
            }
        case "aclexplode":
            let fields: [(String, SystemType)] = [("grantor", .oid), ("grantee", .oid), ("privilege_type", .text), ("is_grantable", .boolean)]
            return SystemGenerator(type: SystemType(.row(fields.map { SQLType.Field(name: $0.0, type: $0.1.sql) })), fieldTypes: fields.map(\.1)) { _ in [] }
        case "regexp_split_to_table", "string_to_table":
            guard arguments.count == 2 else { return nil }
            let array = Identifier(name == "string_to_table" ? "string_to_array" : "regexp_split_to_array", span: span)
            let node = try compiler.delegate(arguments, span) { bound throws(SQLError) in try ExpressionTyping.call(array, bound, span: span, text: "") }
            return SystemGenerator(type: .text) { frame in if case .list(let items) = try node.evaluate(frame) { items } else { [] } }
        case "pg_get_keywords":
            let fields = ["word", "catcode", "catdesc"].map { SQLType.Field(name: $0, type: .text) }
            return SystemGenerator(type: SystemType(.row(fields))) { _ in
                Parser.keywords.map { word in
                    let isReserved = FunctionTable.isReservedWord(word)
                    return .list([.string(word.lowercased()), .string(isReserved ? "R" : "U"), .string(isReserved ? "reserved" : "unreserved")])
                }
            }
        default: return nil
        }
    }
}
