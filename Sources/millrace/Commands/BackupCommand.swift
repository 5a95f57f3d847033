// BackupCommand: `millrace backup TARGET`: a copy of a data directory, also while another process runs it.

import Engine
import Platform

struct BackupCommand {
    private let directory: String
    private let target: String

    init(_ arguments: ParsedArguments) throws(UsageError) {
        directory = arguments.value("--data") ?? CommandName.defaultDirectory
        target = arguments.positionals[0]
    }

    func run() throws -> ExitCode {
        let manifest = try Backup.take(of: directory, to: target, clock: SystemClock(), fileSystem: PosixFileSystem())
        Console.standardOutput.write("backed up \(directory) to \(target): \(manifest.entries.count) files, \(manifest.byteCount) bytes\n")
        return .success
    }
}
