// HTTPConnection: what HTTP does with a connection, on the loop's thread.
//
// One exchange at a time: the head is parsed, the exchange handed to the server, the body's pieces put into it as they come; when it has been answered
// and its body has ended, the next request is looked at. What a client sends meanwhile (pipelining) waits in the connection's input, up to a limit.
//
// Deadlines, each for what a client could draw out for ever:
//   idle    nothing of a next request has come                 the connection is closed
//   head    counted from the head's first byte                 408
//   body    nothing has come although the worker waits         408
//   stall   the client takes nothing of what waits for it      the connection is aborted, and with it whatever makes the response
// A response that is given before the body has ended closes the connection, so that the rest is never taken for a request.

import Platform

final class HTTPConnection: ConnectionHandler, @unchecked Sendable {
    // Safe to share: everything is touched on the loop's thread only; other threads get there by `post`.
    private static let pipelinedByteCountMax = 64 << 10

    private let server: HTTPServer
    private var parser: HTTPRequestParser
    private var exchange: HTTPExchange?
    private var bodyHasEnded = false
    private var isPaused = false
    private var bodyIsFull = false
    private var hasInputEnded = false
    private var headHasBegun = false
    private var isOver = false
    private var stalledOutputCount = 0

    init(_ server: HTTPServer) {
        self.server = server
        parser = HTTPRequestParser(limits: server.options.limits)
    }

    /// Unless a request has come already.
    func start(_ connection: Connection) {
        if exchange == nil, !headHasBegun { connection.setDeadline(milliseconds: server.options.idleMilliseconds) }
    }

    /// Answers once and closes, whatever comes.
    func turnAway(_ connection: Connection, _ failure: HTTPFailure) {
        isOver = true
        connection.send(server.refusal(failure))
        connection.loop.post { connection.finish() }
    }

    // MARK: Events

    func received(_ connection: Connection) { process(connection) }

    func inputEnded(_ connection: Connection) {
        hasInputEnded = true
        guard let exchange else {
            connection.finish()
            return
        }
        if !bodyHasEnded {
            exchange.body.fail(HTTPFailure(400, "the body has been cut off"))
        } else if exchange.endsWithInput {
            exchange.gone()
            connection.abort()
        }
    }

    func timedOut(_ connection: Connection) {
        let options = server.options
        guard let exchange else {
            if parser.isBetweenRequests, connection.input.isEmpty {
                connection.finish()
            } else {
                refuse(HTTPFailure(408, "the head of the request did not come within \(options.headMilliseconds / 1_000) s"), connection)
            }
            return
        }
        if !bodyHasEnded, exchange.body.isWaitedFor {
            exchange.body.fail(HTTPFailure(408, "nothing of the body came for \(options.bodyMilliseconds / 1_000) s"))
        } else {
            let count = connection.outputCount
            if count > 0, count == stalledOutputCount {
                exchange.gone()
                connection.abort()
                return
            }
            stalledOutputCount = count
        }
        connection.setDeadline(milliseconds: bodyHasEnded ? options.stallMilliseconds : options.bodyMilliseconds)
    }

    func closed(_ connection: Connection, reason: ConnectionEnd) {
        isOver = true
        if let exchange {
            exchange.gone()
            server.exchangeEnded(exchange, status: 0, byteCount: 0)
        }
        exchange = nil
        server.connectionClosed()
    }

    // MARK: Requests

    private func process(_ connection: Connection) {
        while !isOver {
            if exchange != nil, bodyHasEnded {
                if connection.input.count > Self.pipelinedByteCountMax { pause(connection) }
                return
            }
            if bodyIsFull { return }
            switch parser.next(&connection.input) {
            case .needMore:
                if hasInputEnded, exchange == nil {
                    connection.finish()
                    return
                }
                updateDeadline(connection)
                return
            case .head(let request): begin(request, connection)
            case .body(let bytes):
                guard let exchange else { return }
                if !exchange.body.append(bytes) {
                    bodyIsFull = true
                    pause(connection)
                }
            case .end:
                bodyHasEnded = true
                exchange?.body.finish()
                stalledOutputCount = 0
                connection.setDeadline(milliseconds: server.options.stallMilliseconds)
            case .failure(let failure): refuse(failure, connection)
            }
        }
    }

    private func updateDeadline(_ connection: Connection) {
        if exchange != nil {
            connection.setDeadline(milliseconds: server.options.bodyMilliseconds)
        } else if parser.isBetweenRequests, connection.input.isEmpty {
            headHasBegun = false
            connection.setDeadline(milliseconds: server.options.idleMilliseconds)
        } else if !headHasBegun {
            // Not moved by further bytes.
            headHasBegun = true
            connection.setDeadline(milliseconds: server.options.headMilliseconds)
        }
    }

    private func begin(_ request: HTTPRequest, _ connection: Connection) {
        headHasBegun = false
        bodyHasEnded = false
        let hasBody = request.framing != .none && request.framing != .length(0)
        let body = HTTPBody(
            onWanted: request.expectsContinue && hasBody
                ? { @Sendable in connection.send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) } : nil,
            onRoom: { [weak self] in
                guard let self else { return }
                connection.loop.post { self.bodyHasRoom(connection) }
            })
        if !hasBody { body.finish() }
        let exchange = HTTPExchange(
            request: request, body: body, connection: connection, fixedHeaders: server.fixedHeaders,
            nowMicroseconds: server.nowMicroseconds,
            onEnd: { [weak self] exchange, mustClose in
                guard let self else { return }
                connection.loop.post { self.ended(exchange, connection, mustClose: mustClose) }
            })
        self.exchange = exchange
        server.handle(exchange)
    }

    private func bodyHasRoom(_ connection: Connection) {
        guard bodyIsFull else { return }
        bodyIsFull = false
        resume(connection)
        process(connection)
    }

    private func ended(_ exchange: HTTPExchange, _ connection: Connection, mustClose: Bool) {
        guard self.exchange === exchange, !isOver else { return }
        server.exchangeEnded(exchange, status: exchange.status, byteCount: exchange.writtenByteCount)
        self.exchange = nil
        if mustClose || !bodyHasEnded {
            isOver = true
            connection.finish()
            return
        }
        bodyHasEnded = false
        resume(connection)
        process(connection)
    }

    /// Answers what is no request, or too slow a one, and closes.
    private func refuse(_ failure: HTTPFailure, _ connection: Connection) {
        if let exchange {
            // The worker learns it from the body, and answers.
            exchange.body.fail(failure)
            bodyIsFull = true
            pause(connection)
            return
        }
        isOver = true
        connection.send(server.refusal(failure))
        connection.finish()
    }

    private func pause(_ connection: Connection) {
        guard !isPaused else { return }
        isPaused = true
        connection.pauseReading()
    }

    private func resume(_ connection: Connection) {
        guard isPaused else { return }
        isPaused = false
        connection.resumeReading()
    }
}
