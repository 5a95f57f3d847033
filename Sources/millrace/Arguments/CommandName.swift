// CommandName: the commands and their specifications.

enum CommandName: String, CaseIterable {
    case prompt, run, serve, put, tail, status, deploy, diff, test, log, checkpoint, backup, restore, help

    var specification: CommandSpecification {
        switch self {
        case .prompt, .help: Self.promptSpecification
        case .run: Self.runSpecification
        case .serve: Self.serveSpecification
        case .put: Self.putSpecification
        case .tail: Self.tailSpecification
        case .status: Self.statusSpecification
        case .deploy: Self.deploySpecification
        case .diff: Self.diffSpecification
        case .test: Self.testSpecification
        case .log: Self.logSpecification
        case .checkpoint: Self.checkpointSpecification
        case .backup: Self.backupSpecification
        case .restore: Self.restoreSpecification
        }
    }

    static let defaultDirectory = "./millrace-data"

    private static let data = OptionSpecification(
        name: "--data", valueName: "DIR", summary: "the data directory (default \(defaultDirectory))")

    private static let workers = OptionSpecification(
        name: "--workers", valueName: "N", summary: "threads per query (default: one per processor core)")

    private static let allowCommands = OptionSpecification(
        name: "--allow-commands",
        summary: "notifiers of alerts may run commands of this machine: whoever\nmay execute SQL may then run anything (default: they may not)")

    private static let stateMemory = OptionSpecification(
        name: "--state-memory", valueName: "SIZE",
        summary: "memory for the state of all queries, e.g. 512M or 4G; what is\nbeyond it lies in a file (default: no limit, or MILLRACE_STATE_MEMORY)")

    private static let promptSpecification = CommandSpecification(
        usage: "[COMMAND] [OPTIONS]",
        summary: """
            A streaming SQL engine. Without a command it opens a prompt on a data directory; statements that come through a pipe
            are executed without a prompt.

            Commands:
              run     execute SQL scripts
              serve   open a data directory to PostgreSQL clients and to HTTP
              put     append standard input to a stream
              tail    print the rows of a stream
              status  show the streams and queries of a data directory
              deploy  apply files of definitions as one unit
              diff    compare files of definitions with what runs
              test    run tests of queries
              log     look for damage in a data directory, and give damaged rows up
              checkpoint verify
                      look for damage in the queries' checkpoints
              backup  copy a data directory while its engine runs
              restore make a data directory of a backup
              help    show the help of a command
            """,
        options: [
            data, connect, workers, stateMemory, allowCommands,
            OptionSpecification(
                name: "--format", valueName: "FORMAT", summary: "how rows are printed: table (default), json, csv or markdown"),
            OptionSpecification(name: "--version", summary: "show the version"),
        ],
        notes: """
            At the prompt, \\? shows the commands that begin with a backslash. The history is kept in ~/.millrace_history, or in the
            file that MILLRACE_HISTORY names. A server may ask for a password: MILLRACE_PASSWORD or PGPASSWORD; PGUSER is the name to be known by.
            """)

    private static let runSpecification = CommandSpecification(
        usage: "run [SCRIPT.sql...] [OPTIONS]",
        summary: """
            Executes the statements of the scripts one after the other. A script named - is standard input, which is also read when
            there is no script and standard input is no terminal. Rows go to standard output, everything else to standard error.
            """,
        options: [
            OptionSpecification(
                name: "--data", valueName: "DIR", summary: "the data directory (default: a temporary one, removed at the end)"),
            connect,
            OptionSpecification(
                name: "--set", valueName: "NAME=VALUE", isRepeatable: true, summary: "replaces ${NAME} in the scripts; repeatable"),
            OptionSpecification(
                name: "--format", valueName: "FORMAT", summary: "how rows are printed: table (default), json, csv or markdown"),
            workers, stateMemory, allowCommands,
            OptionSpecification(
                name: "--until-caught-up",
                summary: "stop when the queries have processed what their sources\nhold, instead of going on until a signal comes"),
            OptionSpecification(name: "--verbose", summary: "show each statement's command tag and time on standard error"),
        ],
        positionals: 0...1_000,
        notes: """
            An INSERT INTO ... SELECT or CREATE QUERY that reads bounded sources only is waited for before the next statement. One
            that reads an unbounded source (a stream of the log, a generator without an end) goes on until SIGINT or SIGTERM, which
            write a checkpoint and end the program with 0.
            """)

    private static let serveSpecification = CommandSpecification(
        usage: "serve [OPTIONS]",
        summary: """
            Opens a data directory, runs its queries, and serves it over the network until SIGINT or SIGTERM: psql and every other client of
            PostgreSQL, and HTTP. On the signal statements end, the queries write a checkpoint, and the exit code is 0.
            """,
        options: [
            data,
            OptionSpecification(
                name: "--listen", valueName: "ADDRESS", isRepeatable: true,
                summary: """
                    postgres://HOST:PORT, http://HOST:PORT, or HOST:PORT for both;
                    repeatable (default postgres://127.0.0.1:5433 and
                    http://127.0.0.1:8090); port 0 is any free one
                    """),
            OptionSpecification(
                name: "--password-file", valueName: "FILE",
                summary: """
                    lines user:password, or user: and a SCRAM-SHA-256 verifier; without
                    it everybody on this machine may come in, and nobody else
                    """),
            OptionSpecification(name: "--config", valueName: "FILE", summary: "settings as lines key = value; keys are these options"),
            OptionSpecification(name: "--max-connections", valueName: "N", summary: "connections at the same time (default 16000)"),
            OptionSpecification(name: "--max-active-statements", valueName: "N", summary: "statements that run at the same time (default 4096)"),
            OptionSpecification(name: "--max-statement-size", valueName: "SIZE", summary: "of a message with SQL (default 1M)"),
            OptionSpecification(name: "--max-message-size", valueName: "SIZE", summary: "of any other message (default 64M)"),
            OptionSpecification(name: "--max-connection-memory", valueName: "SIZE", summary: "for prepared statements and portals (default 64M)"),
            OptionSpecification(name: "--max-result-rows", valueName: "N", summary: "of one result (default: no limit)"),
            OptionSpecification(name: "--max-result-size", valueName: "SIZE", summary: "of one result (default: no limit)"),
            OptionSpecification(name: "--drain-timeout", valueName: "SECONDS", summary: "how long the end waits for clients (default 10)"),
            OptionSpecification(name: "--log-level", valueName: "LEVEL", summary: "debug, info (default), warning or error"),
            OptionSpecification(name: "--log-format", valueName: "FORMAT", summary: "logfmt (default) or json"),
            workers, stateMemory, allowCommands,
        ],
        notes: """
            Each option is also a variable of the environment (--max-connections is MILLRACE_MAX_CONNECTIONS) and a key of the
            configuration file (max_connections); the command line goes before the environment, and that before the file. While it runs,
            DIR/server says where it can be reached.
            """)

    private static let putSpecification = CommandSpecification(
        usage: "put STREAM [OPTIONS]",
        summary: "Appends standard input to a stream and returns when every row is durable, as the stream's `sync` option says.",
        options: [
            OptionSpecification(
                name: "--format", valueName: "FORMAT",
                summary: "json: an object a line (default); csv: the first line names\nthe columns"),
            data, connect,
            OptionSpecification(name: "--strict", summary: "exit with 1 when a row was rejected"),
        ],
        positionals: 1...1,
        notes: """
            A row that cannot be decoded is appended to STREAM_errors with its bytes, its place and the reason, and counted on
            standard error; the exit code stays 0 unless --strict is given.
            """)

    private static let tailSpecification = CommandSpecification(
        usage: "tail STREAM [OPTIONS]",
        summary: "Prints the rows of a stream in the order in which they arrived.",
        options: [
            OptionSpecification(
                name: "--from", valueName: "PLACE",
                summary: """
                    TRIM_HORIZON (the oldest row kept), LATEST, a sequence number, or a
                    time of arrival such as 2026-11-20T23:45:00Z
                    (default TRIM_HORIZON; LATEST with --follow)
                    """),
            OptionSpecification(name: "--follow", summary: "go on with what arrives, until SIGINT or SIGTERM"),
            OptionSpecification(name: "--no-follow", summary: "end with the last row that is there (default)"),
            OptionSpecification(
                name: "--format", valueName: "FORMAT", summary: "json: an object a line (default); csv, table or\nmarkdown"),
            data, connect,
        ],
        positionals: 1...1,
        notes: "Works beside a process that holds the directory.")

    private static let variable = OptionSpecification(
        name: "--set", valueName: "NAME=VALUE", isRepeatable: true, summary: "replaces ${NAME} in the files; repeatable")

    private static let connect = OptionSpecification(
        name: "--connect", valueName: "HOST:PORT", summary: "a running server, instead of a data directory")

    private static let prune = OptionSpecification(name: "--prune", summary: "what runs and is in none of the files goes")

    private static let deploySpecification = CommandSpecification(
        usage: "deploy FILE... [OPTIONS]",
        summary: """
            Makes a data directory, or a running server, as files of definitions say: streams, tables, views, functions and queries. It says
            first what it will create, change and keep, and with what of the queries' state, and asks. What is there and the same stays as
            it is, so a second run does nothing. Everything is tried out in memory before the first change; when a change fails, those
            before it are taken back.
            """,
        options: [
            data, connect, variable,
            OptionSpecification(name: "--dry-run", summary: "only say what would be done"),
            OptionSpecification(name: "--yes", summary: "do not ask"),
            prune,
            OptionSpecification(name: "--allow-data-loss", summary: "streams may be replaced or dropped with the rows they hold"),
            OptionSpecification(name: "--allow-rebuild", summary: "queries may begin again, without their state"),
        ],
        positionals: 1...1_000,
        notes: """
            What is in none of the files stays and is listed. A change that would lose rows, make a query begin again, or break a query that is
            in no file is refused unless it is allowed.
            """)

    private static let diffSpecification = CommandSpecification(
        usage: "diff FILE... [OPTIONS]",
        summary: """
            Compares files of definitions with what runs, and prints what differs as a unified diff of normalised SQL. The exit code is 1 when
            something differs.
            """,
        options: [data, connect, variable, prune],
        positionals: 1...1_000)

    private static let testSpecification = CommandSpecification(
        usage: "test FILE... [OPTIONS]",
        summary: """
            Runs tests of queries, each in an engine of its own, in memory and on simulated time: rows that are given, with their event times,
            and the rows that the queries must write. A folder stands for the files in it whose name ends with .test.
            """,
        options: [
            variable,
            OptionSpecification(name: "--only", valueName: "TEXT", summary: "only the tests with this text in their name"),
        ],
        positionals: 1...10_000,
        notes: """
            A test file:

              use shop.sql                   statements to execute first (a path relative to this file)
              test two sales are one row
              given sales                    rows that arrive, as a table or as JSON lines
                shop  | amount | ts
                north | 9.99   | 10:00:01
              at 10:00:30                    moves the clock
              end                            no more rows come: every window closes
              expect takings                 what was written since the last expect of it
                window_start | shop  | total
                10:00:00     | north | 9.99

            There is more in queries/README.md. The exit code is 1 when a test fails.
            """)

    private static let logSpecification = CommandSpecification(
        usage: "log verify [STREAM] [OPTIONS]\n       millrace log repair STREAM SHARD [--give-up FROM..TO]... [OPTIONS]",
        summary: """
            verify reads every byte of the log, the catalog and the queries' epoch logs, and names every fault with its file and offset. It
            changes nothing and works beside a process that holds the directory. Its exit code is 1 when there are faults.

            repair shows what is damaged in a shard of a stream. With --give-up it gives those rows up: readers go on behind them, they are
            counted as given up, and the shard takes rows again when it could not tell where its rows ended. No file of rows is changed.
            """,
        options: [
            OptionSpecification(
                name: "--give-up", valueName: "FROM..TO", isRepeatable: true, summary: "the first and the last row to give up; repeatable"),
            data,
        ],
        positionals: 1...3)

    private static let statusSpecification = CommandSpecification(
        usage: "status [OPTIONS]",
        summary: "Shows the streams and saved queries of a data directory: rows, shards, progress, faults.",
        options: [
            OptionSpecification(name: "--json", summary: "print one JSON object"),
            data, connect,
        ],
        notes: "Works beside a process that holds the directory.")

    private static let checkpointSpecification = CommandSpecification(
        usage: "checkpoint verify [OPTIONS]",
        summary: """
            Reads the checkpoints of all saved queries, every piece of their state, and names each fault with its file and offset. It changes
            nothing. The exit code is 1 when there is a fault.
            """,
        options: [data],
        positionals: 1...1,
        notes: """
            Works beside a process that holds the directory. A query passes over a checkpoint that is damaged, and takes the one before it.
            """)

    private static let backupSpecification = CommandSpecification(
        usage: "backup TARGET [OPTIONS]",
        summary: """
            Copies a data directory into the folder TARGET, which must not exist or be empty, while its engine runs and without stopping
            it. What was acknowledged before is in the backup; each query's output, its checkpoints and what it has read go together.
            """,
        options: [data],
        positionals: 1...1,
        notes: """
            Files that queries write (connector = 'file') are not part of it. Every file of the backup has a checksum in
            TARGET/backup.manifest.
            """)

    private static let restoreSpecification = CommandSpecification(
        usage: "restore BACKUP [OPTIONS]",
        summary: """
            Makes a data directory, which must not exist or be empty, of what `millrace backup` has written, and checks every file. The queries
            go on from there when it is opened, and give each result once.
            """,
        options: [data],
        positionals: 1...1)
}
