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
package struct PlannerOptions: Hashable, Sendable {
    package var usesOptimizer = true
    package var allowedLatenessMicroseconds: Int64 = 0

    package init() {}
}

package enum Planner {
    /// A query in the mode that its text asks for unless `mode` is given: SELECT STREAM and EMIT CHANGES go on, others end.
    package static func plan(_ query: Query, mode: RunMode? = nil, catalog: any Catalog, options: PlannerOptions) throws(SQLError)
        -> (query: PlannedQuery, mode: RunMode)
    {
        throw SQLError("planning is not there yet", at: query.span)
    }

    /// INSERT INTO .. SELECT | VALUES. A query over VALUES alone is bounded.
    package static func plan(_ insert: Insert, catalog: any Catalog, options: PlannerOptions) throws(SQLError) -> PlannedInsert {
        throw SQLError("planning is not there yet", at: insert.target.span)
    }

    /// Checks and types a CREATE STREAM | TABLE. Options are kept as they are: connectors check their own.
    package static func define(_ relation: CreateRelation, catalog: any Catalog) throws(SQLError) -> RelationDefinition {
        throw SQLError("planning is not there yet", at: relation.name.span)
    }

    /// Checks that a view's query binds.
    package static func define(_ view: CreateView, catalog: any Catalog) throws(SQLError) -> (definition: ViewDefinition, schema: Schema) {
        throw SQLError("planning is not there yet", at: view.name.span)
    }

    /// The text of EXPLAIN, a line each.
    package static func explain(_ statement: Statement, kind: ExplainKind?, catalog: any Catalog, options: PlannerOptions)
        throws(SQLError) -> [String]
    {
        throw SQLError("planning is not there yet", at: statement.span)
    }
}
