// Flag: a boolean that several threads may set, and none clears.

import Synchronization

package final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    package init() {}

    package func set() { value.store(true, ordering: .releasing) }
    package var isSet: Bool { value.load(ordering: .acquiring) }
    /// Sets it and says whether it was set before.
    package func exchange() -> Bool { value.exchange(true, ordering: .acquiringAndReleasing) }
}
