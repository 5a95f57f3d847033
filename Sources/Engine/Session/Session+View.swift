// CREATE OR REPLACE VIEW of a view that something stands on.
//
// Saved queries and alerts keep their text and are planned again when the program starts, and an alert whenever its group changes; their state fits the plan
// they were made with. A view that changed below them would change what they give at some later start, or keep them from starting. So a view can be replaced
// only by one with which everything that stands on it computes the same; else the error names who does not. `millrace deploy` alters and makes anew what
// stands on a view before it replaces the view.

import Columns
import Planning
import Syntax

extension Session {
    /// Throws when a saved query or an alert, running or not, would compute something else with the view as it shall be, or nothing at all.
    func refuseWhenOthersChange(_ existing: CatalogObject, by view: ViewDefinition, at span: SourceSpan) throws(SQLError) {
        let users = engine.users(ofView: existing.name)
        guard !users.isEmpty else { return }
        var changed: [CatalogObject] = []
        for user in users {
            let options = plannerOptions(for: user)
            // What cannot be planned as it is cannot be made worse.
            guard case .success(let before) = engine.withCatalog({ catalog in Self.signature(of: user, catalog, options) }) else { continue }
            switch engine.withCatalog({ catalog in Self.signature(of: user, ReplacedView(base: catalog, view: view), options) }) {
            case .success(let after): if after != before { changed.append(user) }
            case .failure(let error):
                throw SQLError(
                    "with this view \(user.kindName.lowercased()) \(user.name) would not be valid: \(error.message)", at: span, hint: error.hint, code: error.code)
            }
        }
        guard let first = changed.first else { return }
        let names = changed.filter { $0.isAlert == first.isAlert }.map(\.name)
        let shown = names.prefix(10).joined(separator: ", ") + (names.count > 10 ? " and \(names.count - 10) more" : "")
        let isMaterialized = engine.object(named: first.name)?.relation?.isMaterializedView == true && first.isQuery
        let kind = isMaterialized ? ObjectKind.materializedView.rawValue : first.kindName
        throw SQLError(
            "view \"\(existing.name)\" is used by \(kind.lowercased()) \(shown), which would compute something else", at: span,
            hint: "give the new view another name, or DROP \(kind) \(first.name) first", code: "2BP01")
    }

    private static func signature(of user: CatalogObject, _ catalog: any Catalog, _ options: PlannerOptions) -> Result<String, SQLError> {
        do throws(SQLError) {
            switch user.definition {
            case .query(let create): return .success(try Planner.plan(create.insert, catalog: catalog, options: options).query.plan.signature)
            case .alert(let create):
                return .success(try Planner.plan([AlertDefinition(id: 0, create: create)], catalog: catalog, options: options).query.plan.signature)
            default: return .success("")
            }
        } catch { return .failure(error) }
    }
}

extension Engine {
    /// Saved queries and alerts that read a view, directly or through others.
    fileprivate func users(ofView name: String) -> [CatalogObject] {
        let lower = name.lowercased()
        func reads(_ query: Query) -> Bool { inputs(of: query).contains { $0.lowercased() == lower } }
        return catalogObjects().filter { object in
            switch object.definition {
            case .query(let create): reads(create.insert.query)
            case .alert(let create): object.membership.retirement == nil && reads(create.query)
            default: false
            }
        }
    }
}

/// A catalog in which one view is already what it is about to become.
private struct ReplacedView: Catalog {
    let base: any Catalog
    let view: ViewDefinition

    func entry(named name: String) -> CatalogEntry? { name.lowercased() == view.name.lowercased() ? .view(view) : base.entry(named: name) }
    func systemRelation(schema: String?, named name: String) -> RelationDefinition? { base.systemRelation(schema: schema, named: name) }
    var entryNames: [String] { base.entryNames }
    func function(named name: String) -> UserFunction? { base.function(named: name) }
    var functionNames: [String] { base.functionNames }
}
