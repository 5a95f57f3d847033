// RestoreCommand: `millrace restore BACKUP`: a data directory made of a backup.

import Engine
import Platform

struct RestoreCommand {
    private let backup: String
    private let directory: String

    init(_ arguments: ParsedArguments) throws(UsageError) {
        backup = arguments.positionals[0]
        directory = arguments.value("--data") ?? CommandName.defaultDirectory
    }

    func run() throws -> ExitCode {
        let manifest = try Backup.restore(backup, to: directory, fileSystem: PosixFileSystem())
        Console.standardOutput.write("restored \(directory) from \(backup): \(manifest.entries.count) files, \(manifest.byteCount) bytes\n")
        return .success
    }
}
