// Planner: the module's face. A statement's tree and a catalog in, an operator graph or an error with its place out.

import Columns
import Syntax

/// How a query is to run.
package enum RunMode: Hashable, Sendable {
    /// Over what is there now, and then it ends: a plain SELECT.
    case bounded
    /// Goes on: SELECT STREAM, INSERT INTO .. SELECT, saved queries.
    case continuous
}

/// What kind of rows a query emits.
package enum ChangelogMode: Hashable, Sendable {
    case appendOnly
    case retract
}

package struct PlannedQuery: Sendable {
    package var plan: PhysicalPlan
    /// Names and types of the result's columns.
    package var schema: Schema
    package var changelog: ChangelogMode
    package var startFrom: StartPosition?
    /// For people, e.g. which state grows without bound with what.
    package var notices: [String]

    package init(
        plan: PhysicalPlan, schema: Schema, changelog: ChangelogMode, startFrom: StartPosition? = nil, notices: [String] = []
    ) {
        self.plan = plan
        self.schema = schema
        self.changelog = changelog
        self.startFrom = startFrom
        self.notices = notices
    }
}

package struct PlannedInsert: Sendable {
    package var target: RelationDefinition
    /// Already cast to the target's physical columns, in their order; columns not named are NULL.
    package var query: PlannedQuery
}

/// Settings of the session that reach planning.
package struct PlannerOptions: Sendable {
    /// The optimiser's rules that may run.
    package var rules = OptimizerRule.standard
    /// What lets constant folding compute; planning itself never knows how.
    package var evaluate: ConstantEvaluator?
    package var allowedLatenessMicroseconds: Int64 = 0
    /// How long state that nothing else bounds is kept without being used; nil: for ever.
    package var stateTTLMicroseconds: Int64?

    package init() {}

    package var usesOptimizer: Bool {
        get { !rules.isEmpty }
        set { rules = newValue ? OptimizerRule.standard : [] }
    }
}

/// The value of an expression over constants; nil when it has none that is always the same, or fails.
package typealias ConstantEvaluator = @Sendable (BoundExpression) -> Value?

package enum Planner {
    /// A query in the mode that its text asks for unless `mode` is given: SELECT STREAM and EMIT CHANGES go on, others end.
    package static func plan(_ query: Query, mode: RunMode? = nil, catalog: any Catalog, options: PlannerOptions) throws(SQLError)
        -> (query: PlannedQuery, mode: RunMode)
    {
        let stages = try FunctionScope.with(catalog) { () throws(SQLError) in
            try Planner.stages(query, mode: mode, catalog: catalog, options: options)
        }
        return (stages.planned, stages.mode)
    }

    /// What a query says, bound and untouched by any rule: the plan that every other plan of it must agree with.
    package static func meaning(_ query: Query, catalog: any Catalog) throws(SQLError) -> LogicalPlan {
        try FunctionScope.with(catalog) { () throws(SQLError) in
            try QueryBinder(catalog: catalog, mode: .bounded).bindStatement(query).plan
        }
    }

    /// INSERT INTO .. SELECT | VALUES. A query over VALUES alone is bounded.
    package static func plan(_ insert: Insert, catalog: any Catalog, options: PlannerOptions) throws(SQLError) -> PlannedInsert {
        let (target, stages) = try FunctionScope.with(catalog) { () throws(SQLError) in
            try Planner.stages(insert, catalog: catalog, options: options)
        }
        return PlannedInsert(target: target, query: stages.planned)
    }

    /// Rules over one body as one query, whose rows are transitions (`AlertColumns`). `tags` remembers what is dear to find out, from one plan to the next.
    package static func plan(_ rules: [AlertDefinition], catalog: any Catalog, options: PlannerOptions, tags: AlertTags = AlertTags()) throws(SQLError)
        -> PlannedAlerts
    {
        try FunctionScope.with(catalog) { () throws(SQLError) in try AlertBinder.plan(rules, catalog: catalog, options: options, tags: tags) }
    }

    /// Checks and types a CREATE STREAM | TABLE. Options are kept as they are: connectors check their own.
    package static func define(_ relation: CreateRelation, catalog: any Catalog) throws(SQLError) -> RelationDefinition {
        try FunctionScope.with(catalog) { () throws(SQLError) in try RelationBinder.define(relation) }
    }

    /// Checks the body of a CREATE FUNCTION.
    package static func define(_ function: CreateFunction, catalog: any Catalog) throws(SQLError) -> UserFunction {
        try UserFunctionBinder.define(function, catalog: catalog)
    }

    /// The same without looking at the body: for definitions that have been checked, and may name others that are read later.
    package static func restore(_ function: CreateFunction) throws(SQLError) -> UserFunction { try UserFunctionBinder.shape(function) }

    /// The names, in lower case, of the functions of CREATE FUNCTION that a definition calls, itself or through views and other functions;
    /// and what is wrong with it as the catalog is, if anything is.
    package static func functionsUsed(by statement: Statement, catalog: any Catalog, options: PlannerOptions) -> (names: Set<String>, error: SQLError?) {
        let scope = FunctionScope(catalog)
        do throws(SQLError) {
            try FunctionScope.with(scope) { () throws(SQLError) in
                switch statement.kind {
                case .createView(let view): _ = try define(view, catalog: catalog)
                case .createRelation(let relation): _ = try RelationBinder.define(relation)
                case .createQuery(let query): _ = try stages(query.insert, catalog: catalog, options: options)
                case .createFunction(let function): try UserFunctionBinder.check(function)
                case .alert(.create(let create)): _ = try AlertBinder.plan([AlertDefinition(id: 0, create: create)], catalog: catalog, options: options)
                default: break
                }
            }
            return (scope.used, nil)
        } catch { return (scope.used, error) }
    }

    /// Checks that a view's query binds.
    package static func define(_ view: CreateView, catalog: any Catalog) throws(SQLError) -> (definition: ViewDefinition, schema: Schema) {
        try FunctionScope.with(catalog) { () throws(SQLError) in try bind(view, catalog: catalog) }
    }

    private static func bind(_ view: CreateView, catalog: any Catalog) throws(SQLError) -> (definition: ViewDefinition, schema: Schema) {
        // As it will be bound in either mode; ORDER BY, say, is only possible in one.
        let binder = QueryBinder(catalog: catalog, mode: .bounded)
        if view.orReplace, case .view(let replaced)? = catalog.entry(named: view.name.last.name) { binder.viewStack = [replaced.name] }
        var bound = try binder.bindStatement(view.query)
        try binder.rename(&bound.fields, view.columns, table: view.name.last.name, span: view.name.span)
        var names: [String: SourceSpan] = [:]
        for (index, field) in bound.fields.enumerated() {
            let span = index < view.columns.count ? view.columns[index].span : bound.spans[index]
            if names.updateValue(span, forKey: field.name) != nil {
                throw SQLError(
                    "column \"\(field.name)\" specified more than once", at: span, hint: "give it another name with AS", code: "42701")
            }
        }
        if let start = view.query.startFrom, case .time(let expression) = start {
            throw SQLError("a view cannot have START FROM", at: expression.span, code: SQLError.featureNotSupported)
        }
        let definition = ViewDefinition(name: view.name.last.name, columns: view.columns.map(\.name), query: view.query)
        return (definition, Schema(bound.fields))
    }

    /// The text of EXPLAIN, a line each.
    package static func explain(_ statement: Statement, kind: ExplainKind?, catalog: any Catalog, options: PlannerOptions)
        throws(SQLError) -> [String]
    {
        try FunctionScope.with(catalog) { () throws(SQLError) in try explanation(statement, kind: kind, catalog: catalog, options: options) }
    }

    private static func explanation(_ statement: Statement, kind: ExplainKind?, catalog: any Catalog, options: PlannerOptions)
        throws(SQLError) -> [String]
    {
        switch statement.kind {
        case .query(let query):
            return try stages(query, mode: nil, catalog: catalog, options: options).explanation(kind, target: nil)
        case .insert(let insert):
            let (target, stages) = try stages(insert, catalog: catalog, options: options)
            return stages.explanation(kind, target: target)
        case .createQuery(let query), .alterQuery(let query):
            let (target, stages) = try stages(query.insert, catalog: catalog, options: options)
            return stages.explanation(kind, target: target)
        case .createView(let view):
            _ = try define(view, catalog: catalog)
            return try stages(view.query, mode: nil, catalog: catalog, options: options).explanation(kind, target: nil)
        case .explain(let inner, let nested): return try explanation(nested, kind: kind ?? inner, catalog: catalog, options: options)
        case .alert(.create(let create)):
            return try AlertBinder.plan([AlertDefinition(id: 0, create: create)], catalog: catalog, options: options).explanation(kind)
        case .connection(let inner): throw inner.needsConnection(at: statement.span)
        case .createRelation, .createFunction, .alert, .alterStream, .drop, .show, .describe, .describeQuery, .pause, .explainAnalyze, .explainWatermark, .set,
            .reset, .notification:
            throw SQLError(
                "this statement has no plan", at: statement.span, hint: "EXPLAIN takes SELECT, INSERT, CREATE QUERY and CREATE ALERT",
                code: SQLError.featureNotSupported)
        }
    }

    // MARK: Stages

    private static func stages(_ query: Query, mode: RunMode?, catalog: any Catalog, options: PlannerOptions) throws(SQLError)
        -> PlanStages
    {
        let mode = mode ?? (query.isContinuous ? .continuous : .bounded)
        let binder = QueryBinder(catalog: catalog, mode: mode, latenessMicroseconds: options.allowedLatenessMicroseconds)
        let bound = try binder.bindStatement(query)
        return try PlanStages(bound, startFrom: query.startFrom, mode: mode, options: options)
    }

    private static func stages(_ insert: Insert, catalog: any Catalog, options: PlannerOptions) throws(SQLError)
        -> (RelationDefinition, PlanStages)
    {
        // Whether anything is read is known only when names are.
        let bounded = try InsertBinder.bind(insert, binder: QueryBinder(catalog: catalog, mode: .bounded))
        if !bounded.query.plan.readsRelation {
            let stages = try PlanStages(bounded.query, startFrom: insert.query.startFrom, mode: .bounded, options: options)
            return (bounded.target, stages)
        }
        let binder = QueryBinder(catalog: catalog, mode: .continuous, latenessMicroseconds: options.allowedLatenessMicroseconds)
        let (target, query) = try InsertBinder.bind(insert, binder: binder)
        let stages = try PlanStages(query, startFrom: insert.query.startFrom, mode: .continuous, options: options, target: target)
        if stages.planned.changelog == .retract, target.isAppendOnly {
            let cause = query.plan.retractionCause(mode: .continuous)
            throw SQLError(
                "\"\(target.name)\" takes no updates, and the query takes rows back" + (cause.map { ": " + $0.what } ?? ""), at: insert.query.span,
                hint: (cause.map { $0.remedy + "; " } ?? "") + "or leave out changelog = 'append', so that rows carry an op",
                code: SQLError.featureNotSupported)
        }
        return (target, stages)
    }
}

/// A query after each step.
struct PlanStages {
    var mode: RunMode
    var logical: LogicalPlan
    var rules: [OptimizerRule]
    var planned: PlannedQuery

    init(
        _ bound: BoundQuery, startFrom: StartPosition?, mode: RunMode, options: PlannerOptions, target: RelationDefinition? = nil
    ) throws(SQLError) {
        self.mode = mode
        logical = bound.plan
        rules = []
        var applied: Set<OptimizerRule>
        (logical, applied) = Optimizer.optimize(bound.plan, mode: mode, options: options)
        var builder = PhysicalBuilder(mode: mode)
        var built = try builder.build(logical)
        builder.notices += NullComparison.notices(bound.plan)
        if mode == .continuous {
            built = Changelogs(stateTTLMicroseconds: options.stateTTLMicroseconds).apply(built)
            if options.stateTTLMicroseconds != nil {
                builder.notices.removeAll { $0.hasPrefix("state of ") }
            } else if options.usesOptimizer, !options.rules.contains(.joinOrder), let notice = JoinOrder.notice(logical, mode: mode) {
                builder.notices.append(notice)
            }
        }
        let (plan, physicalRules) = Optimizer.optimize(
            built, mode: mode, sink: target?.updateNeed(of: built) ?? .all, options: options)
        if mode == .continuous, let notice = target?.keyNotice(of: built) { builder.notices.append(notice) }
        applied.formUnion(physicalRules)
        rules = OptimizerRule.allCases.filter(applied.contains)
        planned = PlannedQuery(
            plan: plan, schema: Schema(bound.fields), changelog: logical.retracts(mode: mode) ? .retract : .appendOnly,
            startFrom: startFrom, notices: builder.notices)
    }
}
