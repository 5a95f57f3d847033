// ProcessMemory: how the process as a whole deals with memory; asked for once, at the start.

import CMillrace

package enum ProcessMemory {
    /// Memory that is freed stays with the process, up to a limit: batches are made and freed all the time, and pages that have been given back are
    /// cleared and mapped again at the next touch.
    package static func keepFreed() { millrace_keep_freed_memory() }
}
