public import Base
public import Planning
public import Tensors
public import Wire

extension CoordinatorMachine {
    public struct Configuration: Sendable {
        public var name: String
        public var software: String
        public var incarnation: IncarnationID
        public var compression: CompressionMode
        /// Silence after which a node gets no new work.
        public var suspectAfter: Duration = .seconds(1)
        /// Silence after which a node counts as lost (`--heartbeat-timeout`).
        public var lostAfter: Duration = .seconds(2)
        /// How long the first plan waits for all listed workers.
        public var joinTimeout: Duration = .seconds(5)
        /// Joins within this time are one plan.
        public var joinWindow: Duration = .milliseconds(200)
        public var defaultDeadline: Duration = .seconds(60)
        public var maximumDeadline: Duration = .seconds(3_600)
        /// Who would wait longer for the first worker is refused (`--queue-limit`); `nil`: nobody is.
        public var queueLimit: Duration?
        /// Requests held at once, over all clients.
        public var maximumRequests = 1_024
        /// Bytes of inputs and outputs held at once, over all clients.
        public var maximumRequestBytes = 1 << 30
        /// Items of one request: each may become a micro-batch with its own entry in the in-flight table.
        public static let maximumItemsOfRequest = 65_536
        public var maximumItems = Self.maximumItemsOfRequest
        /// A sender below this has no link that a request could cross in time: 65 kbit/s, less than the slowest radio link that carries tensors.
        public static let minimumUploadBytesPerSecond = 8 << 10
        /// A micro-batch is sent at most this many times; a rejection or a loss costs one.
        public var maximumAttempts: UInt32 = 32
        /// Speed of this machine's core by the benchmark that workers run when they start: layer times are this machine's, so what a worker
        /// says of its speed counts relative to it.
        public var referenceSpeed = 1.0
        /// Algorithm 1 (`--maximum-load`): a replica above it gets a micro-batch only while all of its stage are.
        public var maximumLoad = SelectionSettings().maximumLoad
        public var pingInterval: Duration = .seconds(1)
        /// A deployment that has not ended after this long will not: the slowest honest one is a large archive over a slow link.
        public var deploymentTimeout: Duration = .seconds(120)
        /// How long requests that run may still take once the coordinator is told to end (`--drain-timeout`).
        public var drainTimeout: Duration = .seconds(30)
        public var redialFirst: Duration = .milliseconds(250)
        /// A worker that comes back is found within this time, so that it takes traffic within two seconds.
        public var redialLongest: Duration = .milliseconds(500)

        public init(name: String, software: String, incarnation: IncarnationID, compression: CompressionMode) {
            self.name = name
            self.software = software
            self.incarnation = incarnation
            self.compression = compression
        }
    }

    public enum Event: Sendable {
        /// The topology, whole, as it stands now.
        case targets([Target])
        /// A worker dialled in and said where it can be reached; `from` is the host that its connection comes from.
        case registered(ConnectionID, Register, IncarnationID, from: String)
        case modelReady(ServedModel)
        /// A dialled worker said welcome.
        case connected(NodeID, Channel, ConnectionID, Welcome)
        case dialFailed(NodeID, DialFailure)
        case connectionClosed(ConnectionID, cause: String)
        /// Bytes came from a worker: it lives.
        case heard(ConnectionID)
        /// `by`: who says it, where the peer has proved it.
        case received(ConnectionID, Message, by: String? = nil)
        case planned(UInt64, PlanOutcome)
        case archiveUnavailable(PartitionKey, String)
        /// A client's request header is here, its payload is not yet.
        case requestAnnounced(ConnectionID, InferRequest)
        /// So many of its bytes are here. Said now and then while it is ``CoordinatorMachine/uploadsUnderWay``.
        case requestProgressed(RequestID, byteCount: Int)
        /// The payload is complete and decoded.
        case requestArrived(RequestID)
        /// The same, and the shell has its result already: it is to be answered at once, without work for anybody.
        case requestCached(RequestID)
        case requestBroken(RequestID, String)
        /// Its client took its message back half-way.
        case requestGivenUp(RequestID)
        /// A result's header is here, its payload is not yet: it is read only if ``Directive/acceptResult(_:)`` follows.
        case resultAnnounced(ConnectionID, WorkResult)
        /// A result that was accepted on this connection is complete and decoded.
        case resultArrived(ConnectionID, WorkKey, [HopTrace])
        case resultBroken(ConnectionID, WorkKey, String)
        /// The payload of a result that was accepted is here, and is still to be decoded.
        case resultComplete(ConnectionID, WorkKey)
        /// The kernel has the last byte of the dispatched micro-batch, and so many of its connection with it.
        case dispatched(WorkKey, sentBytes: UInt64)
        /// A pong said where micro-batches are; so many bytes have come on the data connection of its node.
        case placed(ConnectionID, [WorkPlace], receivedBytes: UInt64)
        /// The dispatched micro-batch breaks a bound of the protocol: nothing of it was sent.
        case dispatchFailed(WorkKey, String)
        /// The kernel has the last byte of the reply, or the client is gone.
        case replySent(RequestID)
        case drain
        case tick
    }

    public enum Directive: Sendable, Hashable {
        /// Resolve, connect, say hello, and answer with `connected` or `dialFailed`.
        case dial(NodeID, [String], Hello)
        case send(ConnectionID, Message)
        case close(ConnectionID, String)
        /// Compute a plan off the loop and answer with `planned`.
        case plan(PlanOrder)
        /// Cut the partition if that is not done yet and send its archive on the data connection.
        case sendArchive(ConnectionID, PartitionKey)
        /// Take the payload of the announced request and keep it until `forget`.
        case accept(RequestID, ConnectionID, clientNumber: UInt64)
        /// The request ended before its payload was complete: let go of what has come, and do not wait for the rest.
        case stopReceiving(RequestID, ConnectionID)
        /// Take the payload of the announced result: it is what the model declares, and there is room for it.
        case acceptResult(WorkKey)
        /// Send the micro-batch: items `range` of the request.
        case dispatch(Work, ConnectionID, RequestID, Range<Int>)
        /// Stop sending a micro-batch that may still be on its way out.
        case abandonDispatch(WorkKey, ConnectionID)
        /// Put the result in its place in the request.
        case takeResult(WorkKey, RequestID, piece: Int)
        case dropResult(WorkKey)
        /// All pieces are in: join them and reply, then answer `replySent`.
        case reply(RequestID, ConnectionID, clientNumber: UInt64, RequestTiming)
        case forget(RequestID)
        /// A plan serves now.
        case serving(stages: Int, nodes: Int)
        case drained
        case log(LogLine)
    }

    /// A worker of the topology.
    public struct Target: Sendable, Hashable {
        public var name: NodeID
        /// `host:port`, most likely first.
        public var addresses: [String]
        /// The topology's `x-amp4ec: {stage: N}`.
        public var pinnedStage: Int?
        public init(name: NodeID, addresses: [String], pinnedStage: Int? = nil) {
            self.name = name
            // A port range of a topology gives thousands; what a message has room for is what can be passed on.
            self.addresses = Array(addresses.prefix(WireLimits.addresses))
            self.pinnedStage = pinnedStage
        }
    }

    public struct DialFailure: Sendable, Hashable {
        public var channel: Channel
        public var message: String
        public var refusal: Refused?
        public init(channel: Channel, message: String, refusal: Refused? = nil) {
            self.channel = channel
            self.message = message
            self.refusal = refusal
        }
    }

    /// What a plan is for.
    public enum PlanPurpose: Sendable, Hashable {
        case serve
        /// To be ready when that node, which serves now, is lost.
        case standby(without: NodeID)
        /// Nothing to deploy yet: compare this assignment, which serves, with the best plan; the answer is ``PlanOutcome/comparison(_:)``.
        case drift(from: [StageAssignment])
    }

    /// What the planner is asked.
    public struct PlanOrder: Sendable, Hashable {
        /// The order's own number: the answer (``Event/planned(_:_:)``) repeats it, and by it the machine knows what the plan is for.
        public var generation: UInt64
        /// An order to serve goes before one for a standby.
        public var purpose: PlanPurpose
        public var nodes: [PlanningNode]
        /// Pairs that cannot connect.
        public var brokenLinks: Set<NodeLink>
        /// Whether requests are waiting: then measuring candidates is left for later.
        public var isUrgent: Bool
        /// What each node has loaded: a plan of it needs neither sending nor loading.
        public var held: [NodeID: [PartitionKey]]
        /// What the nodes measured of their partitions and links.
        public var observations: [RunObservation]
        public var links: [MeasuredLink]

        public init(
            generation: UInt64, purpose: PlanPurpose = .serve, nodes: [PlanningNode], brokenLinks: Set<NodeLink>, isUrgent: Bool,
            held: [NodeID: [PartitionKey]] = [:], observations: [RunObservation] = [], links: [MeasuredLink] = []
        ) {
            self.observations = observations
            self.links = links
            self.held = held
            self.generation = generation
            self.purpose = purpose
            self.nodes = nodes
            self.brokenLinks = brokenLinks
            self.isUrgent = isUrgent
        }
    }

    public enum PlanOutcome: Sendable {
        case plan(PlannedDeployment)
        case failure(String)
        case comparison(ServingComparison)
    }
}

/// A directed pair of nodes.
public struct NodeLink: Sendable, Hashable {
    public var from: NodeID
    public var to: NodeID
    public init(from: NodeID, to: NodeID) {
        self.from = from
        self.to = to
    }
}

/// The model that is served, as far as routing and checking requests needs it.
public struct ServedModel: Sendable, Hashable {
    public enum Batching: Sendable, Hashable {
        /// Items are independent: a request may be cut into micro-batches.
        case splittable
        /// A micro-batch is a whole request; the text says why.
        case whole(String)
    }
    public var name: String
    public var digest: String
    public var inputs: [TensorSpec]
    public var outputs: [TensorSpec]
    public var batching: Batching
    /// Bytes of all parameters, for `status`.
    public var weightBytes: UInt64
    /// The outputs' extents are those of a few runs, and nobody has declared them: another input may give others.
    public var hasObservedExtents: Bool

    public init(
        name: String, digest: String, inputs: [TensorSpec], outputs: [TensorSpec], batching: Batching, weightBytes: UInt64,
        hasObservedExtents: Bool = false
    ) {
        self.hasObservedExtents = hasObservedExtents
        self.name = name
        self.digest = digest
        self.inputs = inputs
        self.outputs = outputs
        self.batching = batching
        self.weightBytes = weightBytes
    }
}

/// A plan with what its deployment needs.
public struct PlannedDeployment: Sendable {
    public struct Stage: Sendable, Hashable {
        public var partition: PartitionKey
        public var replicas: [NodeID]
        /// Predicted resident bytes on each replica.
        public var residentBytes: UInt64
        public var warmups: [[TensorHeader]]
        /// Activation bytes that one item brings to this stage.
        public var inputBytesPerItem: Int

        public init(
            partition: PartitionKey, replicas: [NodeID], residentBytes: UInt64, warmups: [[TensorHeader]], inputBytesPerItem: Int
        ) {
            self.partition = partition
            self.replicas = replicas
            self.residentBytes = residentBytes
            self.warmups = warmups
            self.inputBytesPerItem = inputBytesPerItem
        }
    }
    public var plan: Plan
    public var stages: [Stage]
    /// Items of one micro-batch.
    public var microBatch: Int
    public var outputBytesPerItem: Int

    public init(plan: Plan, stages: [Stage], microBatch: Int, outputBytesPerItem: Int) {
        self.plan = plan
        self.stages = stages
        self.microBatch = microBatch
        self.outputBytesPerItem = outputBytesPerItem
    }
}
