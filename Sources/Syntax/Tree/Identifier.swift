// Identifier: a name as written, and a dotted path of them.

/// `price`, `"dateTime"`, `` `time` ``. The text keeps its case; matching is up to the binder (without regard to case unless two
/// names differ only by case).
package struct Identifier: Hashable, Sendable {
    package var name: String
    package var isQuoted: Bool
    package var span: SourceSpan

    package init(_ name: String, isQuoted: Bool = false, span: SourceSpan = .none) {
        self.name = name
        self.isQuoted = isQuoted
        self.span = span
    }
}

/// `bid`, `b.price`, `public.bid`.
package struct QualifiedName: Hashable, Sendable {
    package var parts: [Identifier]
    package var span: SourceSpan

    package init(_ parts: [Identifier], span: SourceSpan) {
        self.parts = parts
        self.span = span
    }

    package var last: Identifier { parts[parts.count - 1] }
}
