// DeployCommand: `millrace deploy FILE...` and `millrace diff FILE...`.

import Engine
import Glibc
import Platform
import Syntax

struct DeployCommand {
    private let paths: [String]
    private let values: [String: String]
    private let place: AccessPlace
    private let isDry: Bool
    private let isAgreed: Bool
    private var permissions = DeploymentPlan.Permissions()

    init(_ arguments: ParsedArguments) throws(UsageError) {
        paths = arguments.positionals
        values = try arguments.assignments("--set")
        place = try AccessPlace(arguments)
        isDry = arguments.has("--dry-run")
        isAgreed = arguments.has("--yes")
        permissions.dataLoss = arguments.has("--allow-data-loss")
        permissions.rebuild = arguments.has("--allow-rebuild")
        permissions.prune = arguments.has("--prune")
    }

    func run() throws -> ExitCode {
        guard let files = DeployedFiles.read(paths, values: values) else { return .failure }
        // Looking changes nothing, so it needs nobody's leave.
        let access = isDry ? try place.openToCompare(owner: "millrace deploy --dry-run") : try place.open(owner: "millrace deploy \(paths.joined(separator: " "))")
        var code = ExitCode.failure
        do {
            code = try deploy(files, on: access)
        } catch {
            Console.report(error)
        }
        try access.close()
        return code
    }

    private func deploy(_ files: DeployedFiles, on access: any EngineAccess) throws -> ExitCode {
        let plan = try DeploymentPlan(files, on: access, permissions: permissions)
        guard plan.reportProblems() else { return .failure }
        Console.standardOutput.write(PlanReport.text(plan))
        if !plan.refusals.isEmpty {
            for refusal in plan.refusals { Console.note("error: \(refusal)") }
            Console.note("Nothing was changed.")
            return .failure
        }
        if plan.isEmpty {
            Console.note("Nothing to do: \(access.title) is as the files say.")
            return .success
        }
        if isDry {
            Console.note("Nothing was changed: this was a dry run.")
            return .success
        }
        if !isAgreed {
            guard Console.inputIsTerminal, Console.errorIsTerminal else {
                Console.note("millrace: nobody is there to be asked\nhint: --yes goes ahead without asking, --dry-run only looks")
                return .usage
            }
            guard DeployCommand.ask("Apply this to \(access.title)? [y/N] ") else {
                Console.note("Nothing was changed.")
                return .failure
            }
        }
        let clock = SystemClock()
        let start = clock.monotonicNanoseconds()
        do {
            try Deployment(plan: plan, access: access).perform { _ in }
        } catch let failure as Deployment.Failure {
            Console.note("error: \(failure.step) failed")
            Console.report(failure.error)
            if failure.undone.isEmpty, failure.kept.isEmpty { Console.note("Nothing was changed.") }
            if !failure.undone.isEmpty { Console.note("Taken back: \(failure.undone.joined(separator: ", "))") }
            if failure.kept.isEmpty {
                if !failure.undone.isEmpty { Console.note("Everything is as it was.") }
            } else {
                Console.note("Done and not taken back: \(failure.kept.joined(separator: ", "))")
            }
            return .failure
        }
        let changed = plan.items.filter { $0.action != .keep }.count
        Console.note("\(Count.text(changed, "definition")) deployed to \(access.title) (\(Duration.milliseconds(clock.monotonicNanoseconds() - start)))")
        if access is LocalAccess, plan.items.contains(where: { $0.definition.kind == .query }) {
            Console.note("hint: queries run while a process holds the directory: millrace serve --data \(place.directory)")
        }
        return .success
    }

    private static func ask(_ question: String) -> Bool {
        Console.showProgress(question)
        let answer = readLine()?.lowercased() ?? ""
        Console.hideProgress()
        return answer == "y" || answer == "yes"
    }
}

struct DiffCommand {
    private let paths: [String]
    private let values: [String: String]
    private let place: AccessPlace
    private let prunes: Bool

    init(_ arguments: ParsedArguments) throws(UsageError) {
        paths = arguments.positionals
        values = try arguments.assignments("--set")
        place = try AccessPlace(arguments)
        prunes = arguments.has("--prune")
    }

    /// 1 when something differs.
    func run() throws -> ExitCode {
        guard let files = DeployedFiles.read(paths, values: values) else { return .failure }
        let access = try place.openToCompare(owner: "millrace diff")
        var code = ExitCode.failure
        do {
            let plan = try DeploymentPlan(files, on: access, permissions: .init(dataLoss: true, rebuild: true, prune: prunes))
            if plan.reportProblems() {
                let difference = PlanReport.difference(plan)
                Console.standardOutput.write(difference)
                for refusal in plan.refusals { Console.note("error: \(refusal)") }
                if !plan.unmentioned.isEmpty, !prunes { Console.note("not in these files: \(plan.unmentioned.map(\.title).joined(separator: ", "))") }
                code = difference.isEmpty && plan.refusals.isEmpty ? .success : .failure
            }
        } catch {
            Console.report(error)
        }
        try access.close()
        return code
    }
}

extension DeployedFiles {
    /// nil when something is wrong with them, which has been said.
    static func read(_ paths: [String], values: [String: String]) -> DeployedFiles? {
        do {
            return try DeployedFiles(paths, values: values)
        } catch let problem as ErrorInFile {
            Console.report(problem.error, in: problem.path)
        } catch {
            Console.report(error)
        }
        return nil
    }
}

extension DeploymentPlan {
    /// False when the files have mistakes, which are shown.
    func reportProblems() -> Bool {
        for problem in problems { Console.report(problem.error, in: problem.definition.place?.path) }
        return problems.isEmpty
    }
}
