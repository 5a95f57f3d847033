// SystemRelation+Standard: the rows of information_schema.
//
// A stream, table or materialized view is a BASE TABLE, what is kept outside a FOREIGN table. The catalog's name is the database's.

import Columns
import Planning

extension SystemRelation {
    func standardRows(_ snapshot: SystemSnapshot) -> [[String: Value]] {
        let catalog = Value.string(snapshot.identity.database)
        func schema(_ relation: SystemSnapshot.Relation) -> Value { .text(SystemSnapshot.schemaName(relation.namespace)) }
        let keyed = snapshot.userRelations.filter { !$0.primaryKey.isEmpty }
        switch name {
        case "information_schema_catalog_name": return [["catalog_name": catalog]]
        case "schemata":
            return SystemSnapshot.schemas.map {
                ["catalog_name": catalog, "schema_name": .string($0.name), "schema_owner": .string(snapshot.identity.user)]
            }
        case "tables":
            return snapshot.relations.filter { $0.kind != "m" }.map { relation in
                let kind = relation.kind == "v" ? "VIEW" : relation.kind == "f" ? "FOREIGN" : "BASE TABLE"
                return [
                    "table_catalog": catalog, "table_schema": schema(relation), "table_name": .string(relation.name), "table_type": .string(kind),
                    "is_insertable_into": .string(relation.object != nil && relation.kind != "v" ? "YES" : "NO"), "is_typed": .string("NO"),
                ]
            }
        case "columns": return snapshot.relations.flatMap { columnRows($0, catalog, schema($0)) }
        case "views":
            return snapshot.relations.filter { $0.kind == "v" }.map { relation in
                [
                    "table_catalog": catalog, "table_schema": schema(relation), "table_name": .string(relation.name),
                    "view_definition": .text(relation.definition), "check_option": .string("NONE"), "is_updatable": .string("NO"),
                    "is_insertable_into": .string("NO"), "is_trigger_updatable": .string("NO"), "is_trigger_deletable": .string("NO"),
                    "is_trigger_insertable_into": .string("NO"),
                ]
            }
        case "routines":
            return snapshot.functions.filter { $0.kind == "f" }.map { function in
                let name = Value.text(SystemSnapshot.schemaName(function.namespace))
                let type = TypeRow.byOID[function.result]
                return [
                    "specific_catalog": catalog, "specific_schema": name, "specific_name": .string("\(function.name)_\(function.oid)"),
                    "routine_catalog": catalog, "routine_schema": name, "routine_name": .string(function.name), "routine_type": .string("FUNCTION"),
                    "data_type": .string(function.resultName), "type_udt_catalog": catalog, "type_udt_schema": .string("pg_catalog"),
                    "type_udt_name": .text(type?.name), "routine_body": .string(function.object == nil ? "EXTERNAL" : "SQL"),
                    "routine_definition": .string(function.source), "external_language": .string(function.object == nil ? "INTERNAL" : "SQL"),
                    "is_deterministic": .string("YES"), "sql_data_access": .string("MODIFIES"), "security_type": .string("INVOKER"),
                ]
            }
        case "parameters":
            return snapshot.functions.flatMap { function in
                function.arguments.enumerated().map { index, type in
                    [
                        "specific_catalog": catalog, "specific_schema": .text(SystemSnapshot.schemaName(function.namespace)),
                        "specific_name": .string("\(function.name)_\(function.oid)"), "ordinal_position": .number(index + 1), "parameter_mode": .string("IN"),
                        "is_result": .string("NO"), "parameter_name": index < function.argumentNames.count ? .string(function.argumentNames[index]) : .null,
                        "data_type": .string(TypeRow.display(type, modifier: nil, known: nil)), "udt_catalog": catalog, "udt_schema": .string("pg_catalog"),
                        "udt_name": .text(TypeRow.byOID[type]?.name),
                    ]
                }
            }
        case "table_constraints":
            return keyed.map { relation in
                [
                    "constraint_catalog": catalog, "constraint_schema": schema(relation), "constraint_name": .string(relation.name + "_pkey"),
                    "table_catalog": catalog, "table_schema": schema(relation), "table_name": .string(relation.name), "constraint_type": .string("PRIMARY KEY"),
                    "is_deferrable": .string("NO"), "initially_deferred": .string("NO"), "enforced": .string("NO"),
                ]
            }
        case "key_column_usage", "constraint_column_usage":
            return keyed.flatMap { relation in
                relation.primaryKey.enumerated().map { place, index in
                    [
                        "constraint_catalog": catalog, "constraint_schema": schema(relation), "constraint_name": .string(relation.name + "_pkey"),
                        "table_catalog": catalog, "table_schema": schema(relation), "table_name": .string(relation.name),
                        "column_name": .string(relation.columns[index].name), "ordinal_position": .number(place + 1), "position_in_unique_constraint": .null,
                    ]
                }
            }
        case "constraint_table_usage":
            return keyed.map { relation in
                [
                    "table_catalog": catalog, "table_schema": schema(relation), "table_name": .string(relation.name), "constraint_catalog": catalog,
                    "constraint_schema": schema(relation), "constraint_name": .string(relation.name + "_pkey"),
                ]
            }
        case "foreign_tables":
            return snapshot.userRelations.filter { $0.kind == "f" }.map { relation in
                [
                    "foreign_table_catalog": catalog, "foreign_table_schema": schema(relation), "foreign_table_name": .string(relation.name),
                    "foreign_server_catalog": catalog, "foreign_server_name": .string("connectors"),
                ]
            }
        case "enabled_roles", "applicable_roles":
            return [["role_name": .string(snapshot.identity.user), "grantee": .string(snapshot.identity.user), "is_grantable": .string("YES")]]
        case "character_sets":
            return [[
                "character_set_name": .string("UTF8"), "character_repertoire": .string("UCS"), "form_of_use": .string("UTF8"),
                "default_collate_catalog": catalog, "default_collate_schema": .string("pg_catalog"), "default_collate_name": .string("C"),
            ]]
        default: return []
        }
    }

    private func columnRows(_ relation: SystemSnapshot.Relation, _ catalog: Value, _ schema: Value) -> [[String: Value]] {
        guard relation.kind != "m" else { return [] }
        return relation.columns.enumerated().map { index, column in
            let type = TypeRow.byOID[column.typeOID]
            let isArray = type?.category == "A" && type?.name.hasPrefix("_") == true
            var row: [String: Value] = [
                "table_catalog": catalog, "table_schema": schema, "table_name": .string(relation.name), "column_name": .string(column.name),
                "ordinal_position": .number(index + 1), "column_default": .null, "is_nullable": .string(column.isNotNull ? "NO" : "YES"),
                "data_type": .string(isArray ? "ARRAY" : type?.display ?? "text"), "udt_catalog": catalog, "udt_schema": .string("pg_catalog"),
                "udt_name": .text(type?.name), "dtd_identifier": .string(String(index + 1)), "is_self_referencing": .string("NO"),
                "is_identity": .string("NO"), "is_generated": .string(column.computed == nil ? "NEVER" : "ALWAYS"),
                "generation_expression": .text(column.computed), "is_updatable": .string(relation.object != nil && relation.kind != "v" ? "YES" : "NO"),
            ]
            for name in ["character_maximum_length", "character_octet_length", "numeric_precision", "numeric_precision_radix", "numeric_scale", "datetime_precision", "interval_precision", "maximum_cardinality"] { row[name] = .null }
            for name in ["domain_name", "domain_catalog", "domain_schema", "collation_name", "collation_catalog", "collation_schema", "character_set_name", "character_set_catalog", "character_set_schema", "scope_catalog", "scope_schema", "scope_name"] { row[name] = .null }
            switch column.typeOID {
            case 1043 where column.modifier >= 4: row["character_maximum_length"] = .integer(column.modifier - 4)
            case 21: (row["numeric_precision"], row["numeric_precision_radix"], row["numeric_scale"]) = (.integer(16), .integer(2), .integer(0))
            case 23: (row["numeric_precision"], row["numeric_precision_radix"], row["numeric_scale"]) = (.integer(32), .integer(2), .integer(0))
            case 20: (row["numeric_precision"], row["numeric_precision_radix"], row["numeric_scale"]) = (.integer(64), .integer(2), .integer(0))
            case 700: (row["numeric_precision"], row["numeric_precision_radix"]) = (.integer(24), .integer(2))
            case 701: (row["numeric_precision"], row["numeric_precision_radix"]) = (.integer(53), .integer(2))
            case 1700 where column.modifier >= 4:
                row["numeric_precision"] = .integer((column.modifier - 4) >> 16)
                row["numeric_precision_radix"] = .integer(10)
                row["numeric_scale"] = .integer((column.modifier - 4) & 0xFFFF)
            case 1082: row["datetime_precision"] = .integer(0)
            case 1114, 1184, 1083: row["datetime_precision"] = .integer(column.modifier >= 0 ? column.modifier : 6)
            default: break
            }
            return row
        }
    }
}
