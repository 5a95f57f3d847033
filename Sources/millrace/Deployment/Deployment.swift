// Deployment: performs a plan, or none of it. When a step fails, those before it are taken back, the last one first; what cannot be taken back
// (rows that were dropped, a query that began again) is named.

import Engine
import Syntax

struct Deployment {
    struct Failure: Error {
        var step: String
        var error: any Error
        /// Steps that were done and taken back; that were done and stay; that could not be taken back, with the reason.
        var undone: [String]
        var kept: [String]
    }

    let plan: DeploymentPlan
    let access: any EngineAccess

    /// `progress` hears of every step.
    func perform(progress: (String) -> Void) throws {
        var done: [DeploymentPlan.Step] = []
        for step in plan.steps {
            do {
                if Signals.stopRequested { throw EngineError("interrupted") }
                progress(step.title)
                try access.execute(step.sql)
                for notice in access.takeNotices() where step.title.hasPrefix("create") { Console.note("notice: \(step.title): \(notice)") }
                done.append(step)
            } catch {
                throw undo(done, after: step, error)
            }
        }
    }

    private func undo(_ done: [DeploymentPlan.Step], after failed: DeploymentPlan.Step, _ error: any Error) -> Failure {
        var failure = Failure(step: failed.title, error: error, undone: [], kept: [])
        for step in done.reversed() {
            guard let sql = step.undo else {
                failure.kept.append(step.title)
                continue
            }
            if sql.isEmpty { continue }
            do {
                try access.execute(sql)
                _ = access.takeNotices()
                failure.undone.append(step.title)
            } catch {
                failure.kept.append("\(step.title) (\((error as? StatementError)?.error.message ?? "\(error)"))")
            }
        }
        return failure
    }
}
