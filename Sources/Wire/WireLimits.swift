/// The bounds of the protocol. Every length of a peer is checked against one of them before memory is taken.
public enum WireLimits {
    // MARK: Frames

    /// Metadata is names and numbers; the largest honest one, an inventory of 4,096 partitions, is below 1 MiB.
    public static let metadataByteCount = 1 << 20
    /// One frame's payload: at 100 Mbit/s it holds the link for 21 ms, so that a cancel or another micro-batch waits no longer.
    public static let frameByteCount = 256 << 10
    /// No message of any kind, known or not, declares a larger payload.
    public static let payloadByteCount = partitionByteCount
    /// Messages of one direction under way at once: far above what a sender interleaves (``FrameScheduler/defaultInterleaving``).
    public static let openStreams = 64
    /// Bytes that the open messages of one direction declare together: one partition of the largest size and activations beside it.
    public static let openByteCount = 12 << 30
    /// Messages waiting in one connection's send queue; above it the peer does not read and is given up.
    public static let queuedMessages = 16_384
    /// A payload up to this goes before the large ones: it delays them by a fraction of a frame.
    public static let smallPayloadByteCount = 4 << 10
    /// Small messages sent in a row while large ones wait, so that a flood of them does not starve an activation.
    public static let smallMessagesInARow = 32

    // MARK: Payloads

    /// Inputs, activations and results of one micro-batch or request.
    public static let activationByteCount = 1 << 30
    /// A partition's archive.
    public static let partitionByteCount = 8 << 30
    /// What measures a link: enough that the kernel's estimate settles, 0.2 s of a link of 10 Mbit/s.
    public static let probeByteCount = 256 << 10
    /// A status or a manifest as JSON.
    public static let documentByteCount = 64 << 20

    // MARK: Metadata

    /// Node names (``NodeName``), toolchains, tensor names.
    public static let nameByteCount = 255
    /// `[host]:port` with the longest host that DNS allows.
    public static let addressByteCount = 261
    /// Messages for people; longer ones are cut when encoding.
    public static let textByteCount = 4_096
    /// A partition is at least one layer; a route of more stations than this is a mistake.
    public static let hops = 64
    /// A route's trace has at most one entry for each station.
    public static let traces = hops
    /// Inputs, outputs or live values at one cut.
    public static let tensors = 256
    /// Micro-batches named in one cancel or loss.
    public static let workKeys = 4_096
    /// Micro-batches that one ping asks for: the oldest, of which one that is found is enough.
    public static let workQuestions = 16
    /// Partitions that one worker holds.
    public static let inventory = 4_096
    /// Nodes of one cluster.
    public static let peers = 4_096
    /// Addresses of one node.
    public static let addresses = 16
    /// Micro-batch sizes that a partition is warmed up for.
    public static let warmups = 64
    /// Samples of each node that one question about the history may ask for: more than are kept of one.
    public static let historySamples = 100_000
    /// Layers of one model; a position beyond it is a mistake.
    public static let layers = 1 << 20
    /// Memory that one message's metadata may take once unpacked: 1 MiB of empty sub-messages would take a hundred times that.
    public static let unpackedByteCount = 16 << 20

    // MARK: Codec

    /// zstd's window, as a power of two: 8 MiB bounds what a streaming decoder holds for one connection's codec.
    public static let zstdWindowLog = 23
    /// zstd's levels that this protocol uses: below, nothing is gained; above, the window and the time grow out of proportion.
    public static let zstdLevels = -7...9
}
