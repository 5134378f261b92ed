public import Base
public import Cluster
public import Loops
public import Tensors
public import Transport
public import Wire

/// The process around an ``ActivationPort``.
public protocol ActivationOwner: AnyObject {
    /// Its own name for a payload that came.
    associatedtype Arrival: Sendable
    var activations: ActivationPort<Arrival> { get }

    /// The tensors of a payload are ready, or it does not hold them.
    func arrived(_ arrival: Arrival, _ tensors: Result<[Tensor], WireError>, decoding: Duration)
    /// What the shipment goes on; `nil` where nobody waits for it any more.
    func connection(for encoded: EncodedShipment) -> Connection?
    /// What carries it, now that its bytes are known.
    func message(for encoded: EncodedShipment, _ tensors: [TensorHeader], wireByteCount: Int) -> Message
    /// The kernel has its last byte, and so many of its connection with it; or it breaks a bound of the protocol, and nothing of it was sent.
    /// Nothing is said where the connection ends first, which ends everything that was on it, or where it was taken back.
    func sent(_ key: WorkKey, _ outcome: Result<UInt64, WireError>)
}

/// Tensors on their way to another process.
public struct Shipment: Sendable {
    /// Whose link it goes over.
    public var link: NodeID
    public var connection: ConnectionID
    /// With the route that is left: none of a result.
    public var work: Work
    /// Under which it can be taken back.
    public var tag: UInt64?

    public init(over link: NodeID, on connection: ConnectionID, _ work: Work, tag: UInt64? = nil) {
        self.link = link
        self.connection = connection
        self.work = work
        self.tag = tag
    }
}

/// A shipment as it goes.
public struct EncodedShipment: Sendable {
    public let shipment: Shipment
    public let segments: [EncodedSegment]
    public let rawByteCount: Int
    public let isCompressed: Bool
    /// What the codec took and gave; `nil` where it had nothing to do with it.
    public let sample: CompressionPolicy.CodecSample?
}

/// Where activations come in and go out: raw ones at once, the others by the codec's thread, as each link's policy says.
///
/// ## Concurrency model
/// Lives on the loop's thread. The codec's thread answers through a mailbox.
public final class ActivationPort<Arrival: Sendable> {
    @usableFromInline enum Answer: Sendable {
        case decoded(Arrival, Result<[Tensor], WireError>, Duration)
        case encoded(EncodedShipment)
    }

    public var links: [NodeID: ActivationLink] = [:]
    @usableFromInline let loop: EventLoop
    private let codec: CodecQueue
    @usableFromInline let capacity: Int
    @usableFromInline var answers: Mailbox<Answer>?

    /// - Parameter capacity: payloads that may wait for the codec, or for the loop after it.
    public init(loop: EventLoop, capacity: Int) throws {
        self.loop = loop
        self.capacity = capacity
        codec = try CodecQueue(capacity: capacity)
    }

    /// Before anything comes or goes.
    @inlinable public func start<Owner: ActivationOwner>(for owner: Owner) where Owner.Arrival == Arrival {
        answers = loop.mailbox(capacity: capacity) { [unowned owner] answer in
            switch answer {
            case .decoded(let arrival, let tensors, let time): owner.arrived(arrival, tensors, decoding: time)
            case .encoded(let encoded):
                owner.activations.observe(encoded)
                owner.activations.transmit(encoded, for: owner)
            }
        }
    }

    public func shutDown() { codec.shutDown() }

    // MARK: In

    /// Answers with ``ActivationOwner/arrived(_:_:decoding:)``: before it returns where nothing is to be decoded.
    @inlinable public func decode<Owner: ActivationOwner>(
        _ layout: PayloadLayout, in storage: TensorStorage, as arrival: Arrival, for owner: Owner
    ) where Owner.Arrival == Arrival {
        if layout.isRaw {
            let tensors = Result { () throws(WireError) in try layout.tensors(in: storage) }
            owner.arrived(arrival, tensors, decoding: .zero)
        } else if !submit(layout, storage, arrival) {
            owner.arrived(arrival, .failure(WireError(.limitExceeded, "the codec's queue is full")), decoding: .zero)
        }
    }

    @usableFromInline func submit(_ layout: PayloadLayout, _ storage: TensorStorage, _ arrival: Arrival) -> Bool {
        codec.decode(layout, in: storage) { [answers] tensors, time in
            _ = answers?.post(.decoded(arrival, tensors, time))
        }
    }

    // MARK: Out

    /// Sends tensors as the link's policy says.
    @inlinable public func send<Owner: ActivationOwner>(
        _ tensors: [Tensor], as shipment: Shipment, mode: CompressionMode, for owner: Owner
    ) where Owner.Arrival == Arrival {
        if let encoded = encode(tensors, shipment, mode) { transmit(encoded, for: owner) }
    }

    /// - Returns: `nil` where the codec has it first.
    @usableFromInline func encode(_ tensors: [Tensor], _ shipment: Shipment, _ mode: CompressionMode) -> EncodedShipment? {
        let rawByteCount = tensors.reduce(0) { $0 + $1.byteCount }
        var link = links[shipment.link] ?? ActivationLink(mode: mode, at: loop.now)
        let decision = link.decide(rawByteCount: rawByteCount, mode: mode, at: loop.now)
        links[shipment.link] = link
        let (encoding, level, isSample): (TensorEncoding, Int, Bool)
        switch decision {
        case .raw: return Self.raw(tensors, shipment, rawByteCount)
        case .compress(let chosen, let chosenLevel): (encoding, level, isSample) = (chosen, chosenLevel, false)
        case .sample(let chosen, let chosenLevel): (encoding, level, isSample) = (chosen, chosenLevel, true)
        }
        let isTaken = codec.encode(tensors, as: encoding, level: level, measuresDecoding: isSample) { [answers] result in
            let encoded = EncodedShipment(
                shipment: shipment, segments: result.segments, rawByteCount: rawByteCount, isCompressed: result.isCompressed,
                sample: result.sample)
            _ = answers?.post(.encoded(encoded))
        }
        return isTaken ? nil : Self.raw(tensors, shipment, rawByteCount)
    }

    private static func raw(_ tensors: [Tensor], _ shipment: Shipment, _ rawByteCount: Int) -> EncodedShipment {
        EncodedShipment(
            shipment: shipment, segments: tensors.map { EncodedSegment(raw: $0) }, rawByteCount: rawByteCount, isCompressed: false,
            sample: nil)
    }

    @inlinable func transmit<Owner: ActivationOwner>(_ encoded: EncodedShipment, for owner: Owner) where Owner.Arrival == Arrival {
        guard let connection = owner.connection(for: encoded) else { return }
        let (link, key) = (encoded.shipment.link, encoded.shipment.work.key)
        let outgoing: (payload: OutgoingPayload, headers: [TensorHeader])
        do throws(WireError) { outgoing = try OutgoingPayload.encoded(encoded.segments) } catch {
            return owner.sent(key, .failure(error))
        }
        count(encoded, wireByteCount: outgoing.payload.byteCount)
        let message = owner.message(for: encoded, outgoing.headers, wireByteCount: outgoing.payload.byteCount)
        connection.send(message, payload: outgoing.payload, tag: encoded.shipment.tag) { [weak owner] outcome in
            guard let owner else { return }
            switch outcome {
            case .written:
                owner.activations.measure(link, connection)
                owner.sent(key, .success(connection.counters.sentBytes))
            case .refused(let error): owner.sent(key, .failure(error))
            case .cancelled, .lost: break
            }
        }
    }

    @usableFromInline func observe(_ encoded: EncodedShipment) {
        if let sample = encoded.sample { links[encoded.shipment.link]?.observe(codec: sample) }
    }

    @usableFromInline func count(_ encoded: EncodedShipment, wireByteCount: Int) {
        links[encoded.shipment.link]?.count(
            rawByteCount: encoded.rawByteCount, wireByteCount: wireByteCount, isCompressed: encoded.isCompressed)
    }

    @usableFromInline func measure(_ link: NodeID, _ connection: Connection) { links[link]?.measured(connection.path()) }

    /// Takes what the kernel has measured of a connection that nothing may have gone over but a probe.
    public func measure(_ link: NodeID, _ connection: Connection, mode: CompressionMode) {
        links[link, default: ActivationLink(mode: mode, at: loop.now)].measured(connection.path())
    }
}
