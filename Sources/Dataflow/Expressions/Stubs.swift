enum TextKernels { static func kernel(_ request: KernelRequest) -> Kernel? { nil } }
enum TextPartKernels { static func kernel(_ request: KernelRequest) -> Kernel? { nil } }
enum PatternKernels { static func kernel(_ request: KernelRequest) throws(ExpressionError) -> Kernel? { nil } }
enum TimeTextKernels { static func kernel(_ request: KernelRequest) throws(ExpressionError) -> Kernel? { nil } }
