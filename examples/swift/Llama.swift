import Foundation
import Llamita

/// A model and its conversation. Its handle is used on its queue alone, so it may be passed between tasks.
final class Llama: @unchecked Sendable {
    private let queue = DispatchQueue(label: "llamita")
    private var handle: OpaquePointer?

    struct Failure: Error { let message: String }

    func open(_ path: String, memory: UInt64 = 0) async throws {
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, Error>) in
            queue.async {
                var error = [CChar](repeating: 0, count: 512)
                self.handle = llamita_open(path, memory, &error, error.count)
                self.handle == nil ? done.resume(throwing: Failure(message: String(cString: error))) : done.resume()
            }
        }
    }

    func reply(_ prompt: String, maxTokens: UInt32 = 256) -> AsyncThrowingStream<String, Error> {
        AsyncThrowingStream { stream in
            let sink = Sink(stream)
            stream.onTermination = { _ in sink.stop() }
            queue.async {
                var error = [CChar](repeating: 0, count: 512)
                let done = llamita_reply(self.handle, prompt, maxTokens, { context, text in
                    let sink = Unmanaged<Sink>.fromOpaque(context!).takeUnretainedValue()
                    return sink.take(String(cString: text!))
                }, Unmanaged.passUnretained(sink).toOpaque(), &error, error.count)
                done ? stream.finish() : stream.finish(throwing: Failure(message: String(cString: error)))
                withExtendedLifetime(sink) {}
            }
        }
    }

    deinit { llamita_close(handle) }
}

/// Where pieces go, until somebody stops reading.
private final class Sink: @unchecked Sendable {
    private let stream: AsyncThrowingStream<String, Error>.Continuation
    private let lock = NSLock()
    private var stopped = false

    init(_ stream: AsyncThrowingStream<String, Error>.Continuation) { self.stream = stream }
    func stop() { lock.withLock { stopped = true } }
    func take(_ text: String) -> Bool {
        stream.yield(text)
        return lock.withLock { !stopped }
    }
}
