// ExitCode: how the program ends, a contract with scripts outside.

package enum ExitCode: Int32 {
    /// Everything that was asked for is done; also after SIGINT or SIGTERM, which checkpoint and stop.
    case success = 0
    /// A statement, a query or the engine failed; standard error says which and why.
    case failure = 1
    /// The command line itself makes no sense.
    case usage = 2
    /// A second SIGINT or SIGTERM came while the first was still being obeyed.
    case interrupted = 130
}
