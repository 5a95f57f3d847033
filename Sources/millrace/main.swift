// The program begins here and does nothing here: top-level code is isolated to the main actor, the rest is not.

import Glibc

exit(Program.run(CommandLine.arguments).rawValue)
