internal import Cluster
public import Logging
internal import NIOPosix
internal import OpenInference
internal import Shell
internal import Tensors

/// The Open Inference Protocol, as Triton's clients speak it: the server, the model, and inference.
public enum InferenceRoutes {
    /// A coordinator serves one version of its model.
    static let version = "1"
    static let serverName = "amp4ec"
    static let extensions = ["binary_tensor_data", "classification", "statistics", "model_configuration", "model_repository"]

    /// - Parameter returnMemory: gives free memory back to the system. Called on a thread, since it takes milliseconds, when large bodies have gone.
    public static func all(
        _ source: any InferenceSource, _ pages: any GatewaySource, limits: GatewayLimits, logger: Logger,
        returnMemory: @escaping @Sendable () -> Void = {}
    ) -> [Route] {
        let threads = NIOThreadPool(numberOfThreads: GatewayLimits.decodingThreads)
        threads.start()
        let budget = BodyBudget(limit: limits.heldBodies) { threads.submit { _ in returnMemory() } }
        let service = InferenceService(
            source: source, pages: pages,
            handler: InferenceHandler(
                source: source, limits: limits, budget: budget, threads: threads, logger: logger,
                numbers: InferenceHandler.CallNumbers()))
        var routes = [
            Route(.get, "/v2", .reader) { _ in
                .json(ServerMetadata(name: serverName, version: ProductVersion.current, extensions: extensions))
            },
            Route(.get, "/v2/health/live", .open) { _ in await pages.isAlive() ? .empty : OperatorRoutes.silence },
            Route(.get, "/v2/health/ready", .open) { _ in await service.readiness() },
            Route(.get, "/v2/models/stats", .reader) { _ in await service.statistics(nil) },
            Route(.post, "/v2/repository/index", .reader, maximumBodyBytes: 1 << 10) { _ in await service.index() },
        ]
        for place in ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"] {
            routes += [
                Route(.get, place, .reader) { request in await service.metadata(request) },
                Route(.get, "\(place)/ready", .reader) { request in await service.readiness(request) },
                Route(.get, "\(place)/config", .reader) { request in await service.configuration(request) },
                Route(.get, "\(place)/stats", .reader) { request in await service.statistics(request) },
                Route(.post, "\(place)/infer", .reader, .streamed { exchange in await service.infer(exchange) }),
            ]
        }
        for order in ["load", "unload"] {
            routes.append(
                Route(.post, "/v2/repository/models/{model}/\(order)", .operator, maximumBodyBytes: 64 << 10) { _ in
                    .error(501, "this coordinator serves the one model that it was started with; start another for another model")
                })
        }
        return routes
    }
}

/// What the routes say.
private struct InferenceService: Sendable {
    let source: any InferenceSource
    let pages: any GatewaySource
    let handler: InferenceHandler

    // MARK: Readiness

    func readiness() async -> HTTPReply {
        guard let readiness = await pages.readiness() else { return OperatorRoutes.silence }
        return readiness.isReady ? .empty : .error(503, readiness.cause ?? "no plan serves")
    }

    func readiness(_ request: HTTPRequestValue) async -> HTTPReply {
        do throws(InferenceRefusal) { _ = try await model(request) } catch { return error.reply }
        return await readiness()
    }

    // MARK: The model

    /// The one that the path names.
    private func model(_ request: HTTPRequestValue) async throws(InferenceRefusal) -> ModelManifest {
        let model: ModelManifest
        switch await source.model() {
        case .known(let known)?: model = known
        case .notYet(let why)?: throw InferenceRefusal(503, why)
        case nil: throw .silence
        }
        let name = request.parameters["model"] ?? ""
        guard name == model.name else {
            throw InferenceRefusal(
                404, "Request for unknown model: '\(name.prefix(80))' is not found; this coordinator serves '\(model.name)'")
        }
        if let version = request.parameters["version"], version != InferenceRoutes.version {
            throw InferenceRefusal(
                404,
                "Request for unknown model: '\(name)' version '\(version.prefix(20))' is not found; there is version \(InferenceRoutes.version)"
            )
        }
        return model
    }

    func metadata(_ request: HTTPRequestValue) async -> HTTPReply {
        await document(request) { model in
            ModelMetadata(
                name: model.name, versions: [InferenceRoutes.version], inputs: model.inputs.map(\.metadata),
                outputs: model.outputs.map(\.metadata))
        }
    }

    func configuration(_ request: HTTPRequestValue) async -> HTTPReply {
        await document(request) { model in
            let isBatched = (model.inputs + model.outputs).allSatisfy { $0.batchDimension == 0 }
            return ModelConfiguration(
                name: model.name, platform: ModelMetadata.platform, backend: "pytorch",
                maximumBatchSize: isBatched ? CoordinatorMachine.Configuration.maximumItemsOfRequest : 0,
                inputs: model.inputs.map { $0.configuration(withoutBatch: isBatched) },
                outputs: model.outputs.map { $0.configuration(withoutBatch: isBatched) })
        }
    }

    private func document(_ request: HTTPRequestValue, _ make: (ModelManifest) -> some Encodable) async -> HTTPReply {
        do throws(InferenceRefusal) { return .json(make(try await model(request))) } catch { return error.reply }
    }

    /// - Parameter request: names the model; `nil`: all, which is one.
    func statistics(_ request: HTTPRequestValue?) async -> HTTPReply {
        let model: ModelManifest
        do throws(InferenceRefusal) {
            if let request {
                model = try await self.model(request)
            } else {
                guard case .known(let known)? = await source.model() else { return .json(ModelStatistics(models: [])) }
                model = known
            }
        } catch { return error.reply }
        guard let report = await pages.report() else { return OperatorRoutes.silence }
        let times = report.status.times ?? RequestTimes()
        var parts = ModelStatistics.Parts()
        parts.success = ModelStatistics.Total(times.success)
        parts.fail = ModelStatistics.Total(times.failure)
        parts.queue = ModelStatistics.Total(times.queue)
        parts.computeInput = ModelStatistics.Total(times.input)
        parts.computeInfer = ModelStatistics.Total(times.compute)
        parts.computeOutput = ModelStatistics.Total(times.output)
        parts.cacheHit = ModelStatistics.Total(times.cached)
        return .json(
            ModelStatistics(models: [
                ModelStatistics.Model(
                    name: model.name, version: InferenceRoutes.version, lastInferenceMs: report.lastAnswerMs,
                    inferenceCount: times.items, executionCount: times.microBatches, parts: parts)
            ]))
    }

    func index() async -> HTTPReply {
        guard let readiness = await pages.readiness() else { return OperatorRoutes.silence }
        switch await source.model() {
        case .known(let model)?:
            return .json(
                RepositoryIndex(models: [
                    RepositoryIndex.Model(
                        name: model.name, version: InferenceRoutes.version, state: readiness.isReady ? .ready : .unavailable,
                        reason: readiness.isReady ? "" : readiness.cause ?? "no plan serves")
                ]))
        case .notYet: return .json(RepositoryIndex(models: []))
        case nil: return OperatorRoutes.silence
        }
    }

    // MARK: Inference

    func infer(_ exchange: HTTPExchange) async -> HTTPAnswer {
        do throws(InferenceRefusal) { return await handler.answer(exchange, try await model(exchange.request)) } catch {
            return HTTPAnswer(error.reply)
        }
    }
}

extension HTTPReply {
    /// "Yes", without a word.
    static let empty = HTTPReply(contentType: jsonType, body: [])
}

extension TensorSpec {
    /// With -1 for extents that a request chooses.
    private var extents: [Int] { shape.map { if case .fixed(let extent) = $0 { extent } else { -1 } } }

    fileprivate var metadata: ModelMetadata.Tensor {
        ModelMetadata.Tensor(name: name, datatype: Datatype(dtype), shape: extents)
    }

    fileprivate func configuration(withoutBatch: Bool) -> ModelConfiguration.Tensor {
        ModelConfiguration.Tensor(
            name: name, datatype: Datatype(dtype), extents: withoutBatch ? Array(extents.dropFirst()) : extents)
    }
}

extension ModelStatistics.Total {
    fileprivate init(_ sum: RequestTimes.Sum) { self.init(count: sum.count, nanoseconds: sum.nanoseconds) }
}
