// ExpressionNode: the compiled tree. A node is asked once per batch; what it costs per row is in its kernel.

import Columns

class ExpressionNode: @unchecked Sendable {
    // Safe to share: nodes have only constants, set before they are shared.
    let type: SQLType
    /// Ordinals of the input below this node, ascending.
    let usedColumns: [Int]
    /// Whether a row may fail, here or below.
    let canFail: Bool
    /// Whether evaluating it on rows that do not need it would be a waste, here or below.
    let isCostly: Bool

    init(type: SQLType, usedColumns: [Int] = [], canFail: Bool = false, isCostly: Bool = false) {
        self.type = type
        self.usedColumns = usedColumns
        self.canFail = canFail
        self.isCostly = isCostly
    }

    convenience init(type: SQLType, children: [ExpressionNode], canFail: Bool = false, isCostly: Bool = false) {
        self.init(
            type: type, usedColumns: Set(children.flatMap(\.usedColumns)).sorted(),
            canFail: canFail || children.contains(where: \.canFail), isCostly: isCostly || children.contains(where: \.isCostly))
    }

    func evaluate(_ input: EvaluationInput) -> Operand { .null(type) }
}

final class ColumnNode: ExpressionNode, @unchecked Sendable {
    let ordinal: Int

    init(_ ordinal: Int, type: SQLType) {
        self.ordinal = ordinal
        super.init(type: type, usedColumns: [ordinal])
    }

    override func evaluate(_ input: EvaluationInput) -> Operand {
        ordinal < input.columns.count ? Operand(input.columns[ordinal]) : .null(type)
    }
}

final class ConstantNode: ExpressionNode, @unchecked Sendable {
    let operand: Operand

    init(_ value: Value, type: SQLType) {
        operand = Operand(Column.constant(value, type: type, count: 1), isConstant: true)
        super.init(type: type)
    }

    init(_ column: Column, type: SQLType) {
        operand = Operand(column, isConstant: true)
        super.init(type: type)
    }

    override func evaluate(_ input: EvaluationInput) -> Operand { operand }
}

final class ClockNode: ExpressionNode, @unchecked Sendable {
    override func evaluate(_ input: EvaluationInput) -> Operand {
        Operand(Column.constant(.integer(input.context.clockMicroseconds), type: type, count: 1), isConstant: true)
    }
}

/// A constant that cannot be computed: every row that reaches it fails.
final class FailingNode: ExpressionNode, @unchecked Sendable {
    let message: String
    let text: String

    init(type: SQLType, message: String, text: String) {
        self.message = message
        self.text = text
        super.init(type: type, canFail: true)
    }

    override func evaluate(_ input: EvaluationInput) -> Operand {
        for row in 0..<input.rows { input.fail(row, { message }, expression: text) }
        return .null(type)
    }
}

/// A function of operands, strict or not; casts too.
final class CallNode: ExpressionNode, @unchecked Sendable {
    let arguments: [ExpressionNode]
    let kernel: Kernel
    let isStrict: Bool
    let text: String

    init(type: SQLType, arguments: [ExpressionNode], isStrict: Bool, canFail: Bool, isCostly: Bool, text: String, kernel: @escaping Kernel) {
        self.arguments = arguments
        self.kernel = kernel
        self.isStrict = isStrict
        self.text = text
        super.init(
            type: type, usedColumns: Set(arguments.flatMap(\.usedColumns)).sorted(),
            canFail: canFail || arguments.contains(where: \.canFail), isCostly: isCostly || arguments.contains(where: \.isCostly))
    }

    override func evaluate(_ input: EvaluationInput) -> Operand {
        var operands: [Operand] = []
        operands.reserveCapacity(arguments.count)
        var isConstant = true
        for argument in arguments {
            let operand = argument.evaluate(input)
            isConstant = isConstant && operand.isConstant
            operands.append(operand)
        }
        if isStrict && operands.contains(where: \.isConstantNull) || input.context.isTrialLost { return .null(type) }
        guard input.rows > 0 else { return .null(type) }
        let call = KernelCall(operands: operands, type: type, input: isConstant ? input.collapsed() : input, text: text)
        return Operand(kernel(call), isConstant: isConstant)
    }
}

/// A field of a row: its child column.
final class FieldNode: ExpressionNode, @unchecked Sendable {
    let operand: ExpressionNode
    let index: Int

    init(_ operand: ExpressionNode, _ index: Int, type: SQLType) {
        self.operand = operand
        self.index = index
        super.init(type: type, usedColumns: operand.usedColumns, canFail: operand.canFail, isCostly: operand.isCostly)
    }

    override func evaluate(_ input: EvaluationInput) -> Operand {
        let row = operand.evaluate(input)
        guard row.column.children.indices.contains(index) else { return .null(type) }
        return Operand(row.column.children[index], isConstant: row.isConstant)
    }
}

/// Another type of the same layout and the same values.
final class RetypeNode: ExpressionNode, @unchecked Sendable {
    let operand: ExpressionNode

    init(_ operand: ExpressionNode, type: SQLType) {
        self.operand = operand
        super.init(type: type, usedColumns: operand.usedColumns, canFail: operand.canFail, isCostly: operand.isCostly)
    }

    override func evaluate(_ input: EvaluationInput) -> Operand { operand.evaluate(input).retyped(type) }
}
