// JoinableThread: a plain system thread that runs one closure.

import Glibc

package final class JoinableThread: @unchecked Sendable {
    // Safe to share: the handle is written once, before anyone else sees the object; joining is guarded by the lock.
    private var handle = pthread_t()
    private let lock = Lock()
    private var isJoinable: Bool

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts at once; nil when the system has no thread left.
    package init?(_ body: @escaping @Sendable () -> Void) {
        isJoinable = false
        let box = Unmanaged.passRetained(Body(body))
        let status = pthread_create(
            &handle, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        guard status == 0 else {
            box.release()
            return nil
        }
        isJoinable = true
    }

    /// Waits for the end. Further calls return at once.
    package func join() {
        let mustJoin = lock.locked { () -> Bool in
            defer { isJoinable = false }
            return isJoinable
        }
        if mustJoin { pthread_join(handle, nil) }
    }

    deinit { if isJoinable { pthread_detach(handle) } }
}
