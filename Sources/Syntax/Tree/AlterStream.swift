// AlterStream: the shards of a stream change while it is written and read.

/// `ALTER STREAM name SPLIT SHARD n [AT 'hash key']`, `ALTER STREAM name MERGE SHARDS m, n`. The numbers are integer literals, the hash key a decimal
/// number of up to 39 digits in a string.
package struct AlterStream: Hashable, Sendable {
    package enum Change: Hashable, Sendable {
        case split(shard: Expression, at: Expression?)
        case merge(Expression, Expression)
    }

    package var name: QualifiedName
    package var change: Change

    package init(name: QualifiedName, change: Change) {
        self.name = name
        self.change = change
    }

    func strippingSpans() -> AlterStream {
        switch change {
        case .split(let shard, let place):
            AlterStream(name: name.strippingSpans(), change: .split(shard: shard.strippingSpans(), at: place?.strippingSpans()))
        case .merge(let first, let second):
            AlterStream(name: name.strippingSpans(), change: .merge(first.strippingSpans(), second.strippingSpans()))
        }
    }
}
