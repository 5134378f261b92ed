// What a graph says about the items of a batch: whether one may see the others.
//
// Two questions are answered. From the graph alone: does a branch, a loop's count, a number or a size come from the
// content of a tensor that is cut along N (`contentDependence`)? And from two runs at different batch sizes (`mixing`):
// is there a value that is computed from such tensors and has lost the batch, as a mean or an extreme of all items has,
// or does a branch depend on how many items there are? Samples cannot answer either: what a threshold hides at their
// scale, it shows at another.
//
// Content spreads forwards, through every operator but those that read shapes only; a write spreads it to all that may
// share the memory. Linear in the graph's size, once for each round of the outermost loop until nothing changes.
#pragma once

#include "BatchOperators.h"

namespace {

class BatchAnalysis {
   public:
    /// `batched`: for each input, whether it is cut along N; the others travel whole with every part.
    BatchAnalysis(LayeredGraph &layers, const std::vector<bool> &batched)
        : layers_(layers), graph_(*layers.graph), aliases_(layers.graph) {
        for (size_t i = 0; i < graph_.inputs().size(); i++) {
            if (i < batched.size() && batched[i]) spread(graph_.inputs()[i]);
        }
        do {
            changed_ = false;
            spread(graph_.block());
        } while (changed_);
    }

    /// Why the whole batch decides, as far as the graph tells; empty where it does not.
    /// `unseenMayBeMasks`: whether an index of a type that neither the graph nor a run has shown counts as a mask.
    std::string contentDependence(bool unseenMayBeMasks) {
        unseenMayBeMasks_ = unseenMayBeMasks;
        std::string reason;
        forEachNode(graph_.block(), [&](Node *node) {
            if (reason.empty()) reason = dependence(node);
        });
        return reason;
    }

    /// Runs the model at two batches of different sizes: why items see each other, or empty.
    std::string mixing(const std::vector<at::Tensor> &small, const std::vector<at::Tensor> &large) {
        observe(small, 0);
        observe(large, 1);
        findExtents();
        std::string reason = contentDependence(true);
        forEachNode(graph_.block(), [&](Node *node) {
            if (reason.empty()) reason = mixture(node);
        });
        return reason;
    }

   private:
    LayeredGraph &layers_;
    Graph &graph_;
    AliasDb aliases_;
    /// Values that hold something computed from what stands in a batched input.
    std::unordered_set<const Value *> content_;
    bool changed_ = false;
    bool unseenMayBeMasks_ = false;

    bool isContent(const Value *value) const { return content_.count(value) != 0; }

    // -- Where content comes to

    void spread(const Value *value) { changed_ = content_.insert(value).second || changed_; }

    void spread(Block *block) {
        for (Node *node : block->nodes()) {
            if (node->kind() == prim::Constant) continue;
            if (node->kind() == prim::If) {
                for (Block *inner : node->blocks()) {
                    spread(inner);
                    for (size_t i = 0; i < node->outputs().size(); i++) {
                        if (isContent(inner->outputs()[i])) spread(node->outputs()[i]);
                    }
                }
            } else if (node->kind() == prim::Loop) {
                Block *body = node->blocks()[0];
                for (size_t i = 0; i < node->outputs().size(); i++) {
                    if (isContent(node->inputs()[i + 2]) || isContent(body->outputs()[i + 1])) {
                        spread(body->inputs()[i + 1]);
                        spread(node->outputs()[i]);
                    }
                }
                spread(body);
            } else {
                for (Block *inner : node->blocks()) spread(inner);
                if (readsContent(node)) spreadFrom(node);
            }
        }
    }

    /// Does content go into the operator other than by its shape?
    bool readsContent(const Node *node) const {
        if (readsShapesOnly(node)) return false;
        for (size_t i = 0; i < node->inputs().size(); i++) {
            if (isContent(node->inputs()[i]) && !readsShapeOf(node, i)) return true;
        }
        return false;
    }

    void spreadFrom(Node *node) {
        for (Value *output : node->outputs()) {
            // Numbers that tuples hand on were found where they were read.
            if (!isStructural(node) || holdsTensors(output->type())) spread(output);
        }
        const auto *schema = node->maybeSchema();
        if (schema == nullptr || !schema->is_mutable()) return;
        for (size_t i = 0; i < node->inputs().size() && i < schema->arguments().size(); i++) {
            const auto *alias = schema->arguments()[i].alias_info();
            Value *written = node->inputs()[i];
            if (alias == nullptr || !alias->isWrite() || isContent(written)) continue;
            spread(written);
            spreadToAliases(graph_.block(), written);
            for (Value *input : graph_.inputs()) spreadToAlias(input, written);
        }
    }

    void spreadToAlias(Value *value, Value *written) {
        if (!isContent(value) && holdsTensors(value->type()) && aliases_.mayContainAlias(value, written)) spread(value);
    }

    void spreadToAliases(Block *block, Value *written) {
        for (Value *input : block->inputs()) spreadToAlias(input, written);
        for (Node *node : block->nodes()) {
            if (node->kind() == prim::Constant) continue;
            for (Value *output : node->outputs()) spreadToAlias(output, written);
            for (Block *inner : node->blocks()) spreadToAliases(inner, written);
        }
    }

    // -- What the graph tells

    std::string dependence(Node *node) {
        const std::string name = operatorName(node);
        // What an attribute of it holds is not followed, and it may decide a branch.
        if (node->kind() == prim::CreateObject)
            return "it keeps values in an object of a class of its own (" + node->output()->type()->str() +
                   "), where what the whole batch decides cannot be seen";
        if (dropsOut(node))
            return name + " is in training mode and draws random numbers; call eval() on the model before it is saved";
        if (drawsRandomNumbers(node)) return name + " draws random numbers, so no two runs give the same";
        if (normalisesByTheBatch(node) && readsContent(node))
            return name +
                   " is in training mode and normalises by the batch's own mean; call eval() on the model before it is "
                   "saved";
        if (!node->blocks().empty() || !readsContent(node)) return "";
        if (sizesComeFromContent(node))
            return "a size comes from a tensor's content (" + name + "), so the items of a batch cannot be told apart";
        if (isStructural(node)) return "";
        for (Value *output : node->outputs()) {
            if (!isScalar(output) || isOnlyGuarding(output)) continue;
            return use(output) + " a tensor's content (" + name + "), so the whole batch decides";
        }
        return "";
    }

    bool sizesComeFromContent(const Node *node) const {
        if (makesSizesOfContent(node)) return true;
        const auto isContentAt = [&](size_t i) { return i < node->inputs().size() && isContent(node->inputs()[i]); };
        if (node->kind() == aten::where) return node->inputs().size() == 1;
        if (node->kind() == aten::one_hot) {
            auto classes = node->inputs().size() > 1 ? toIValue(node->inputs()[1]) : std::nullopt;
            return !classes || !classes->isInt() || classes->toInt() < 0;
        }
        if (node->kind() == aten::repeat_interleave) {
            const size_t repeats = hasArgument(node, "self") ? 1 : 0;
            return isContentAt(repeats) && isTensor(node->inputs()[repeats]);
        }
        if (node->kind() == aten::tensor_split) return isContentAt(1) && isTensor(node->inputs()[1]);
        if (node->kind() == aten::index && isContentAt(1)) {
            const Node *list = node->inputs()[1]->node();
            if (list->kind() != prim::ListConstruct) return true;
            return std::any_of(list->inputs().begin(), list->inputs().end(),
                               [&](const Value *index) { return isContent(index) && mayBeMask(index, 0); });
        }
        return false;
    }

    static bool isTensor(const Value *value) { return value->type()->isSubtypeOf(*c10::TensorType::get()); }

    /// May the index be a mask of bools (or bytes), so that what stands in it decides the result's size?
    bool mayBeMask(const Value *value, int depth) const {
        static const OperatorNames integers(
            "aten::argmax aten::argmin aten::argsort aten::arange aten::bucketize aten::searchsorted aten::long "
            "aten::int "
            "aten::cumsum aten::floor_divide aten::remainder aten::cummax aten::cummin");
        static const OperatorNames withIndices(
            "aten::sort aten::topk aten::max aten::min aten::kthvalue aten::mode aten::median");
        static const OperatorNames views(
            "aten::view aten::reshape aten::unsqueeze aten::squeeze aten::slice aten::select aten::expand "
            "aten::permute "
            "aten::transpose aten::contiguous aten::flatten aten::clone aten::detach aten::clamp aten::add aten::sub "
            "aten::mul aten::expand_as aten::view_as");
        if (const auto type = value->type()->cast<c10::TensorType>(); type && type->scalarType()) {
            return *type->scalarType() == at::kBool || *type->scalarType() == at::kByte;
        }
        const auto seen = layers_.elementTypes.find(value);
        if (seen != layers_.elementTypes.end()) return seen->second == at::kBool || seen->second == at::kByte;
        const Node *node = value->node();
        if (integers.contain(node)) return false;
        if (withIndices.contain(node) && value->offset() == 1) return false;
        if (node->kind() == aten::to) {
            if (const auto type = constantArgument(node, "dtype"); type && type->isInt())
                return type->toInt() == static_cast<int64_t>(at::kBool) ||
                       type->toInt() == static_cast<int64_t>(at::kByte);
        }
        // The first input of a graph's own operators decides the type of a view.
        if (depth < 64 && views.contain(node)) return mayBeMask(node->inputs()[0], depth + 1);
        return unseenMayBeMasks_;
    }

    /// Is the value asked for by nothing but conditions of guards, and by what they raise?
    bool isOnlyGuarding(const Value *value, int depth = 0) const {
        if (depth > 64) return false;
        return std::all_of(value->uses().begin(), value->uses().end(), [&](const torch::jit::Use &use) {
            const Node *user = use.user;
            if (isGuard(user)) return true;
            if (user->kind() == prim::RaiseException) return true;
            if (!user->blocks().empty() || user->kind() == prim::Return || user->hasSideEffects()) return false;
            if (const auto *schema = user->maybeSchema(); schema != nullptr && schema->is_mutable()) return false;
            return std::all_of(user->outputs().begin(), user->outputs().end(),
                               [&](const Value *output) { return isOnlyGuarding(output, depth + 1); });
        });
    }

    /// What a number that was read out of a tensor decides.
    std::string use(const Value *value) const {
        std::unordered_set<const Value *> seen;
        std::vector<const Value *> open{value};
        while (!open.empty()) {
            const Value *current = open.back();
            open.pop_back();
            if (!seen.insert(current).second) continue;
            for (const auto &use : current->uses()) {
                if (use.user->kind() == prim::If && !isGuard(use.user)) return "a branch depends on";
                if (use.user->kind() == prim::Loop && use.offset < 2) return "a loop runs as often as is said by";
                if (use.user->kind() == prim::Return && use.user->owningBlock()->owningNode() != nullptr &&
                    use.user->owningBlock()->owningNode()->kind() == prim::Loop && use.offset == 0)
                    return "a loop runs as often as is said by";
                for (const Value *output : use.user->outputs()) {
                    if (isScalar(output)) open.push_back(output);
                }
            }
        }
        return "a number or a size comes from";
    }

    // -- What two runs tell

    /// One value's shapes (or the number that it is) in the order in which they were seen; a loop sees a value again
    /// and again.
    using Signature = std::vector<int64_t>;
    static constexpr size_t maximumInstances = 8;
    std::unordered_map<const Value *, std::vector<Signature>> seen_[2];
    /// Numbers that come from how many items there are.
    std::unordered_set<const Value *> extents_;

    static void describe(const IValue &value, Signature &into) {
        if (value.isTensor()) {
            if (!value.toTensor().defined()) return;
            // Below zero, so that no rank is taken for an extent of 0.
            into.push_back(-1 - value.toTensor().dim());
            into.insert(into.end(), value.toTensor().sizes().begin(), value.toTensor().sizes().end());
        } else if (value.isInt()) {
            into.push_back(value.toInt());
        } else if (value.isTuple()) {
            for (const IValue &element : value.toTupleRef().elements()) describe(element, into);
        } else if (value.isList()) {
            for (const IValue &element : value.toList()) describe(element, into);
        }
    }

    void note(const Value *value, const IValue &content, int run) {
        auto &instances = seen_[run][value];
        if (instances.size() >= maximumInstances) return;
        describe(content, instances.emplace_back());
    }

    void observe(const std::vector<at::Tensor> &inputs, int run) {
        layers_.walk(inputs, [&](const Value *value, const IValue &content) { note(value, content, run); });
    }

    /// Does every sight of the value in one run differ from that in the other?
    bool grows(const Value *value) const {
        const auto small = seen_[0].find(value), large = seen_[1].find(value);
        if (small == seen_[0].end() || large == seen_[1].end()) return true;
        const size_t count = std::min(small->second.size(), large->second.size());
        for (size_t i = 0; i < count; i++) {
            if (small->second[i] == large->second[i]) return false;
        }
        return true;
    }

    bool wasSeen(const Value *value) const { return seen_[0].count(value) != 0 && seen_[1].count(value) != 0; }

    void findExtents() {
        bool changed = true;
        const auto add = [&](const Value *value) { changed = extents_.insert(value).second || changed; };
        while (changed) {
            changed = false;
            forEachNode(graph_.block(), [&](Node *node) {
                if (node->kind() == prim::Constant || !node->blocks().empty()) return;
                const bool derived = std::any_of(node->inputs().begin(), node->inputs().end(),
                                                 [&](const Value *input) { return extents_.count(input) != 0; });
                for (Value *output : node->outputs()) {
                    if (!isScalar(output)) continue;
                    const bool isNumber = output->type()->kind() == c10::TypeKind::IntType;
                    if (derived || (isNumber && wasSeen(output) && grows(output))) add(output);
                }
            });
        }
    }

    std::string mixture(Node *node) const {
        const std::string name = operatorName(node);
        if (node->kind() == prim::If && !isGuard(node) && extents_.count(node->inputs()[0]) != 0)
            return "a branch depends on how many items there are (" + operatorName(node->inputs()[0]->node()) + ")";
        if (node->kind() == prim::Loop &&
            (extents_.count(node->inputs()[0]) != 0 || extents_.count(node->inputs()[1]) != 0))
            return "a loop runs as often as there are items";
        if (node->kind() == prim::Constant || !node->blocks().empty() || !readsContent(node)) return "";
        for (Value *output : node->outputs()) {
            if (!isContent(output) || !holdsTensors(output->type())) continue;
            if (!wasSeen(output) && mayReduceTheBatch(node) && !onlyRaises(node) && !isOnlyGuarding(output))
                return "items may influence each other: " + name + " stands where no made-up input comes";
            if (!wasSeen(output) || grows(output)) continue;
            if (isEmptyAlways(output) || isOnlyGuarding(output)) continue;
            return "items influence each other: " + name + " makes one value of the whole batch";
        }
        return "";
    }

    /// Does the node stand in a block that ends by raising?
    static bool onlyRaises(const Node *node) {
        for (const Block *block = node->owningBlock(); block != nullptr && block->owningNode() != nullptr;
             block = block->owningNode()->owningBlock()) {
            for (const Node *other : block->nodes()) {
                if (other->kind() == prim::RaiseException) return true;
            }
        }
        return false;
    }

    /// Lists that are begun empty, and outputs that an operator leaves undefined.
    bool isEmptyAlways(const Value *value) const {
        const auto &instances = seen_[0].at(value);
        return std::all_of(instances.begin(), instances.end(), [](const Signature &signature) {
            return signature.empty() || std::find(signature.begin(), signature.end(), 0) != signature.end();
        });
    }
};

}  // namespace
