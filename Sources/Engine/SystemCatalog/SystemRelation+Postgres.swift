// SystemRelation+Postgres: the rows of pg_catalog.
//
// Streams and tables are relations of kind r, what is kept outside (files, generators, sinks) foreign tables, views and materialized views what they
// are. A primary key shows as a constraint with its index, which is what programs look for, although nothing is enforced. There is one role, one
// database, and the schemas of `SystemSnapshot.schemas`.

import Columns
import Planning

extension SystemRelation {
    static let defaultSettings: [String: String] = [
        "server_version": "16.0", "server_version_num": "160000", "server_encoding": "UTF8", "client_encoding": "UTF8", "search_path": "\"$user\", public",
        "standard_conforming_strings": "on", "integer_datetimes": "on", "datestyle": "ISO, MDY", "intervalstyle": "postgres", "timezone": "UTC",
        "transaction_isolation": "read committed", "default_transaction_isolation": "read committed", "transaction_read_only": "off",
        "default_transaction_read_only": "off", "max_identifier_length": "255", "lc_collate": "C", "lc_ctype": "C.UTF-8", "lc_messages": "C",
        "is_superuser": "on", "extra_float_digits": "1", "bytea_output": "hex", "max_index_keys": "32", "block_size": "8192", "jit": "off",
        "client_min_messages": "notice", "application_name": "", "statement_timeout": "0", "in_hot_standby": "off", "ssl": "off",
        "default_table_access_method": "heap", "default_tablespace": "", "row_security": "on", "wal_level": "replica", "max_connections": "100",
    ]

    func postgresRows(_ snapshot: SystemSnapshot) -> [[String: Value]] {
        let owner = Value.oid(SystemOID.owner)
        switch name {
        case "pg_class": return snapshot.relations.map { classRow($0, snapshot) } + keyed(snapshot).map { indexClassRow($0.relation, $0.id) }
        case "pg_attribute": return snapshot.relations.flatMap { attributeRows($0) } + keyed(snapshot).flatMap { keyAttributeRows($0.relation, $0.id) }
        case "pg_namespace":
            return SystemSnapshot.schemas.map { ["oid": .oid($0.oid), "nspname": .string($0.name), "nspowner": owner] }
        case "pg_type": return snapshot.types.map(typeRow)
        case "pg_proc": return snapshot.functions.map { functionRow($0) }
        case "pg_aggregate":
            return snapshot.functions.filter { $0.kind == "a" }.map { ["aggfnoid": .oid($0.oid), "aggkind": .char("n"), "aggfinalmodify": .char("r"), "aggmfinalmodify": .char("r")] }
        case "pg_attrdef":
            return snapshot.userRelations.flatMap { relation in
                relation.columns.enumerated().compactMap { index, column in
                    guard let computed = column.computed, let id = relation.object?.id else { return nil }
                    return [
                        "oid": .integer(Int64(UInt32(truncatingIfNeeded: 0x8000_0000 &+ id &* 2_048 &+ UInt64(index)))), "adrelid": .oid(relation.oid),
                        "adnum": .number(index + 1), "adbin": .string(computed),
                    ]
                }
            }
        case "pg_constraint": return keyed(snapshot).map { keyRow($0.relation, $0.id) }
        case "pg_index": return keyed(snapshot).map { indexRow($0.relation, $0.id) }
        case "pg_indexes":
            return keyed(snapshot).map { relation, _ in
                let columns = relation.primaryKey.map { SystemSnapshot.quoted(relation.columns[$0].name) }.joined(separator: ", ")
                let index = relation.name + "_pkey"
                return [
                    "schemaname": .string("public"), "tablename": .string(relation.name), "indexname": .string(index),
                    "indexdef": .string("CREATE UNIQUE INDEX \(SystemSnapshot.quoted(index)) ON public.\(SystemSnapshot.quoted(relation.name)) USING btree (\(columns))"),
                ]
            }
        case "pg_description":
            return snapshot.userRelations.flatMap { relation -> [[String: Value]] in
                let whole: [[String: Value]] = relation.comment.map {
                    [["objoid": .oid(relation.oid), "classoid": .oid(SystemOID.pgClass), "objsubid": .integer(0), "description": .string($0)]]
                } ?? []
                return whole + relation.columns.enumerated().compactMap { index, column in
                    column.comment.map {
                        ["objoid": .oid(relation.oid), "classoid": .oid(SystemOID.pgClass), "objsubid": .number(index + 1), "description": .string($0)]
                    }
                }
            } + snapshot.functions.filter { !$0.comment.isEmpty }.map {
                ["objoid": .oid($0.oid), "classoid": .oid(SystemOID.pgProc), "objsubid": .integer(0), "description": .string($0.comment)]
            }
        case "pg_database":
            return [[
                "oid": .oid(SystemOID.database), "datname": .string(snapshot.identity.database), "datdba": owner, "encoding": .integer(6),
                "datlocprovider": .char("c"), "datallowconn": .boolean(true), "datconnlimit": .integer(-1), "dattablespace": .oid(SystemOID.tablespace),
                "datcollate": .string("C"), "datctype": .string("C.UTF-8"),
            ]]
        case "pg_authid", "pg_roles", "pg_user", "pg_shadow": return [roleRow(snapshot)]
        case "pg_settings":
            var all = SystemRelation.defaultSettings
            for name in SessionSettings.names + Array(all.keys) { if let value = snapshot.setting(name) { all[name] = value } }
            return all.sorted { $0.key < $1.key }.map { name, value in
                [
                    "name": .string(name), "setting": .string(value), "category": .string("Millrace"), "context": .string("user"), "vartype": .string("string"),
                    "source": .string("default"), "boot_val": .string(value), "reset_val": .string(value),
                ]
            }
        case "pg_am":
            return [
                ["oid": .oid(SystemOID.heap), "amname": .string("heap"), "amtype": .char("t")],
                ["oid": .oid(SystemOID.btree), "amname": .string("btree"), "amtype": .char("i")],
            ]
        case "pg_language":
            return [
                ["oid": .oid(SystemOID.internalLanguage), "lanname": .string("internal"), "lanowner": owner],
                ["oid": .oid(SystemOID.sqlLanguage), "lanname": .string("sql"), "lanowner": owner, "lanpltrusted": .boolean(true)],
            ]
        case "pg_tablespace": return [["oid": .oid(SystemOID.tablespace), "spcname": .string("pg_default"), "spcowner": owner]]
        case "pg_collation":
            return [(100, "default", "d"), (950, "C", "c"), (951, "POSIX", "c")].map { oid, name, provider in
                [
                    "oid": .integer(oid), "collname": .string(name), "collnamespace": .oid(SystemOID.catalogSchema), "collowner": owner,
                    "collprovider": .string(provider), "collisdeterministic": .boolean(true), "collencoding": .integer(-1), "collcollate": .string("C"),
                    "collctype": .string("C"),
                ]
            }
        case "pg_foreign_data_wrapper":
            return [["oid": .oid(SystemOID.foreignWrapper), "fdwname": .string("millrace"), "fdwowner": owner]]
        case "pg_foreign_server":
            return [["oid": .oid(SystemOID.foreignServer), "srvname": .string("connectors"), "srvowner": owner, "srvfdw": .oid(SystemOID.foreignWrapper)]]
        case "pg_foreign_table":
            return snapshot.userRelations.filter { $0.kind == "f" }.map { relation in
                [
                    "ftrelid": .oid(relation.oid), "ftserver": .oid(SystemOID.foreignServer),
                    "ftoptions": .list((["connector=\(relation.object?.relation?.connector ?? "")"] + relation.options).map { .string($0) }),
                ]
            }
        case "pg_tables":
            return snapshot.relations.filter { $0.kind == "r" }.map { relation in
                [
                    "schemaname": .text(SystemSnapshot.schemaName(relation.namespace)), "tablename": .string(relation.name),
                    "tableowner": .string(snapshot.identity.user), "tablespace": .null, "hasindexes": .boolean(!relation.primaryKey.isEmpty),
                ]
            }
        case "pg_views", "pg_matviews":
            let isMaterialized = name == "pg_matviews"
            return snapshot.relations.filter { $0.kind == (isMaterialized ? "m" : "v") }.map { relation in
                [
                    "schemaname": .text(SystemSnapshot.schemaName(relation.namespace)), isMaterialized ? "matviewname" : "viewname": .string(relation.name),
                    isMaterialized ? "matviewowner" : "viewowner": .string(snapshot.identity.user), "tablespace": .null, "ispopulated": .boolean(true),
                    "definition": .text(relation.definition),
                ]
            }
        case "pg_stat_activity":
            // The session that asks: others are known to the server alone.
            return [[
                "datid": .oid(SystemOID.database), "datname": .string(snapshot.identity.database), "pid": .integer(snapshot.identity.processID),
                "usesysid": owner, "usename": .string(snapshot.identity.user), "application_name": .text(snapshot.setting("application_name")),
                "state": .string("active"), "backend_type": .string("client backend"),
            ]]
        case "pg_stat_user_tables", "pg_stat_all_tables":
            return snapshot.userRelations.filter { $0.rowCount >= 0 }.map { relation in
                [
                    "relid": .oid(relation.oid), "schemaname": .string("public"), "relname": .string(relation.name),
                    "n_tup_ins": .integer(relation.rowCount), "n_live_tup": .integer(relation.rowCount),
                ]
            }
        case "pg_operator":
            let signs = ["=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "^", "||", "~", "~*", "!~", "!~*", "->", "->>", "#>", "#>>", "@>", "<@", "&&", "&", "|", "#", "<<", ">>"]
            return signs.enumerated().map { index, sign in
                [
                    "oid": .integer(15_900 + Int64(index)), "oprname": .string(sign), "oprnamespace": .oid(SystemOID.catalogSchema), "oprowner": owner,
                    "oprkind": .char("b"), "oprleft": .integer(2283), "oprright": .integer(2283), "oprresult": .integer(2283),
                ]
            }
        case "pg_timezone_names":
            return [["name": .string("UTC"), "abbrev": .string("UTC"), "utc_offset": .interval(IntervalValue())]]
        default: return []
        }
    }

    // MARK: Relations

    private func keyed(_ snapshot: SystemSnapshot) -> [(relation: SystemSnapshot.Relation, id: UInt64)] {
        snapshot.userRelations.compactMap { relation in
            guard let id = relation.object?.id, !relation.primaryKey.isEmpty else { return nil }
            return (relation, id)
        }
    }

    private func classRow(_ relation: SystemSnapshot.Relation, _ snapshot: SystemSnapshot) -> [String: Value] {
        [
            "oid": .oid(relation.oid), "relname": .string(relation.name), "relnamespace": .oid(relation.namespace), "reltype": .oid(relation.rowType),
            "relowner": .oid(SystemOID.owner), "relam": .oid(relation.kind == "r" || relation.kind == "m" ? SystemOID.heap : 0), "relfilenode": .oid(relation.oid),
            "reltuples": .double(Double(relation.rowCount)), "relpages": .integer(min(relation.byteCount / 8_192, 1 << 30)),
            "relhasindex": .boolean(!relation.primaryKey.isEmpty), "relpersistence": .char("p"), "relkind": .char(relation.kind),
            "relnatts": .number(relation.columns.count), "relhasrules": .boolean(relation.kind == "v"), "relispopulated": .boolean(true),
            "relreplident": .char("d"), "reloptions": relation.options.isEmpty || relation.kind == "f" ? .null : .list(relation.options.map { .string($0) }),
        ]
    }

    private func indexClassRow(_ relation: SystemSnapshot.Relation, _ id: UInt64) -> [String: Value] {
        [
            "oid": .oid(SystemOID.of(id, .keyIndex)), "relname": .string(relation.name + "_pkey"), "relnamespace": .oid(relation.namespace),
            "relowner": .oid(SystemOID.owner), "relam": .oid(SystemOID.btree), "relfilenode": .oid(SystemOID.of(id, .keyIndex)),
            "relpersistence": .char("p"), "relkind": .char("i"), "relnatts": .number(relation.primaryKey.count), "relispopulated": .boolean(true),
            "relreplident": .char("n"),
        ]
    }

    private func attributeRows(_ relation: SystemSnapshot.Relation) -> [[String: Value]] {
        relation.columns.enumerated().map { index, column in
            attribute(of: relation.oid, column, place: index + 1)
        }
    }

    private func keyAttributeRows(_ relation: SystemSnapshot.Relation, _ id: UInt64) -> [[String: Value]] {
        relation.primaryKey.enumerated().map { place, index in
            attribute(of: SystemOID.of(id, .keyIndex), relation.columns[index], place: place + 1)
        }
    }

    private func attribute(of oid: UInt32, _ column: SystemSnapshot.Column, place: Int) -> [String: Value] {
        let type = TypeRow.byOID[column.typeOID]
        return [
            "attrelid": .oid(oid), "attname": .string(column.name), "atttypid": .oid(column.typeOID), "attstattarget": .integer(-1),
            "attlen": .number(type?.byteLength ?? -1), "attnum": .number(place), "attcacheoff": .integer(-1), "atttypmod": .integer(column.modifier),
            "attndims": .integer(type?.category == "A" ? 1 : 0), "attbyval": .boolean((type?.byteLength ?? -1) > 0 && (type?.byteLength ?? -1) <= 8),
            "attalign": .char("i"), "attstorage": .char((type?.byteLength ?? -1) > 0 ? "p" : "x"), "attnotnull": .boolean(column.isNotNull),
            "atthasdef": .boolean(column.computed != nil), "attgenerated": .string(column.computed == nil ? "" : "s"), "attislocal": .boolean(true),
            "attcollation": .oid(type?.collation ?? 0),
        ]
    }

    private func keyRow(_ relation: SystemSnapshot.Relation, _ id: UInt64) -> [String: Value] {
        [
            "oid": .oid(SystemOID.of(id, .keyConstraint)), "conname": .string(relation.name + "_pkey"), "connamespace": .oid(relation.namespace),
            "contype": .char("p"), "convalidated": .boolean(true), "conrelid": .oid(relation.oid), "conindid": .oid(SystemOID.of(id, .keyIndex)),
            "confupdtype": .char(" "), "confdeltype": .char(" "), "confmatchtype": .char(" "), "conislocal": .boolean(true), "connoinherit": .boolean(true),
            "conkey": .list(relation.primaryKey.map { .number($0 + 1) }),
        ]
    }

    private func indexRow(_ relation: SystemSnapshot.Relation, _ id: UInt64) -> [String: Value] {
        let count = relation.primaryKey.count
        return [
            "indexrelid": .oid(SystemOID.of(id, .keyIndex)), "indrelid": .oid(relation.oid), "indnatts": .number(count), "indnkeyatts": .number(count),
            "indisunique": .boolean(true), "indisprimary": .boolean(true), "indimmediate": .boolean(true), "indisvalid": .boolean(true),
            "indisready": .boolean(true), "indislive": .boolean(true), "indkey": .list(relation.primaryKey.map { .number($0 + 1) }),
            "indcollation": .list(Array(repeating: .integer(0), count: count)), "indclass": .list(Array(repeating: .integer(0), count: count)),
            "indoption": .list(Array(repeating: .integer(0), count: count)),
        ]
    }

    private func typeRow(_ type: TypeRow) -> [String: Value] {
        [
            "oid": .oid(type.oid), "typname": .string(type.name), "typnamespace": .oid(type.namespaceOID), "typowner": .oid(SystemOID.owner),
            "typlen": .number(type.byteLength), "typbyval": .boolean(type.byteLength > 0 && type.byteLength <= 8), "typtype": .char(type.kind),
            "typcategory": .char(type.category), "typispreferred": .boolean(type.isPreferred), "typisdefined": .boolean(true), "typdelim": .char(","),
            "typrelid": .oid(type.relationOID), "typelem": .oid(type.elementOID), "typarray": .oid(type.arrayOID), "typalign": .char("i"),
            "typstorage": .char(type.byteLength > 0 ? "p" : "x"), "typtypmod": .integer(-1), "typcollation": .oid(type.collation),
        ]
    }

    private func functionRow(_ function: SystemSnapshot.Function) -> [String: Value] {
        [
            "oid": .oid(function.oid), "proname": .string(function.name), "pronamespace": .oid(function.namespace), "proowner": .oid(SystemOID.owner),
            "prolang": .oid(function.object == nil ? SystemOID.internalLanguage : SystemOID.sqlLanguage), "procost": .double(1), "prokind": .char(function.kind),
            "provolatile": .char("i"), "proparallel": .char("s"), "pronargs": .number(function.arguments.count), "prorettype": .oid(function.result),
            "proargtypes": .list(function.arguments.map { .oid($0) }), "prosrc": .string(function.source),
            "proargnames": function.argumentNames.isEmpty ? .null : .list(function.argumentNames.map { .string($0) }),
        ]
    }

    private func roleRow(_ snapshot: SystemSnapshot) -> [String: Value] {
        [
            "oid": .oid(SystemOID.owner), "rolname": .string(snapshot.identity.user), "rolsuper": .boolean(true), "rolinherit": .boolean(true),
            "rolcreaterole": .boolean(true), "rolcreatedb": .boolean(true), "rolcanlogin": .boolean(true), "rolconnlimit": .integer(-1),
            "usename": .string(snapshot.identity.user), "usesysid": .oid(SystemOID.owner), "usesuper": .boolean(true), "usecreatedb": .boolean(true),
        ]
    }
}
