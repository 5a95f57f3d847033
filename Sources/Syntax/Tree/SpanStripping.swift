// SpanStripping: the same tree without places, so that two trees can be compared by what they say.
//
// Whether a name was quoted is dropped too: matching names is the binder's affair, and the printer quotes only where it must.

package protocol SpanStripping {
    func strippingSpans() -> Self
}

extension Array where Element: SpanStripping {
    package func strippingSpans() -> [Element] { map { $0.strippingSpans() } }
}

extension Optional where Wrapped: SpanStripping {
    package func strippingSpans() -> Wrapped? { map { $0.strippingSpans() } }
}

extension Identifier: SpanStripping {
    package func strippingSpans() -> Identifier { Identifier(name) }
}

extension QualifiedName: SpanStripping {
    package func strippingSpans() -> QualifiedName { QualifiedName(parts.strippingSpans(), span: .none) }
}

extension TypeName: SpanStripping {
    package func strippingSpans() -> TypeName {
        switch kind {
        case .array(let element): TypeName(.array(element.strippingSpans()), span: .none)
        case .map(let key, let value): TypeName(.map(key.strippingSpans(), value.strippingSpans()), span: .none)
        case .row(let fields):
            TypeName(
                .row(fields.map { RowField(name: $0.name.strippingSpans(), type: $0.type.strippingSpans()) }), span: .none)
        default: TypeName(kind, span: .none)
        }
    }
}

extension Expression: SpanStripping {
    package func strippingSpans() -> Expression { Expression(Self.stripped(kind), span: .none) }

    private static func stripped(_ kind: Kind) -> Kind {
        switch kind {
        case .literal(.typed(let type, let text)): .literal(.typed(type.strippingSpans(), text))
        case .literal, .niladic: kind
        case .column(let name): .column(name.strippingSpans())
        case .star(let qualifier): .star(qualifier: qualifier.strippingSpans())
        case .unary(let unaryOperator, let operand): .unary(unaryOperator, operand.strippingSpans())
        case .binary(let binaryOperator, let left, let right, _):
            .binary(binaryOperator, left.strippingSpans(), right.strippingSpans(), operatorSpan: .none)
        case .not(let operand): .not(operand.strippingSpans())
        case .isTest(let operand, let test, let negated): .isTest(operand.strippingSpans(), test, negated: negated)
        case .isDistinct(let left, let right, let negated):
            .isDistinct(left.strippingSpans(), right.strippingSpans(), negated: negated)
        case .between(let operand, let low, let high, let negated, let symmetric):
            .between(
                operand.strippingSpans(), low: low.strippingSpans(), high: high.strippingSpans(), negated: negated,
                symmetric: symmetric)
        case .inList(let operand, let items, let negated):
            .inList(operand.strippingSpans(), items.strippingSpans(), negated: negated)
        case .quantified(let operand, let operation, let query, let isAll):
            .quantified(operand.strippingSpans(), operation, query.strippingSpans(), isAll: isAll)
        case .inQuery(let operand, let query, let negated):
            .inQuery(operand.strippingSpans(), query.strippingSpans(), negated: negated)
        case .exists(let query): .exists(query.strippingSpans())
        case .scalarQuery(let query): .scalarQuery(query.strippingSpans())
        case .arrayQuery(let query): .arrayQuery(query.strippingSpans())
        case .cursor(let query): .cursor(query.strippingSpans())
        case .like(let operand, let pattern, let escape, let like, let negated):
            .like(
                operand.strippingSpans(), pattern: pattern.strippingSpans(), escape: escape.strippingSpans(), like,
                negated: negated)
        case .caseWhen(let operand, let branches, let otherwise):
            .caseWhen(
                operand: operand.strippingSpans(),
                branches: branches.map {
                    CaseBranch(condition: $0.condition.strippingSpans(), result: $0.result.strippingSpans())
                },
                otherwise: otherwise.strippingSpans())
        case .cast(let operand, let type, let isTry):
            .cast(operand.strippingSpans(), type.strippingSpans(), isTry: isTry)
        case .call(let call): .call(call.strippingSpans())
        case .extract(let field, let operand): .extract(field: field.strippingSpans(), operand.strippingSpans())
        case .atTimeZone(let operand, let zone): .atTimeZone(operand.strippingSpans(), zone.strippingSpans())
        case .element(let operand, let index): .element(operand.strippingSpans(), index.strippingSpans())
        case .field(let operand, let name): .field(operand.strippingSpans(), name.strippingSpans())
        case .array(let items): .array(items.strippingSpans())
        case .row(let items): .row(items.strippingSpans())
        case .descriptor(let columns): .descriptor(columns.strippingSpans())
        case .tableArgument(let name): .tableArgument(name.strippingSpans())
        }
    }
}

extension FunctionCall: SpanStripping {
    package func strippingSpans() -> FunctionCall {
        FunctionCall(
            name: name.strippingSpans(), arguments: arguments.strippingSpans(),
            argumentNames: argumentNames.map { $0.strippingSpans() }, isDistinct: isDistinct,
            orderBy: orderBy.strippingSpans(), withinGroup: withinGroup.strippingSpans(), filter: filter.strippingSpans(),
            ignoresNulls: ignoresNulls, over: over.strippingSpans(), semantics: semantics)
    }
}

extension WindowReference: SpanStripping {
    package func strippingSpans() -> WindowReference {
        switch self {
        case .named(let name): .named(name.strippingSpans())
        case .inline(let specification): .inline(specification.strippingSpans())
        }
    }
}

extension WindowSpecification: SpanStripping {
    package func strippingSpans() -> WindowSpecification {
        WindowSpecification(
            base: base.strippingSpans(), partitionBy: partitionBy.strippingSpans(), orderBy: orderBy.strippingSpans(),
            frame: frame.map {
                WindowFrame(unit: $0.unit, start: Self.stripped($0.start), end: $0.end.map { Self.stripped($0) })
            },
            span: .none)
    }

    private static func stripped(_ bound: WindowFrame.Bound) -> WindowFrame.Bound {
        switch bound {
        case .unboundedPreceding, .currentRow, .unboundedFollowing: bound
        case .preceding(let offset): .preceding(offset.strippingSpans())
        case .following(let offset): .following(offset.strippingSpans())
        }
    }
}

extension OrderItem: SpanStripping {
    package func strippingSpans() -> OrderItem {
        OrderItem(expression: expression.strippingSpans(), isDescending: isDescending, nullsFirst: nullsFirst)
    }
}

extension Query: SpanStripping {
    package func strippingSpans() -> Query {
        var stripped = Query(
            with: with.map {
                CommonTable(
                    name: $0.name.strippingSpans(), columns: $0.columns.strippingSpans(), query: $0.query.strippingSpans())
            },
            body: body.strippingSpans(), orderBy: orderBy.strippingSpans(), limit: limit.strippingSpans(),
            offset: offset.strippingSpans(), emit: emit, startFrom: startFrom.strippingSpans(), span: .none)
        stripped.isRecursive = isRecursive
        return stripped
    }
}

extension StartPosition: SpanStripping {
    package func strippingSpans() -> StartPosition {
        if case .time(let expression) = self { return .time(expression.strippingSpans()) }
        return self
    }
}

extension QueryBody: SpanStripping {
    package func strippingSpans() -> QueryBody {
        switch self {
        case .select(let select): .select(select.strippingSpans())
        case .setOperation(let setOperator, let all, let left, let right, _):
            .setOperation(setOperator, all: all, left.strippingSpans(), right.strippingSpans(), span: .none)
        case .values(let rows, _): .values(rows.map { $0.strippingSpans() }, span: .none)
        }
    }
}

extension Select: SpanStripping {
    package func strippingSpans() -> Select {
        Select(
            isStream: isStream, isDistinct: isDistinct, distinctOn: distinctOn.strippingSpans(),
            items: items.map {
                SelectItem(expression: $0.expression.strippingSpans(), alias: $0.alias.strippingSpans())
            },
            from: from.strippingSpans(), filter: filter.strippingSpans(), groupBy: groupBy.strippingSpans(),
            having: having.strippingSpans(),
            windows: windows.map {
                NamedWindow(name: $0.name.strippingSpans(), specification: $0.specification.strippingSpans())
            },
            qualify: qualify.strippingSpans(), span: .none)
    }
}

extension GroupingElement: SpanStripping {
    package func strippingSpans() -> GroupingElement {
        switch self {
        case .expression(let expression): .expression(expression.strippingSpans())
        case .groupingSets(let sets): .groupingSets(sets.map { $0.strippingSpans() })
        case .rollup(let items): .rollup(items.strippingSpans())
        case .cube(let items): .cube(items.strippingSpans())
        case .all: .all
        }
    }
}

extension TableExpression: SpanStripping {
    package func strippingSpans() -> TableExpression {
        TableExpression(
            Self.stripped(kind), alias: alias.strippingSpans(), columnAliases: columnAliases.strippingSpans(), span: .none)
    }

    private static func stripped(_ kind: Kind) -> Kind {
        switch kind {
        case .name(let name, let asOf): .name(name.strippingSpans(), asOf: asOf.strippingSpans())
        case .query(let query): .query(query.strippingSpans())
        case .function(let call): .function(call.strippingSpans())
        case .unnest(let arrays, let withOrdinality): .unnest(arrays.strippingSpans(), withOrdinality: withOrdinality)
        case .join(let join, let left, let right, let condition):
            .join(join, left.strippingSpans(), right.strippingSpans(), stripped(condition))
        case .match(let input, let clause): .match(input.strippingSpans(), clause.strippingSpans())
        case .lateral(let inner): .lateral(inner.strippingSpans())
        }
    }

    private static func stripped(_ condition: JoinCondition) -> JoinCondition {
        switch condition {
        case .none: .none
        case .natural: .natural
        case .on(let expression): .on(expression.strippingSpans())
        case .using(let columns): .using(columns.strippingSpans())
        }
    }
}

extension Statement: SpanStripping {
    package func strippingSpans() -> Statement { Statement(Self.stripped(kind), span: .none) }

    private static func stripped(_ kind: Kind) -> Kind {
        switch kind {
        case .query(let query): .query(query.strippingSpans())
        case .insert(let insert): .insert(insert.strippingSpans())
        case .createRelation(let relation): .createRelation(relation.strippingSpans())
        case .createView(let view): .createView(view.strippingSpans())
        case .createQuery(let query): .createQuery(query.strippingSpans())
        case .alterQuery(let query): .alterQuery(query.strippingSpans())
        case .alterStream(let alter): .alterStream(alter.strippingSpans())
        case .createFunction(let function): .createFunction(function.strippingSpans())
        case .pause(let kind, let name, let isPaused): .pause(kind, name.strippingSpans(), isPaused: isPaused)
        case .explainAnalyze(.query(let name)): .explainAnalyze(.query(name.strippingSpans()))
        case .explainAnalyze(.statement(let statement)): .explainAnalyze(.statement(statement.strippingSpans()))
        case .explainWatermark(let name): .explainWatermark(name.strippingSpans())
        case .describeQuery(let name): .describeQuery(name.strippingSpans())
        case .drop(let object, let names, let ifExists): .drop(object, names: names.strippingSpans(), ifExists: ifExists)
        case .show(.create(let name)): .show(.create(name.strippingSpans()))
        case .show: kind
        case .describe(let name): .describe(name.strippingSpans())
        case .explain(let explain, let statement): .explain(explain, statement.strippingSpans())
        case .set(let name, let value): .set(name.strippingSpans(), value.strippingSpans())
        case .reset(let name): .reset(name.strippingSpans())
        case .notification(let statement): .notification(statement.strippingSpans())
        case .alert(let statement): .alert(statement.strippingSpans())
        case .connection(let statement): .connection(statement.strippingSpans())
        }
    }
}

extension ConnectionStatement: SpanStripping {
    @inline(never)
    package func strippingSpans() -> ConnectionStatement {
        switch self {
        case .begin, .commit, .rollback, .transactionModes, .discard: self
        case .savepoint(let action, let name): .savepoint(action, name.strippingSpans())
        case .declare(let name, let query, let holds): .declare(name.strippingSpans(), query.strippingSpans(), holds: holds)
        case .fetch(let fetch): .fetch(CursorFetch(cursor: fetch.cursor.strippingSpans(), count: fetch.count, isMove: fetch.isMove))
        case .close(let name): .close(name.strippingSpans())
        case .copy(let copy): .copy(copy.strippingSpans())
        case .prepare(let name, let types, let statement):
            .prepare(name.strippingSpans(), types.strippingSpans(), statement.strippingSpans())
        case .execute(let name, let values): .execute(name.strippingSpans(), values.strippingSpans())
        case .deallocate(let name): .deallocate(name.strippingSpans())
        case .unlisten(let name): .unlisten(name.strippingSpans())
        case .showSetting(let name): .showSetting(name.strippingSpans())
        }
    }
}

extension Copy: SpanStripping {
    package func strippingSpans() -> Copy {
        var copy = self
        switch source {
        case .relation(let name, let columns): copy.source = .relation(name.strippingSpans(), columns.strippingSpans())
        case .query(let query): copy.source = .query(query.strippingSpans())
        }
        return copy
    }
}

extension CreateQuery: SpanStripping {
    @inline(never)
    package func strippingSpans() -> CreateQuery {
        CreateQuery(
            name: name.strippingSpans(), orReplace: orReplace, ifNotExists: ifNotExists, insert: insert.strippingSpans(),
            options: options.strippingSpans())
    }
}

extension CreateFunction: SpanStripping {
    package func strippingSpans() -> CreateFunction {
        CreateFunction(
            name: name.strippingSpans(), orReplace: orReplace, ifNotExists: ifNotExists,
            parameters: parameters.map { Parameter(name: $0.name.strippingSpans(), type: $0.type.strippingSpans()) },
            returns: returns.strippingSpans(), isStrict: isStrict, body: body.strippingSpans())
    }
}

extension Insert: SpanStripping {
    package func strippingSpans() -> Insert {
        Insert(target: target.strippingSpans(), columns: columns.strippingSpans(), query: query.strippingSpans())
    }
}

extension Option: SpanStripping {
    package func strippingSpans() -> Option { Option(key: key, value: value, keySpan: .none, valueSpan: .none) }
}

extension CreateRelation: SpanStripping {
    package func strippingSpans() -> CreateRelation {
        CreateRelation(
            kind: kind, name: name.strippingSpans(), orReplace: orReplace, ifNotExists: ifNotExists,
            columns: columns.map { column in
                let columnKind: ColumnClause.Kind = switch column.kind {
                case .physical(let type, let isNotNull): .physical(type.strippingSpans(), isNotNull: isNotNull)
                case .computed(let value): .computed(value.strippingSpans())
                }
                return ColumnClause(name: column.name.strippingSpans(), kind: columnKind, span: .none)
            },
            watermark: watermark.map {
                WatermarkClause(column: $0.column.strippingSpans(), expression: $0.expression.strippingSpans(), span: .none)
            },
            primaryKey: primaryKey.strippingSpans(), partitionBy: partitionBy.strippingSpans(),
            shards: shards.strippingSpans(), retain: retain.strippingSpans(), options: options.strippingSpans(),
            source: source.map { source in
                switch source {
                case .like(let name, let part): .like(name.strippingSpans(), part)
                case .query(let query): .query(query.strippingSpans())
                }
            })
    }
}

extension CreateView: SpanStripping {
    package func strippingSpans() -> CreateView {
        var view = CreateView(
            name: name.strippingSpans(), orReplace: orReplace, ifNotExists: ifNotExists, columns: columns.strippingSpans(),
            query: query.strippingSpans())
        view.isMaterialized = isMaterialized
        return view
    }
}
