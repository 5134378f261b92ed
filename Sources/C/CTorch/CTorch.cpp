// The shim over libtorch. Sections: errors, tensors, the process, graphs, the model (layers, cuts, extraction,
// profile), partitions, and the C entry points.
//
// Graphs are run by the interpreter itself (`Code` and `InterpreterState`), never by a graph executor: an executor
// profiles the first runs, specialises the graph for their shapes and compiles again for others, which makes the first
// runs of each batch size seconds slow and results depend on what ran before.

#include "CTorch.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/InferenceMode.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <caffe2/serialize/versions.h>
#include <malloc.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/autocast.h>
#include <torch/csrc/jit/passes/common_subexpression_elimination.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/passes/frozen_linear_transpose.h>
#include <torch/csrc/jit/passes/frozen_ops_to_mkldnn.h>
#include <torch/csrc/jit/passes/inline_fork_wait.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/passes/loop_unrolling.h>
#include <torch/csrc/jit/passes/lower_tuples.h>
#include <torch/csrc/jit/passes/remove_mutation.h>
#include <torch/csrc/jit/runtime/interpreter.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <limits>
#include <map>
#include <new>
#include <numeric>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

using c10::IValue;
using c10::Symbol;
using torch::jit::AliasDb;
using torch::jit::Block;
using torch::jit::Code;
using torch::jit::Graph;
using torch::jit::InterpreterState;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Stack;
using torch::jit::toIValue;
using torch::jit::Value;
using torch::jit::ValueSet;
namespace aten = torch::jit::aten;
namespace prim = torch::jit::prim;
namespace attr = torch::jit::attr;

// ---- Errors ----

namespace {

struct Failure {
    amp_torch_code code;
    std::string message;
};

[[noreturn]] void fail(amp_torch_code code, std::string message) { throw Failure{code, std::move(message)}; }

/// A cause is a sentence or two; libtorch appends lists of devices, and advice about build options and phones.
std::string shortened(const std::string &line) {
    constexpr size_t maximumByteCount = 300;
    static const std::string refusal = "Could not run '", from = "' with arguments from the '";
    const size_t middle = line.find(from);
    if (line.rfind(refusal, 0) == 0 && middle != std::string::npos) {
        const std::string name = line.substr(refusal.size(), middle - refusal.size());
        const size_t device = middle + from.size();
        return name + " does not run on " + line.substr(device, line.find('\'', device) - device) +
               " tensors here: the model must run on the CPU with dense tensors";
    }
    static const std::string unknown = "Unknown builtin op: ";
    if (line.rfind(unknown, 0) == 0) {
        const std::string name = line.substr(unknown.size(), line.find_last_not_of(" .") + 1 - unknown.size());
        return "it calls " + name + ", an operator of " + name.substr(0, name.find("::")) +
               "'s that libtorch does not have; export the model without that step, and do it on the model's outputs";
    }
    if (line.size() <= maximumByteCount) return line;
    const size_t sentence = line.rfind(". ", maximumByteCount);
    if (sentence != std::string::npos && sentence > 40) return line.substr(0, sentence);
    size_t length = maximumByteCount;
    // Never half of a character.
    while (length > 0 && (static_cast<unsigned char>(line[length]) & 0xC0) == 0x80) length--;
    return line.substr(0, length) + "…";
}

/// The line of a libtorch message that says what happened.
///
/// The interpreter puts its own traceback before the reason ("Traceback of TorchScript … RuntimeError: reason"),
/// everything else puts its backtrace behind the first line.
std::string essence(const std::string &message) {
    std::string text = message;
    if (text.find("Traceback of TorchScript") != std::string::npos) {
        for (const char *mark : {"\nRuntimeError: ", "\ntorch.jit.Error: ", "\nNotImplementedError: ", "Error: "}) {
            const size_t at = text.find(mark);
            if (at != std::string::npos) {
                text = text.substr(at + std::strlen(mark));
                break;
            }
        }
    }
    const size_t start = text.find_first_not_of(" \n");
    if (start == std::string::npos) return "libtorch gave no reason";
    const size_t end = text.find('\n', start);
    return shortened(text.substr(start, end == std::string::npos ? end : end - start));
}

amp_torch_code classify(const std::string &message, amp_torch_code otherwise) {
    if (message.find("maximum supported version for reading") != std::string::npos) return AMP_TORCH_NEWER_ARCHIVE;
    if (message.find("Unknown builtin op") != std::string::npos) return AMP_TORCH_UNSUPPORTED;
    if (message.find("can't allocate memory") != std::string::npos) return AMP_TORCH_OUT_OF_MEMORY;
    return otherwise;
}

amp_torch_code report(char **error, amp_torch_code code, const std::string &message) {
    if (error != nullptr) *error = strdup(message.c_str());
    return code;
}

/// Runs `body` and turns whatever it throws into a code and a message; what libtorch throws without a known meaning is
/// `otherwise`.
template <typename Body>
amp_torch_code guarded(char **error, amp_torch_code otherwise, Body &&body) noexcept {
    try {
        if (error != nullptr) *error = nullptr;
        body();
        return AMP_TORCH_OK;
    } catch (const Failure &failure) {
        return report(error, failure.code, failure.message);
    } catch (const std::bad_alloc &) {
        return report(error, AMP_TORCH_OUT_OF_MEMORY, "there is not enough memory");
    } catch (const c10::Error &failure) {
        const std::string message = failure.what_without_backtrace();
        return report(error, classify(message, otherwise), essence(message));
    } catch (const std::exception &failure) {
        const std::string message = failure.what();
        return report(error, classify(message, otherwise), essence(message));
    } catch (...) {
        return report(error, AMP_TORCH_INTERNAL, "libtorch threw something that is no exception");
    }
}

// ---- Tensors ----

/// The numbers are Swift's `DType`.
constexpr std::pair<uint8_t, at::ScalarType> elementTypes[] = {
    {1, at::kFloat}, {2, at::kHalf}, {3, at::kByte}, {4, at::kInt}, {5, at::kLong}, {6, at::kBool},
};

uint8_t dtypeNumber(at::ScalarType type) {
    for (const auto &[number, scalarType] : elementTypes) {
        if (scalarType == type) return number;
    }
    return 0;
}

at::ScalarType scalarType(uint8_t dtype) {
    for (const auto &[number, scalarType] : elementTypes) {
        if (number == dtype) return scalarType;
    }
    fail(AMP_TORCH_UNSUPPORTED, "element type " + std::to_string(dtype) + " is not known");
}

amp_torch_shape describe(const at::Tensor &tensor) {
    amp_torch_shape shape{};
    if (!tensor.defined() || tensor.layout() != at::kStrided || tensor.is_quantized()) return shape;
    shape.bytes = static_cast<int64_t>(tensor.nbytes());
    if (tensor.dim() > AMP_TORCH_MAXIMUM_RANK) return shape;
    shape.dtype = dtypeNumber(tensor.scalar_type());
    shape.rank = static_cast<uint8_t>(tensor.dim());
    for (int64_t i = 0; i < tensor.dim(); i++) shape.extents[i] = tensor.size(i);
    return shape;
}

/// Views of the caller's memory. Takes the owners over first, so that each is released whatever happens later.
std::vector<at::Tensor> wrap(amp_torch_input *inputs, size_t count) {
    std::vector<std::shared_ptr<void>> owners;
    owners.reserve(count);
    for (size_t i = 0; i < count; i++) owners.emplace_back(inputs[i].owner, inputs[i].release);
    std::vector<at::Tensor> tensors;
    tensors.reserve(count);
    for (size_t i = 0; i < count; i++) {
        const amp_torch_shape &shape = inputs[i].shape;
        const auto options = at::TensorOptions().dtype(scalarType(shape.dtype));
        const at::IntArrayRef sizes(shape.extents, shape.rank);
        const size_t width = c10::elementSize(scalarType(shape.dtype));
        auto tensor = at::from_blob(
            const_cast<void *>(inputs[i].data), sizes, [owner = owners[i]](void *) {}, options);
        // A view into a larger block may start anywhere; kernels may not.
        tensors.push_back(reinterpret_cast<uintptr_t>(inputs[i].data) % width == 0 ? tensor : tensor.clone());
    }
    return tensors;
}

/// The tensors in a result, in order: a tensor, or tuples and lists of such.
void flatten(const IValue &value, std::vector<at::Tensor> &into) {
    if (value.isTensor()) {
        into.push_back(value.toTensor());
    } else if (value.isTuple()) {
        for (const IValue &element : value.toTupleRef().elements()) flatten(element, into);
    } else if (value.isTensorList()) {
        for (const at::Tensor &element : value.toTensorVector()) into.push_back(element);
    } else if (value.isList()) {
        for (const IValue &element : value.toListRef()) flatten(element, into);
    } else {
        fail(AMP_TORCH_UNSUPPORTED,
             "the model returned a " + value.tagKind() + "; return a tensor or a tuple of tensors");
    }
}

}  // namespace

struct amp_torch_tensor {
    at::Tensor value;
};

struct amp_torch_tensors {
    std::vector<std::unique_ptr<amp_torch_tensor>> values;

    void add(const at::Tensor &tensor) {
        if (describe(tensor).dtype == 0) {
            fail(AMP_TORCH_UNSUPPORTED,
                 std::string("an output is ") +
                     (tensor.defined() ? std::string(c10::getDtypeNames(tensor.scalar_type()).first) : "undefined") +
                     " with " + std::to_string(tensor.defined() ? tensor.dim() : 0) +
                     " dimensions; float32, float16, uint8, int32, int64 and bool with up to 8 travel: convert it in "
                     "the model");
        }
        values.push_back(std::make_unique<amp_torch_tensor>(amp_torch_tensor{tensor.contiguous()}));
    }
};

struct amp_torch_bytes {
    std::string value;
};

// ---- The process ----

namespace {

/// OpenMP keeps its thread count per calling thread: a thread that has never run an operator would use every core.
void prepareThread() {
    thread_local const bool prepared = [] {
        at::init_num_threads();
        return true;
    }();
    (void)prepared;
}

// ---- Graphs ----

/// Reads an archive that lies in memory.
class MemoryReader final : public caffe2::serialize::ReadAdapterInterface {
   public:
    MemoryReader(const void *data, size_t count) : data_(static_cast<const char *>(data)), count_(count) {}
    size_t size() const override { return count_; }
    size_t read(uint64_t position, void *buffer, size_t count, const char *) const override {
        if (position >= count_) return 0;
        const size_t available = std::min(count, count_ - static_cast<size_t>(position));
        std::memcpy(buffer, data_ + position, available);
        return available;
    }

   private:
    const char *data_;
    size_t count_;
};

Module loadModule(const void *data, size_t count, torch::jit::ExtraFilesMap &extras) {
    Module module = [&] {
        try {
            return torch::jit::load(std::make_shared<MemoryReader>(data, count), at::Device(at::kCPU), extras);
        } catch (const std::exception &error) {
            // Constants in oneDNN's own layout, which torch.jit.save leaves out and nobody reads again.
            if (std::string(error.what()).find("required keyword attribute 'value'") == std::string::npos) throw;
            fail(AMP_TORCH_BAD_ARCHIVE,
                 "a constant of the model was not saved, as after torch.jit.optimize_for_inference; save the model "
                 "before that step (libtorch optimises it here), after torch.jit.freeze at most");
        }
    }();
    if (!module.find_method("forward")) {
        std::string others;
        for (const auto &method : module.get_methods()) others += (others.empty() ? "" : ", ") + method.name();
        fail(AMP_TORCH_UNSUPPORTED, "the module has no forward method, and no other is served" +
                                        (others.empty() ? "" : " (it has " + others + ")") +
                                        "; export a module whose forward calls what you want");
    }
    module.eval();
    return module;
}

/// A model that was recorded or compiled on a GPU names it; here everything is on the CPU.
void moveToTheCPU(Block *block) {
    for (Node *node : block->nodes()) {
        if (node->kind() == prim::Constant && node->output()->type()->kind() == c10::TypeKind::DeviceObjType &&
            node->hasAttribute(attr::value)) {
            node->s_(attr::value, "cpu");
        }
        for (Block *inner : node->blocks()) moveToTheCPU(inner);
    }
}

/// What the nodes inside a `with` block stand in: its beginning and its end.
void findContexts(Block *block, std::vector<Node *> &found) {
    for (Node *node : block->nodes()) {
        if (node->kind() == prim::Enter || node->kind() == prim::Exit) found.push_back(node);
        for (Block *inner : node->blocks()) findContexts(inner, found);
    }
}

/// Takes the `with` blocks out of a graph.
///
/// The interpreter looks their methods up in the object's class, which dangle once the module is gone. torch's own say
/// nothing here: gradients are off anyway, and what autocast does is written into the graph, as libtorch does it too.
void removeContexts(const std::shared_ptr<Graph> &graph) {
    std::vector<Node *> found;
    findContexts(graph->block(), found);
    if (found.empty()) return;
    torch::jit::Autocast(graph);
    found.clear();
    findContexts(graph->block(), found);
    std::unordered_set<Value *> objects;
    for (Node *node : found) {
        const auto type = node->input()->type()->cast<c10::ClassType>();
        const std::string name = type && type->name() ? type->name()->qualifiedName() : "a class";
        if (name.rfind("__torch__.torch.", 0) != 0 || node->input()->node()->kind() != prim::CreateObject ||
            node->output()->hasUses()) {
            fail(AMP_TORCH_UNSUPPORTED, "the model enters a with block of " + name +
                                            ", whose code is no part of the graph; leave the block away, or record the "
                                            "model with scripts/export-model --trace");
        }
        objects.insert(node->input());
    }
    for (Node *node : found) node->destroy();
    for (Value *object : objects) {
        const auto uses = object->uses();
        for (const auto &use : uses) {
            if (use.user->kind() == prim::SetAttr) use.user->destroy();
        }
        if (!object->hasUses()) object->node()->destroy();
    }
}

/// What a graph with objects of the model's own classes needs at run time: they name their class, and it its methods,
/// by plain pointers. Nothing for other graphs, whose weights would stay twice.
std::shared_ptr<torch::jit::CompilationUnit> classesOf(const Module &module, Block *block) {
    for (Node *node : block->nodes()) {
        if (node->kind() == prim::CreateObject) return module._ivalue()->compilation_unit();
        for (Block *inner : node->blocks()) {
            if (auto unit = classesOf(module, inner)) return unit;
        }
    }
    return nullptr;
}

/// Batch-norm in training mode counts the batches that it has seen, wherever freezing puts the rest of it.
bool countsBatches(Block *block) {
    for (Node *node : block->nodes()) {
        if (node->kind() == prim::GetAttr && node->s(attr::name) == "num_batches_tracked") return true;
        for (Block *inner : node->blocks()) {
            if (countsBatches(inner)) return true;
        }
    }
    return false;
}

/// `forward` as one graph without calls, its weights constants, `self` gone.
std::shared_ptr<Graph> forwardGraph(const Module &module) {
    auto graph = module.get_method("forward").graph()->copy();
    torch::jit::Inline(*graph);
    torch::jit::InlineForkWait(graph);
    moveToTheCPU(graph->block());
    torch::jit::ConstantPropagation(graph);
    removeContexts(graph);
    torch::jit::LowerSimpleTuples(graph);
    torch::jit::EliminateCommonSubexpression(graph);
    torch::jit::EliminateDeadCode(graph);
    Value *self = graph->inputs().at(0);
    if (self->hasUses()) {
        if (countsBatches(graph->block())) {
            fail(AMP_TORCH_UNSUPPORTED,
                 "batch-norm is in training mode, and counts the batches that it has seen; call eval() on the model "
                 "before "
                 "it is saved");
        }
        std::string attribute;
        for (const auto &use : self->uses()) {
            if (use.user->kind() == prim::GetAttr || use.user->kind() == prim::SetAttr)
                attribute = use.user->s(attr::name);
        }
        fail(AMP_TORCH_UNSUPPORTED,
             "the model changes or keeps its attribute \"" + attribute +
                 "\" while it runs; make forward depend on its inputs and constant weights only");
    }
    graph->eraseInput(0);
    return graph;
}

/// Frees the graph from the functions it was inlined from.
///
/// An inlined node names its callers by plain pointers, which the interpreter follows when it reports an error: after
/// the module is gone they dangle, and keeping the module would keep its weights twice.
void forgetCallers(Block *block) {
    static auto *const unit = new torch::jit::CompilationUnit();
    static torch::jit::Function *const caller = unit->create_function("model", std::make_shared<Graph>());
    for (Node *node : block->nodes()) {
        if (node->callstack()) {
            node->setCallStack(c10::make_intrusive<torch::jit::InlinedCallStack>(caller, node->sourceRange()));
        }
        for (Block *inner : node->blocks()) forgetCallers(inner);
    }
    if (block->return_node()->callstack()) {
        block->return_node()->setCallStack(
            c10::make_intrusive<torch::jit::InlinedCallStack>(caller, block->return_node()->sourceRange()));
    }
}

template <typename Visit>
void forEachNode(Block *block, Visit &&visit) {
    for (Node *node : block->nodes()) {
        visit(node);
        for (Block *inner : node->blocks()) forEachNode(inner, visit);
    }
}

/// Tensors inside a constant (a tensor, or a list or tuple of some).
void forEachTensor(const IValue &value, const std::function<void(const at::Tensor &)> &visit) {
    if (value.isTensor()) {
        if (value.toTensor().defined()) visit(value.toTensor());
    } else if (value.isTuple()) {
        for (const IValue &element : value.toTupleRef().elements()) forEachTensor(element, visit);
    } else if (value.isList()) {
        for (const IValue &element : value.toList()) forEachTensor(element, visit);
    }
}

struct WeightCount {
    int64_t elements = 0;
    int64_t bytes = 0;
    std::unordered_set<const void *> seen;

    void add(const IValue &value) {
        forEachTensor(value, [this](const at::Tensor &tensor) {
            const void *identity = tensor.has_storage() ? tensor.storage().data() : tensor.unsafeGetTensorImpl();
            if (tensor.numel() == 0 || !seen.insert(identity).second) return;
            elements += tensor.numel();
            bytes += static_cast<int64_t>(tensor.numel() * tensor.element_size());
        });
    }

    void addConstants(Block *block) {
        forEachNode(block, [this](Node *node) {
            if (node->kind() != prim::Constant) return;
            if (auto value = toIValue(node->output())) add(*value);
        });
    }
};

std::string operatorName(const Node *node) { return node->kind().toQualString(); }

/// A set of operators, written as one text.
class OperatorNames {
   public:
    explicit OperatorNames(const char *text) {
        std::istringstream words(text);
        for (std::string word; words >> word;) names_.insert(Symbol::fromQualString(word));
    }
    bool contain(const Node *node) const { return names_.count(node->kind()) != 0; }

   private:
    std::unordered_set<Symbol> names_;
};

/// Where in the source's module tree a node comes from, for example "features.3.conv.0.1".
std::string scopeName(const Node *node) {
    std::string path;
    if (auto callstack = node->callstack()) {
        for (const auto &entry : (*callstack)->vec()) {
            const auto &instance = std::get<2>(entry);
            if (!instance || instance->instance_name().empty() || instance->instance_name() == "SELF") continue;
            path += (path.empty() ? "" : ".") + instance->instance_name();
        }
    }
    return path;
}

/// Operators that change the shape of an existing tensor: where one stands, a size read later is another size.
bool changesShapes(Node *node) {
    static const OperatorNames names(
        "aten::resize_ aten::resize_as_ aten::unsqueeze_ aten::squeeze_ aten::transpose_ aten::t_ "
        "aten::swapaxes_ aten::swapdims_ aten::set_ aten::as_strided_ aten::set_data "
        "aten::resize_output_ aten::movedim_ aten::detach_ aten::rename_ aten::sparse_resize_");
    return names.contain(node);
}

/// Operators that see how a tensor lies in memory, which a travelling tensor does not keep.
bool seesMemoryLayout(Node *node) {
    static const OperatorNames names(
        "aten::as_strided aten::as_strided_ aten::stride aten::is_contiguous aten::storage_offset "
        "aten::as_strided_scatter aten::data_ptr prim::layout");
    return names.contain(node);
}

bool isConvolution(const Node *node) {
    static const OperatorNames names(
        "aten::_convolution aten::convolution aten::conv1d aten::conv2d aten::conv3d "
        "aten::conv_transpose1d aten::conv_transpose2d");
    return names.contain(node);
}

bool isConstant(const Value *value) { return value->node()->kind() == prim::Constant; }

/// How a tensor lies in memory. Kernels choose their way by it, and two ways may round differently.
struct Layout {
    /// Dimensions by their strides, outermost first; empty where that is the order that they have.
    std::vector<int64_t> order;
    /// Elements that lie unused before and behind each dimension's own, in that order of dimensions; empty where none
    /// do.
    std::vector<int64_t> before, behind;
    /// From one element to its neighbour, and how many unused ones lie before the first.
    int64_t step = 1, skipped = 0;

    bool hasGaps() const { return !before.empty(); }
};

/// A gap many times the tensor's own size is cut down to this many times: what counts for a kernel is that there is
/// one.
constexpr int64_t largestGap = 3;

/// The layout of a block, turned and with gaps as views of larger blocks have; that of a dense one for everything else.
Layout layoutOf(const at::Tensor &tensor) {
    if (tensor.is_contiguous() || tensor.numel() == 0) return {};
    Layout layout;
    layout.order.resize(tensor.dim());
    std::iota(layout.order.begin(), layout.order.end(), 0);
    std::stable_sort(layout.order.begin(), layout.order.end(),
                     [&](int64_t a, int64_t b) { return tensor.stride(a) > tensor.stride(b); });
    const at::Tensor turned = tensor.permute(layout.order);
    if (std::is_sorted(layout.order.begin(), layout.order.end())) layout.order.clear();
    if (turned.is_contiguous()) return layout;
    const int64_t rank = turned.dim();
    const int64_t step = turned.stride(rank - 1);
    // Elements that several places share have no such block.
    if (step < 1) return {};
    layout.step = std::min(step, 1 + largestGap);
    layout.skipped = std::min(tensor.storage_offset() % step, layout.step - 1);
    layout.before.assign(rank, 0);
    layout.behind.assign(rank, 0);
    for (int64_t dimension = 1; dimension < rank; dimension++) {
        const int64_t inner = turned.stride(dimension), outer = turned.stride(dimension - 1);
        const int64_t size = turned.size(dimension);
        if (outer / inner < size) return {};
        const int64_t room = outer / inner;
        const int64_t start = tensor.storage_offset() / inner % room;
        const int64_t before = start + size <= room ? start : 0;
        layout.before[dimension] = std::min(before, largestGap * size);
        layout.behind[dimension] = std::min(room - before - size, largestGap * size);
    }
    return layout;
}

std::vector<int64_t> inverse(const std::vector<int64_t> &permutation) {
    std::vector<int64_t> result(permutation.size());
    for (size_t i = 0; i < permutation.size(); i++) result[permutation[i]] = static_cast<int64_t>(i);
    return result;
}

// ---- Layers: a graph run node by node ----

/// CPU time of this thread: unlike the wall clock it leaves out what other processes took in between.
static double threadMilliseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

/// A graph's top-level nodes other than constants, in order, and a way to run them one at a time.
struct LayeredGraph {
    std::shared_ptr<torch::jit::CompilationUnit> classes;
    std::shared_ptr<Graph> graph;
    std::vector<Node *> nodes;
    std::unordered_map<const Node *, int> positions;
    /// The last layer that reads a value; the layer count for the graph's outputs.
    std::unordered_map<const Value *, int> lastUse;

    int layerCount() const { return static_cast<int>(nodes.size()); }

    Node *topLevel(Node *node) const {
        while (node->owningBlock() != graph->block()) node = node->owningBlock()->owningNode();
        return node;
    }

    int definition(const Value *value) const {
        return value->node()->kind() == prim::Param ? -1 : positions.at(value->node());
    }

    void findLayers() {
        for (Node *node : graph->nodes()) {
            if (node->kind() == prim::Constant) continue;
            positions[node] = layerCount();
            nodes.push_back(node);
        }
        if (nodes.empty()) fail(AMP_TORCH_UNSUPPORTED, "the model computes nothing");
        const auto note = [this](Value *value) {
            if (isConstant(value)) return;
            int last = definition(value);
            for (const auto &use : value->uses()) {
                last =
                    std::max(last, use.user == graph->return_node() ? layerCount() : positions.at(topLevel(use.user)));
            }
            lastUse[value] = last;
        };
        for (Value *input : graph->inputs()) note(input);
        for (Node *node : nodes) {
            for (Value *output : node->outputs()) note(output);
        }
    }

    /// One node as a program of its own.
    struct Step {
        std::shared_ptr<Graph> graph;
        Code code;
        std::vector<Value *> inputs;
    };
    std::vector<Step> steps;

    static bool isInside(const Node *inner, const Node *outer) {
        for (const Block *block = inner->owningBlock(); block != nullptr && block->owningNode() != nullptr;
             block = block->owningNode()->owningBlock()) {
            if (block->owningNode() == outer) return true;
        }
        return false;
    }

    static Step stepOf(Node *node) {
        Step step;
        step.graph = std::make_shared<Graph>();
        std::unordered_map<Value *, Value *> mapped;
        const std::function<void(Node *)> capture = [&](Node *inner) {
            for (Value *input : inner->inputs()) {
                // What is made inside the node's own blocks is not captured.
                if (mapped.count(input) != 0 || isInside(input->node(), node)) continue;
                if (isConstant(input)) {
                    Node *copy = step.graph->insertNode(
                        step.graph->createClone(input->node(), [](Value *value) { return value; }));
                    mapped[input] = copy->output();
                } else {
                    mapped[input] = step.graph->addInput()->setType(input->type());
                    step.inputs.push_back(input);
                }
            }
            for (Block *block : inner->blocks()) {
                for (Node *nested : block->nodes()) capture(nested);
                capture(block->return_node());
            }
        };
        capture(node);
        Node *copy =
            step.graph->insertNode(step.graph->createClone(node, [&](Value *value) { return mapped.at(value); }));
        for (Value *output : copy->outputs()) step.graph->registerOutput(output);
        step.code = Code(step.graph, "amp4ec_layer");
        return step;
    }

    void prepareSteps() {
        if (!steps.empty()) return;
        for (Node *node : nodes) steps.push_back(stepOf(node));
    }

    using Environment = std::unordered_map<const Value *, IValue>;

    /// Runs layers 0 ..< end; `after` sees the environment behind each.
    template <typename After>
    void run(const std::vector<at::Tensor> &inputs, int end, Environment &environment, After &&after) {
        checkCount(inputs);
        prepareSteps();
        prepareThread();
        const c10::InferenceMode inference;
        // The caller's memory is never written.
        for (size_t i = 0; i < inputs.size(); i++) environment[graph->inputs()[i]] = inputs[i].clone();
        for (int i = 0; i < end; i++) {
            Step &step = steps[i];
            Stack stack;
            for (Value *input : step.inputs) stack.push_back(environment.at(input));
            for (Value *input : step.inputs) {
                if (lastUse.at(input) <= i) environment.erase(input);
            }
            const double start = threadMilliseconds();
            InterpreterState(step.code).run(stack);
            const double elapsed = threadMilliseconds() - start;
            for (size_t output = 0; output < stack.size(); output++) {
                environment[nodes[i]->outputs()[output]] = std::move(stack[output]);
            }
            after(i, elapsed);
            for (Value *output : nodes[i]->outputs()) {
                if (lastUse.at(output) <= i) environment.erase(output);
            }
        }
    }

    void checkCount(const std::vector<at::Tensor> &inputs) const {
        if (inputs.size() == graph->inputs().size()) return;
        fail(AMP_TORCH_INPUT_REJECTED, "the model takes " + std::to_string(graph->inputs().size()) + " inputs, but " +
                                           std::to_string(inputs.size()) + " were given");
    }

    // -- Node by node, into the blocks

    /// Element types of tensors, as far as walks have shown them.
    std::unordered_map<const Value *, at::ScalarType> elementTypes;
    std::unordered_map<const Node *, Step> nestedSteps;

    /// Runs the model and shows every value, those inside branches and loops included, each time that it is made.
    using See = std::function<void(const Value *, const IValue &)>;
    void walk(const std::vector<at::Tensor> &inputs, const See &see) {
        checkCount(inputs);
        prepareSteps();
        prepareThread();
        const c10::InferenceMode inference;
        Environment environment;
        const See show = [&](const Value *value, const IValue &content) {
            if (content.isTensor() && content.toTensor().defined())
                elementTypes.emplace(value, content.toTensor().scalar_type());
            see(value, content);
        };
        for (size_t i = 0; i < inputs.size(); i++) {
            environment[graph->inputs()[i]] = inputs[i].clone();
            show(graph->inputs()[i], environment[graph->inputs()[i]]);
        }
        walk(graph->block(), environment, show);
    }

    static IValue read(const Value *value, const Environment &environment) {
        if (isConstant(value)) return *toIValue(value);
        return environment.at(value);
    }

    void walk(Block *block, Environment &environment, const See &see) {
        const auto assign = [&](const Value *value, IValue content) {
            see(value, content);
            environment[value] = std::move(content);
        };
        for (Node *node : block->nodes()) {
            if (node->kind() == prim::Constant) continue;
            if (node->kind() == prim::If) {
                const bool condition = read(node->inputs()[0], environment).toBool();
                Block *taken = node->blocks()[condition ? 0 : 1];
                walk(taken, environment, see);
                for (size_t i = 0; i < node->outputs().size(); i++) {
                    assign(node->outputs()[i], read(taken->outputs()[i], environment));
                }
                walkOtherSide(node->blocks()[condition ? 1 : 0], environment, see);
            } else if (node->kind() == prim::Loop) {
                walkLoop(node, environment, assign, see);
            } else {
                const bool isLayer = block == graph->block();
                Step &step = isLayer ? steps[positions.at(node)] : nestedStep(node);
                Stack stack;
                for (Value *input : step.inputs) stack.push_back(environment.at(input));
                InterpreterState(step.code).run(stack);
                for (size_t i = 0; i < stack.size(); i++) assign(node->outputs()[i], std::move(stack[i]));
            }
            if (block != graph->block()) continue;
            const int position = positions.at(node);
            for (Value *input : steps[position].inputs) {
                if (lastUse.at(input) <= position) environment.erase(input);
            }
        }
    }

    /// Other shapes would go the other way: what stands there is shown too. At these it may well fail, which says
    /// nothing.
    void walkOtherSide(Block *block, Environment environment, const See &see) {
        static const OperatorNames listChanges(
            "aten::append aten::extend aten::insert aten::pop aten::_set_item aten::clear aten::Delete aten::remove");
        bool changesLists = false;
        forEachNode(block, [&](const Node *node) { changesLists = changesLists || listChanges.contain(node); });
        if (changesLists) return;
        try {
            walk(block, environment, see);
        } catch (const std::exception &) {
        }
    }

    template <typename Assign>
    void walkLoop(Node *node, Environment &environment, const Assign &assign, const See &see) {
        Block *body = node->blocks()[0];
        const int64_t most = read(node->inputs()[0], environment).toInt();
        bool goesOn = read(node->inputs()[1], environment).toBool();
        std::vector<IValue> carried;
        for (size_t i = 2; i < node->inputs().size(); i++) carried.push_back(read(node->inputs()[i], environment));
        for (int64_t round = 0; goesOn && round < most; round++) {
            environment[body->inputs()[0]] = round;
            for (size_t i = 0; i < carried.size(); i++) assign(body->inputs()[i + 1], carried[i]);
            walk(body, environment, see);
            goesOn = read(body->outputs()[0], environment).toBool();
            for (size_t i = 0; i < carried.size(); i++) carried[i] = read(body->outputs()[i + 1], environment);
        }
        for (size_t i = 0; i < carried.size(); i++) assign(node->outputs()[i], carried[i]);
    }

    Step &nestedStep(Node *node) {
        const auto found = nestedSteps.find(node);
        return found != nestedSteps.end() ? found->second : nestedSteps.emplace(node, stepOf(node)).first->second;
    }
};

}  // namespace

#include "BatchAnalysis.h"
#include "OutputStructure.h"

namespace {

// ---- The model ----

/// What a value looked like in the last profile.
struct Observation {
    /// As it travels: dense, in the layout's order.
    amp_torch_shape shape{};
    Layout layout;
};

/// One value that travels over a cut. Ints and bools travel as scalar tensors.
struct Crossing {
    enum class Form { tensor, integer, boolean };
    Value *value;
    Form form;
};

struct CutPlan {
    bool splitsFusion = false;
    /// Empty where the cut is legal as far as the graph tells.
    std::string reason;
    /// Empty where the observed tensors can travel.
    std::string observedReason;
    std::vector<Crossing> crossings;
    /// Cheap nodes that the far side runs again, in order.
    std::vector<Node *> recomputed;
};

}  // namespace

struct amp_torch_model : LayeredGraph {
    std::vector<std::optional<std::string>> extras;
    std::vector<std::string> outputPaths;
    std::vector<std::string> omittedOutputs;
    std::vector<std::string> inputNames;
    std::vector<std::string> layerOperators;
    std::vector<std::string> layerScopes;
    std::vector<amp_torch_layer> layers;
    int64_t weightBytes = 0;

    std::unordered_map<const Value *, Observation> observations;
    std::unique_ptr<AliasDb> aliases;
    std::vector<Node *> writers;
    bool shapesAreStable = true;
    std::vector<CutPlan> cuts;

    /// Inputs in their order, then by the node that makes them.
    bool before(const Value *a, const Value *b) const {
        return std::make_pair(definition(a), a->offset()) < std::make_pair(definition(b), b->offset());
    }

    /// What forward returns becomes the graph's outputs themselves, each with the path at which it stood.
    void flattenOutputs() {
        DictionaryFolding(*graph).run();
        std::optional<OutputStructure> found(graph);
        if (!found->problem.empty()) {
            // A list or dictionary that is filled by and by, first as it stands, then with loops of known length
            // written out: both change nothing but the form, and are done for nobody else.
            for (const bool unrolls : {false, true}) {
                if (unrolls && torch::jit::UnrollConstantLoops(graph)) torch::jit::ConstantPropagation(graph);
                torch::jit::RemoveListMutation(graph);
                torch::jit::LowerSimpleTuples(graph);
                DictionaryFolding(*graph).run();
                torch::jit::EliminateDeadCode(graph);
                found.emplace(graph);
                if (found->problem.empty()) break;
            }
        }
        if (!found->problem.empty()) fail(AMP_TORCH_UNSUPPORTED, found->problem);
        if (found->leaves.empty()) fail(AMP_TORCH_UNSUPPORTED, "the model returns no tensor");
        while (!graph->outputs().empty()) graph->eraseOutput(graph->outputs().size() - 1);
        for (const OutputStructure::Leaf &leaf : found->leaves) {
            graph->registerOutput(leaf.value);
            std::string path;
            for (const OutputStructure::Step &step : leaf.path) {
                std::string text = step.text;
                std::replace(text.begin(), text.end(), AMP_TORCH_PATH_SEPARATOR, '_');
                path +=
                    (path.empty() ? "" : std::string(1, AMP_TORCH_PATH_SEPARATOR)) + (step.isName ? "n" : "p") + text;
            }
            outputPaths.push_back(std::move(path));
        }
        omittedOutputs = found->omitted;
        torch::jit::EliminateDeadCode(graph);
    }

    /// Only tensors come from outside; other arguments get their defaults.
    void settleInputs(const c10::FunctionSchema &schema) {
        for (size_t i = graph->inputs().size(); i-- > 0;) {
            Value *input = graph->inputs()[i];
            const auto &argument = schema.arguments().at(i + 1);
            if (input->type()->isSubtypeOf(*c10::TensorType::get())) continue;
            if (!argument.default_value()) {
                fail(AMP_TORCH_UNSUPPORTED, "input \"" + argument.name() + "\" is a " +
                                                input->type()->annotation_str() +
                                                "; make every input of forward a tensor, or give it a default value");
            }
            torch::jit::WithInsertPoint guard(*graph->nodes().begin());
            input->replaceAllUsesWith(graph->insertConstant(*argument.default_value()));
            graph->eraseInput(i);
        }
        torch::jit::ConstantPropagation(graph);
        torch::jit::EliminateDeadCode(graph);
        for (Value *input : graph->inputs()) {
            const std::string name = input->debugName();
            inputNames.push_back(name.substr(0, name.find('.')));
        }
    }

    void findMutations() {
        aliases = std::make_unique<AliasDb>(graph);
        forEachNode(graph->block(), [this](Node *node) {
            if (node->kind() == prim::Constant) {
                for (Value *output : node->outputs()) {
                    if (aliases->hasWriters(output)) {
                        fail(AMP_TORCH_UNSUPPORTED, "the model writes to one of its weights; keep them constant");
                    }
                }
            }
            shapesAreStable = shapesAreStable && !changesShapes(node);
        });
        for (Node *node : nodes) {
            const auto *schema = node->maybeSchema();
            if (!node->blocks().empty() || schema == nullptr || schema->is_mutable()) writers.push_back(node);
        }
    }

    void describeLayers() {
        WeightCount all;
        for (Node *node : nodes) {
            amp_torch_layer layer{};
            WeightCount own;
            const auto count = [&](Value *value) {
                if (!isConstant(value)) return;
                if (auto constant = toIValue(value)) own.add(*constant);
            };
            for (Value *input : node->inputs()) count(input);
            for (Block *block : node->blocks()) {
                forEachNode(block, [&](Node *inner) {
                    for (Value *input : inner->inputs()) count(input);
                });
            }
            layer.parameter_count = own.elements;
            layer.parameter_bytes = own.bytes;
            describeKernel(node, layer);
            layers.push_back(layer);
            layerOperators.push_back(operatorName(node));
            layerScopes.push_back(scopeName(node));
        }
        all.addConstants(graph->block());
        weightBytes = all.bytes;
    }

    static std::optional<at::Tensor> constantTensor(const Node *node, size_t index) {
        if (index >= node->inputs().size()) return std::nullopt;
        auto value = toIValue(node->inputs()[index]);
        if (!value || !value->isTensor() || !value->toTensor().defined()) return std::nullopt;
        return value->toTensor();
    }

    static bool isTransposed(const Node *node) {
        const std::string name = operatorName(node);
        if (name.find("conv_transpose") != std::string::npos) return true;
        if (name != "aten::_convolution" && name != "aten::convolution") return false;
        auto value = toIValue(node->inputs()[6]);
        return value && value->isBool() && value->toBool();
    }

    /// Kernel and channels of convolutions and linear layers.
    static void describeKernel(const Node *node, amp_torch_layer &layer) {
        layer.kernel_height = layer.kernel_width = 1;
        layer.groups = 1;
        if (isConvolution(node)) {
            auto weight = constantTensor(node, 1);
            if (!weight || weight->dim() < 3) return;
            layer.kind = AMP_TORCH_LAYER_CONVOLUTION;
            const std::string name = operatorName(node);
            const bool general = name == "aten::_convolution" || name == "aten::convolution";
            const size_t groupsIndex = general ? 8 : (isTransposed(node) ? 6 : 6);
            if (auto groups = toIValue(node->inputs()[groupsIndex]); groups && groups->isInt())
                layer.groups = groups->toInt();
            layer.channels_out = isTransposed(node) ? weight->size(1) * layer.groups : weight->size(0);
            layer.channels_in = isTransposed(node) ? weight->size(0) : weight->size(1) * layer.groups;
            layer.kernel_width = weight->size(weight->dim() - 1);
            layer.kernel_height = weight->dim() > 3 ? weight->size(weight->dim() - 2) : 1;
        } else if (node->kind() == aten::linear) {
            auto weight = constantTensor(node, 1);
            if (!weight || weight->dim() != 2) return;
            layer.kind = AMP_TORCH_LAYER_LINEAR;
            layer.channels_out = weight->size(0);
            layer.channels_in = weight->size(1);
        } else if (node->kind() == aten::addmm || node->kind() == aten::matmul || node->kind() == aten::mm) {
            auto weight = constantTensor(node, node->kind() == aten::addmm ? 2 : 1);
            if (!weight || weight->dim() != 2) return;
            layer.kind = AMP_TORCH_LAYER_LINEAR;
            layer.channels_in = weight->size(0);
            layer.channels_out = weight->size(1);
        }
    }

    // -- Cuts

    /// Nodes that give ints, lists of them, or views, from ints and tensor shapes, at next to no cost.
    bool isCheap(Node *node) const {
        static const OperatorNames names(
            "aten::size aten::len aten::dim aten::numel prim::dtype prim::device aten::Int "
            "aten::Float aten::Bool aten::IntImplicit aten::FloatImplicit aten::ScalarImplicit "
            "aten::item prim::NumToTensor prim::ListConstruct prim::TupleConstruct prim::TupleUnpack "
            "prim::TupleIndex prim::ListUnpack aten::__getitem__ aten::slice aten::add aten::sub "
            "aten::mul aten::div aten::floordiv aten::floor_divide aten::remainder aten::neg "
            "aten::floor aten::ceil aten::sqrt aten::pow prim::min prim::max aten::eq aten::ne "
            "aten::lt aten::le aten::gt aten::ge aten::__and__ aten::__or__ aten::__not__ "
            "aten::__is__ aten::__isnot__ prim::Uninitialized aten::chunk aten::split "
            "aten::split_with_sizes aten::unbind aten::tensor_split prim::is_cuda");
        if (!names.contain(node) || !node->blocks().empty()) return false;
        return !node->hasSideEffects() && !node->isNondeterministic();
    }

    static bool isTensor(const Value *value) { return value->type()->isSubtypeOf(*c10::TensorType::get()); }

    /// A scalar in a tensor's clothes, as traced size arithmetic makes them.
    bool isScalarTensor(Value *value) const {
        if (!isTensor(value) || aliases->hasWriters(value)) return false;
        Node *node = value->node();
        if (node->kind() == prim::NumToTensor) return true;
        if (node->kind() == prim::Param || node->kind() == prim::Constant || !isCheap(node)) return false;
        static const OperatorNames arithmetic(
            "aten::add aten::sub aten::mul aten::div aten::floor_divide aten::remainder aten::neg "
            "aten::floor");
        if (!arithmetic.contain(node)) return false;
        bool derived = false;
        for (Value *input : node->inputs()) {
            if (!isTensor(input)) continue;
            if (isConstant(input)) {
                auto constant = toIValue(input);
                if (!constant || !constant->isTensor() || constant->toTensor().dim() != 0) return false;
            } else if (isScalarTensor(input)) {
                derived = true;
            } else {
                return false;
            }
        }
        return derived;
    }

    /// May `value` be computed again behind a cut from the same inputs with the same result?
    bool isRepeatable(Value *value) const {
        Node *node = value->node();
        if (node->kind() == prim::Param || !isCheap(node)) return false;
        if (isTensor(value) && !isScalarTensor(value)) {
            // An element of a list of views: as a tensor of its own it travels better.
            return false;
        }
        if (!isTensor(value) && !value->type()->cast<c10::TupleType>() && aliases->hasWriters(value)) {
            return false;
        }
        static const OperatorNames readContent(
            "aten::Int aten::Float aten::Bool aten::IntImplicit aten::FloatImplicit aten::item "
            "aten::ScalarImplicit");
        const bool readsContent = readContent.contain(node);
        for (Value *input : node->inputs()) {
            if (isConstant(input)) continue;
            if (isTensor(input)) {
                const bool isElement = node->kind() == prim::ListConstruct || node->kind() == prim::TupleConstruct;
                if (!isElement && !shapesAreStable) return false;
                if (readsContent && aliases->hasWriters(input)) return false;
            } else if (aliases->hasWriters(input)) {
                return false;
            }
        }
        return true;
    }

    /// Decides how every value that is live at one cut gets to the far side.
    struct CutBuilder {
        amp_torch_model &model;
        const int cut;
        CutPlan plan;
        std::unordered_set<Value *> travelling;
        std::unordered_set<Node *> repeated;

        CutBuilder(amp_torch_model &model, int cut) : model(model), cut(cut) {}

        void travel(Value *value, Crossing::Form form) {
            if (!travelling.insert(value).second) return;
            plan.crossings.push_back({value, form});
            // Partitions before this one must hand it on.
            int &last = model.lastUse.at(value);
            last = std::max(last, cut);
        }

        void repeat(Node *node) {
            if (repeated.insert(node).second) plan.recomputed.push_back(node);
        }

        bool isThere(Value *value) const {
            return isConstant(value) || travelling.count(value) != 0 ||
                   (value->node()->kind() != prim::Param && repeated.count(value->node()) != 0);
        }

        /// Can it be had from what travels anyhow?
        bool isFree(Value *value) const {
            if (isThere(value)) return true;
            if (!model.isRepeatable(value)) return false;
            const auto inputs = value->node()->inputs();
            return std::all_of(inputs.begin(), inputs.end(), [this](Value *input) { return isFree(input); });
        }

        void takeFree(Value *value) {
            if (isThere(value)) return;
            for (Value *input : value->node()->inputs()) takeFree(input);
            repeat(value->node());
        }

        static std::optional<Crossing::Form> scalarForm(const Value *value) {
            if (value->type()->kind() == c10::TypeKind::IntType) return Crossing::Form::integer;
            if (value->type()->kind() == c10::TypeKind::BoolType) return Crossing::Form::boolean;
            return std::nullopt;
        }

        /// The first value up a chain of single-input conversions that can travel as a scalar: others share it.
        Value *scalarRoot(Value *value) const {
            Value *best = scalarForm(value) ? value : nullptr;
            Value *current = value;
            while (model.isRepeatable(current)) {
                Value *source = nullptr;
                for (Value *input : current->node()->inputs()) {
                    if (isConstant(input)) continue;
                    if (source != nullptr) return best;
                    source = input;
                }
                if (source == nullptr || (model.isTensor(source) && !model.isScalarTensor(source))) return best;
                if (scalarForm(source)) best = source;
                current = source;
            }
            return best;
        }

        bool obtain(Value *value) {
            if (isFree(value)) {
                takeFree(value);
                return true;
            }
            if (Value *root = scalarRoot(value)) {
                travel(root, *scalarForm(root));
                takeFree(value);
                return true;
            }
            if (model.isTensor(value) && !model.isScalarTensor(value)) {
                travel(value, Crossing::Form::tensor);
                return true;
            }
            if (!model.isRepeatable(value)) return false;
            for (Value *input : value->node()->inputs()) {
                if (!obtain(input)) return false;
            }
            repeat(value->node());
            return true;
        }

        CutPlan build(const std::vector<Value *> &live) {
            for (Value *value : live) {
                if (model.isTensor(value) && !model.isScalarTensor(value)) travel(value, Crossing::Form::tensor);
            }
            for (Value *value : live) {
                if (obtain(value)) continue;
                plan.reason = "a value of type " + value->type()->annotation_str() + " made by " +
                              operatorName(value->node()) + " is needed on both sides";
                break;
            }
            std::sort(plan.crossings.begin(), plan.crossings.end(),
                      [this](const Crossing &a, const Crossing &b) { return model.before(a.value, b.value); });
            std::sort(plan.recomputed.begin(), plan.recomputed.end(),
                      [this](Node *a, Node *b) { return model.positions.at(a) < model.positions.at(b); });
            if (plan.reason.empty()) plan.reason = model.mutationAcross(plan, cut);
            return std::move(plan);
        }
    };

    /// Two tensors that share memory no longer do on the far side: a write there to one would miss the other.
    std::string mutationAcross(const CutPlan &plan, int cut) const {
        for (size_t i = 0; i < plan.crossings.size(); i++) {
            for (size_t j = i + 1; j < plan.crossings.size(); j++) {
                Value *a = plan.crossings[i].value;
                Value *b = plan.crossings[j].value;
                if (!isTensor(a) || !isTensor(b) || !aliases->mayAlias(a, b)) continue;
                for (Node *writer : writers) {
                    if (positions.at(writer) < cut || !aliases->writesToAlias(writer, ValueSet{a, b})) continue;
                    return "two tensors that share memory are needed on the far side, and " + operatorName(writer) +
                           " writes to it there";
                }
            }
        }
        std::string reason;
        for (int i = cut; i < layerCount() && reason.empty(); i++) {
            const auto look = [&](Node *node) {
                if (seesMemoryLayout(node))
                    reason = operatorName(node) + " behind it depends on how tensors lie in memory";
            };
            look(nodes[i]);
            for (Block *block : nodes[i]->blocks()) forEachNode(block, look);
        }
        return reason;
    }

    void planCuts() {
        cuts.resize(layerCount() + 1);
        for (Value *output : graph->outputs()) cuts.back().crossings.push_back({output, Crossing::Form::tensor});
        for (Value *input : graph->inputs()) cuts.front().crossings.push_back({input, Crossing::Form::tensor});
        std::vector<Value *> ordered(graph->inputs().begin(), graph->inputs().end());
        for (Node *node : nodes) ordered.insert(ordered.end(), node->outputs().begin(), node->outputs().end());
        // From the back: what a later cut asks for stays live at the earlier ones.
        for (int cut = layerCount() - 1; cut > 0; cut--) {
            std::vector<Value *> live;
            for (Value *value : ordered) {
                if (definition(value) < cut && lastUse.at(value) >= cut) live.push_back(value);
            }
            cuts[cut] = CutBuilder(*this, cut).build(live);
        }
        markFusions();
    }

    /// A convolution (or linear layer), its batch-norm and its activation run as one in an optimised partition.
    void markFusions() {
        static const OperatorNames activations(
            "aten::relu aten::relu_ aten::relu6 aten::relu6_ aten::hardtanh aten::hardtanh_ aten::hardswish "
            "aten::hardswish_ "
            "aten::silu aten::silu_ aten::sigmoid aten::sigmoid_ aten::tanh aten::tanh_ aten::gelu aten::leaky_relu "
            "aten::leaky_relu_ aten::elu aten::elu_ aten::clamp aten::clamp_ aten::hardsigmoid aten::hardsigmoid_");
        std::unordered_set<const Node *> fused;
        for (Node *node : nodes) {
            const bool startsFusion = isConvolution(node) || node->kind() == aten::linear;
            if (startsFusion) fused.insert(node);
            if (node->kind() != aten::batch_norm && !activations.contain(node)) continue;
            const Node *source = node->inputs()[0]->node();
            if (fused.count(source) == 0) continue;
            fused.insert(node);
            for (int cut = positions.at(source) + 1; cut <= positions.at(node); cut++) cuts[cut].splitsFusion = true;
        }
    }

    // -- Extraction

    std::string extract(int first, int end, bool keepsLayout) const {
        for (int cut : {first, end}) {
            const CutPlan &plan = cuts[cut];
            const std::string &reason = plan.reason.empty() ? plan.observedReason : plan.reason;
            if (!reason.empty()) {
                fail(AMP_TORCH_UNSUPPORTED,
                     "the model cannot be cut before layer " + std::to_string(cut) + ": " + reason);
            }
        }
        Module module("__torch__.Partition");
        auto part = std::make_shared<Graph>();
        part->addInput("self")->setType(module.type());
        std::unordered_map<Value *, Value *> mapped;
        const std::function<Value *(Value *)> lookup = [&](Value *value) -> Value * {
            const auto found = mapped.find(value);
            if (found != mapped.end()) return found->second;
            if (!isConstant(value)) fail(AMP_TORCH_INTERNAL, "%" + value->debugName() + " is missing behind the cut");
            Node *copy = part->insertNode(part->createClone(value->node(), lookup));
            return mapped[value] = copy->output();
        };
        const auto clone = [&](Node *node) {
            // Constants first: a clone's inputs must stand before it.
            const std::function<void(Node *)> constantsOf = [&](Node *inner) {
                for (Value *input : inner->inputs()) {
                    if (isConstant(input) && input->node()->owningBlock() == graph->block()) lookup(input);
                }
                for (Block *block : inner->blocks()) {
                    for (Node *nested : block->nodes()) constantsOf(nested);
                    constantsOf(block->return_node());
                }
            };
            constantsOf(node);
            Node *copy = part->insertNode(part->createClone(node, lookup));
            for (size_t i = 0; i < node->outputs().size(); i++) mapped[node->outputs()[i]] = copy->outputs()[i];
        };
        for (const Crossing &crossing : cuts[first].crossings) {
            Value *input = part->addInput();
            input->setType(c10::TensorType::get());
            mapped[crossing.value] = unpack(*part, input, crossing, first, keepsLayout);
        }
        for (Node *node : cuts[first].recomputed) clone(node);
        for (int i = first; i < end; i++) clone(nodes[i]);
        std::vector<Value *> outputs;
        for (const Crossing &crossing : cuts[end].crossings) {
            outputs.push_back(pack(*part, lookup(crossing.value), crossing, end));
        }
        if (outputs.size() == 1) {
            part->registerOutput(outputs[0]);
        } else {
            part->registerOutput(part->insertNode(part->createTuple(outputs))->output());
        }
        // Source positions say where the exporter's files were: neither needed nor the same everywhere.
        const auto nowhere = torch::jit::SourceRange(std::make_shared<torch::jit::Source>(""), 0, 0);
        forEachNode(part->block(), [&](Node *node) { node->setSourceRange(nowhere); });
        torch::jit::EliminateDeadCode(part);
        part->lint();

        auto name = c10::QualifiedName(*module.type()->name(), "forward");
        module.type()->addMethod(module._ivalue()->compilation_unit()->create_function(name, part));
        std::string archive;
        torch::jit::ExportModule(module, [&](const void *bytes, size_t count) {
            archive.append(static_cast<const char *>(bytes), count);
            return count;
        });
        return archive;
    }

    /// How a crossing tensor lies in memory: it is turned so that it travels dense. The ends of the model stay as they
    /// are.
    Layout layout(const Crossing &crossing, int cut) const {
        if (crossing.form != Crossing::Form::tensor || cut == 0 || cut == layerCount()) return {};
        const auto found = observations.find(crossing.value);
        return found == observations.end() ? Layout{} : found->second.layout;
    }

    Value *pack(Graph &part, Value *value, const Crossing &crossing, int cut) const {
        if (crossing.form != Crossing::Form::tensor) return part.insert(prim::NumToTensor, {value});
        const auto order = layout(crossing, cut).order;
        return order.empty() ? value : part.insert(aten::permute, {value, order});
    }

    /// - keepsLayout: whether the tensor gets the gaps back that it has in the whole model, so that the same kernels
    /// run.
    Value *unpack(Graph &part, Value *value, const Crossing &crossing, int cut, bool keepsLayout) const {
        if (crossing.form == Crossing::Form::integer) return part.insert(aten::Int, {value});
        if (crossing.form == Crossing::Form::boolean) return part.insert(aten::Bool, {value});
        const Layout found = layout(crossing, cut);
        if (keepsLayout && found.hasGaps()) {
            // Innermost first, as the operator wants it. Extents of other batches differ, and what stands here does not
            // name them.
            std::vector<int64_t> padding;
            const auto rank = static_cast<int64_t>(found.before.size());
            if (found.step > 1) {
                value = part.insert(aten::unsqueeze, {value, rank});
                padding = {found.skipped, found.step - 1 - found.skipped};
            }
            for (size_t i = found.before.size(); i-- > 0;) {
                padding.push_back(found.before[i]);
                padding.push_back(found.behind[i]);
            }
            value = part.insert(aten::constant_pad_nd, {value, padding, 0});
            for (size_t i = 0; i < found.before.size(); i++) {
                if (found.before[i] == 0 && found.behind[i] == 0) continue;
                const int64_t end = found.behind[i] == 0 ? std::numeric_limits<int64_t>::max() : -found.behind[i];
                value = part.insert(aten::slice, {value, static_cast<int64_t>(i), found.before[i], end, 1});
            }
            if (found.step > 1) value = part.insert(aten::select, {value, rank, found.skipped});
        }
        return found.order.empty() ? value : part.insert(aten::permute, {value, inverse(found.order)});
    }

    // -- Observing

    void profile(const std::vector<at::Tensor> &inputs, size_t repetitions, double *milliseconds) {
        for (size_t pass = 0; pass <= repetitions; pass++) {
            Environment environment;
            if (pass == 0) {
                for (size_t i = 0; i < inputs.size() && i < graph->inputs().size(); i++) {
                    observations[graph->inputs()[i]] = {describe(inputs[i]), {}};
                }
            }
            run(inputs, layerCount(), environment, [&](int layer, double elapsed) {
                if (pass > 0) {
                    milliseconds[(pass - 1) * nodes.size() + layer] = elapsed;
                } else {
                    observe(layer, environment);
                }
            });
        }
        settleCuts();
    }

    void observe(int layer, const Environment &environment) {
        int64_t elements = 0, bytes = 0;
        for (Value *output : nodes[layer]->outputs()) {
            const IValue &value = environment.at(output);
            forEachTensor(value, [&](const at::Tensor &tensor) {
                elements += tensor.numel();
                bytes += static_cast<int64_t>(tensor.nbytes());
            });
            if (value.isTensor()) {
                const at::Tensor &tensor = value.toTensor();
                Observation seen{describe(tensor), {}};
                if (seen.shape.dtype != 0) seen.layout = layoutOf(tensor);
                if (!seen.layout.order.empty()) seen.shape = describe(tensor.permute(seen.layout.order));
                observations[output] = std::move(seen);
            }
        }
        layers[layer].output_elements = elements;
        layers[layer].output_bytes = bytes;
        layers[layer].macs = countMacs(nodes[layer]);
    }

    int64_t elements(const Value *value) const {
        const auto found = observations.find(value);
        if (found == observations.end()) return 0;
        const amp_torch_shape &shape = found->second.shape;
        return std::accumulate(shape.extents, shape.extents + shape.rank, int64_t{1}, std::multiplies<>());
    }

    /// The extent of `value`'s last dimension as the model sees it.
    int64_t lastExtent(const Value *value) const {
        if (auto constant = toIValue(value); constant && constant->isTensor() && constant->toTensor().dim() > 0) {
            return constant->toTensor().size(-1);
        }
        const auto found = observations.find(value);
        if (found == observations.end() || found->second.shape.rank == 0) return 0;
        const Observation &seen = found->second;
        const size_t last = seen.shape.rank - 1;
        return seen.shape.extents[seen.layout.order.empty() ? last : inverse(seen.layout.order)[last]];
    }

    int64_t countMacs(const Node *node) const {
        const amp_torch_layer &layer = layers[positions.at(node)];
        const int64_t produced = node->outputs().empty() ? 0 : elements(node->output(0));
        if (layer.kind == AMP_TORCH_LAYER_CONVOLUTION) {
            auto weight = constantTensor(node, 1);
            if (isTransposed(node)) return elements(node->inputs()[0]) * (weight->numel() / weight->size(0));
            return produced * (weight->numel() / weight->size(0));
        }
        if (layer.kind == AMP_TORCH_LAYER_LINEAR) return produced * layer.channels_in;
        const std::string name = operatorName(node);
        if (name == "aten::matmul" || name == "aten::bmm" || name == "aten::mm")
            return produced * lastExtent(node->inputs()[0]);
        if (name == "aten::addmm" || name == "aten::baddbmm") return produced * lastExtent(node->inputs()[1]);
        if (name == "aten::scaled_dot_product_attention") {
            // Scores (rows × keys × width), then the weighted sum (rows × keys × width of the values).
            const int64_t width = lastExtent(node->inputs()[0]);
            const int64_t valueWidth = std::max<int64_t>(1, lastExtent(node->inputs()[2]));
            const int64_t rows = produced / valueWidth;
            const int64_t heads = elements(node->inputs()[2]) / valueWidth;
            const auto &query = observations.find(node->inputs()[0]);
            if (query == observations.end() || query->second.shape.rank < 2 || width == 0) return 0;
            const int64_t queries = elements(node->inputs()[0]) / width;
            int64_t length = 1;
            if (query->second.layout.order.empty())
                length = query->second.shape.extents[query->second.shape.rank - 2];
            else
                length = query->second.shape.extents[inverse(query->second.layout.order)[query->second.shape.rank - 2]];
            const int64_t batches = length == 0 ? 0 : queries / length;
            const int64_t keys = batches == 0 ? 0 : heads / batches;
            return rows * keys * (width + valueWidth);
        }
        return 0;
    }

    void settleCuts() {
        for (int cut = 1; cut < layerCount(); cut++) {
            CutPlan &plan = cuts[cut];
            plan.observedReason.clear();
            for (const Crossing &crossing : plan.crossings) {
                if (crossing.form != Crossing::Form::tensor) continue;
                const auto seen = observations.find(crossing.value);
                if (seen != observations.end() && seen->second.shape.dtype != 0) continue;
                plan.observedReason = "a tensor made by " + operatorName(crossing.value->node()) +
                                      " has an element type or a rank that does not travel";
            }
        }
    }

    amp_torch_shape crossingShape(const Crossing &crossing) const {
        amp_torch_shape shape{};
        if (crossing.form == Crossing::Form::integer) {
            shape.dtype = dtypeNumber(at::kLong);
            shape.bytes = 8;
        } else if (crossing.form == Crossing::Form::boolean) {
            shape.dtype = dtypeNumber(at::kBool);
            shape.bytes = 1;
        } else if (const auto seen = observations.find(crossing.value); seen != observations.end()) {
            shape = seen->second.shape;
        }
        return shape;
    }

    void capture(const std::vector<at::Tensor> &inputs, int cut, amp_torch_tensors &into) {
        Environment environment;
        run(inputs, cut, environment, [](int, double) {});
        const c10::InferenceMode inference;
        for (const Crossing &crossing : cuts[cut].crossings) {
            if (isConstant(crossing.value)) {
                into.add(toIValue(crossing.value)->toTensor());
                continue;
            }
            const IValue &value = environment.at(crossing.value);
            if (crossing.form == Crossing::Form::integer) {
                into.add(at::scalar_tensor(value.toInt(), at::kLong));
            } else if (crossing.form == Crossing::Form::boolean) {
                into.add(at::scalar_tensor(value.toBool(), at::kBool));
            } else {
                const auto order = layout(crossing, cut).order;
                into.add(order.empty() ? value.toTensor() : value.toTensor().permute(order));
            }
        }
    }
};

// ---- What follows a convolution ----

namespace {

// Whether oneDNN does all of an operator as libtorch does. ConvertFrozenOpsToMKLDNN gives it what follows a convolution
// by the operator's name alone; where oneDNN lacks what the arguments ask for, the pass throws, or the partition at its
// first run, or its results are wrong without a word (average pools that count a border that is not there; the sum of a
// value with a multiple of itself).
bool isWholeInOneDNN(const Node *node) {
    const auto constant = [&](const char *name) { return toIValue(node->namedInput(name)); };
    const auto isNone = [&](const char *name) {
        const auto value = constant(name);
        return value && value->isNone();
    };
    const auto isFalse = [&](const char *name) {
        const auto value = constant(name);
        return value && value->isBool() && !value->toBool();
    };
    const auto isDouble = [&](const char *name) {
        const auto value = constant(name);
        return value && value->isDouble();
    };
    const auto isOnes = [&](const char *name) {
        const auto value = constant(name);
        if (value && value->isInt()) return value->toInt() == 1;
        if (!value || !value->isIntList()) return false;
        const auto numbers = value->toIntVector();
        return std::all_of(numbers.begin(), numbers.end(), [](int64_t number) { return number == 1; });
    };
    switch (node->kind()) {
        // Only extents that the result's divide.
        case aten::adaptive_avg_pool2d:
            return isOnes("output_size");
        case aten::max_pool2d:
        case aten::max_pool3d:
            return isOnes("dilation");
        case aten::avg_pool2d:
        case aten::avg_pool3d:
            return isNone("divisor_override") && isFalse("ceil_mode");
        case aten::gelu: {
            const auto value = constant("approximate");
            return value && value->isString() && value->toStringRef() == "none";
        }
        case aten::batch_norm:
            return !isNone("weight") && !isNone("bias") && !isNone("running_mean") && !isNone("running_var");
        case aten::add: {
            const auto value = constant("alpha");
            return value && value->isScalar() && value->toScalar().equal(1);
        }
        case aten::hardtanh:
            return isDouble("min_val") && isDouble("max_val");
        case aten::clamp:
            return isDouble("min") && isDouble("max");
        default:
            return true;
    }
}

// A detach before an operator is what the pass does not look through; without gradients it does nothing.
void keepFromOneDNN(Graph &graph) {
    std::vector<Node *> kept;
    forEachNode(graph.block(), [&](Node *node) {
        if (node->maybeSchema() && !isWholeInOneDNN(node)) kept.push_back(node);
    });
    for (Node *node : kept) {
        for (size_t index = 0; index < node->inputs().size(); index++) {
            if (!node->input(index)->type()->cast<c10::TensorType>() || isConstant(node->input(index))) continue;
            Node *detach = graph.create(aten::detach, {node->input(index)})->insertBefore(node);
            node->replaceInput(index, detach->output());
        }
    }
}

void removeDetaches(Graph &graph) {
    std::vector<Node *> found;
    forEachNode(graph.block(), [&](Node *node) {
        if (node->kind() == aten::detach) found.push_back(node);
    });
    for (Node *node : found) {
        node->output()->replaceAllUsesWith(node->input());
        node->destroy();
    }
}

// Convolutions and what follows them by oneDNN, in its own layouts; as it was where the pass cannot do it.
std::shared_ptr<Graph> convertedToOneDNN(const std::shared_ptr<Graph> &graph) {
    auto converted = graph->copy();
    keepFromOneDNN(*converted);
    try {
        torch::jit::ConvertFrozenOpsToMKLDNN(converted);
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception &) {
        return graph;
    }
    removeDetaches(*converted);
    return converted;
}

}  // namespace

// ---- Partitions ----

struct amp_torch_partition {
    std::shared_ptr<torch::jit::CompilationUnit> classes;
    std::shared_ptr<Graph> graph;
    Code code;
    int64_t weightBytes = 0;
    std::vector<bool> inputIsWritten;
    std::vector<std::pair<std::string, size_t>> operators;
    std::vector<std::string> nodeNames;

    explicit amp_torch_partition(const Module &module, bool optimized) {
        const at::NoGradGuard noGradients;
        graph = forwardGraph(module);
        classes = classesOf(module, graph->block());
        WeightCount weights;
        weights.addConstants(graph->block());
        weightBytes = weights.bytes;
        if (optimized) {
            torch::jit::OptimizeFrozenGraph(graph);
            graph = convertedToOneDNN(graph);
            torch::jit::FrozenLinearTranspose(graph);
            torch::jit::EliminateDeadCode(graph);
        }
        forgetCallers(graph->block());
        AliasDb aliases(graph);
        for (Value *input : graph->inputs()) {
            inputIsWritten.push_back(aliases.hasWriters(input));
        }
        std::map<std::string, size_t> counts;
        const std::function<void(Block *)> count = [&](Block *block) {
            forEachNode(block, [&](Node *node) {
                counts[operatorName(node)]++;
                if (node->hasAttribute(attr::Subgraph)) count(node->g(attr::Subgraph)->block());
            });
        };
        count(graph->block());
        operators.assign(counts.begin(), counts.end());
        for (Node *node : graph->nodes()) {
            if (node->kind() != prim::Constant) nodeNames.push_back(operatorName(node));
        }
        code = Code(graph, "amp4ec_partition");
    }

    /// Times every top-level node of what runs.
    void profile(const std::vector<at::Tensor> &inputs, size_t repetitions, double *milliseconds) const {
        LayeredGraph layered;
        layered.graph = graph;
        layered.findLayers();
        for (size_t pass = 0; pass <= repetitions; pass++) {
            LayeredGraph::Environment environment;
            layered.run(inputs, layered.layerCount(), environment, [&](int layer, double elapsed) {
                if (pass > 0) milliseconds[(pass - 1) * layered.nodes.size() + layer] = elapsed;
            });
        }
    }

    void run(std::vector<at::Tensor> inputs, amp_torch_tensors &outputs) const {
        if (inputs.size() != inputIsWritten.size()) {
            fail(AMP_TORCH_INPUT_REJECTED, "the partition takes " + std::to_string(inputIsWritten.size()) +
                                               " inputs, but " + std::to_string(inputs.size()) + " were given");
        }
        prepareThread();
        const c10::InferenceMode inference;
        Stack stack;
        stack.reserve(inputs.size());
        for (size_t i = 0; i < inputs.size(); i++) {
            stack.emplace_back(inputIsWritten[i] ? inputs[i].clone() : std::move(inputs[i]));
        }
        inputs.clear();
        InterpreterState(code).run(stack);
        std::vector<at::Tensor> flat;
        for (const IValue &value : stack) flatten(value, flat);
        for (const at::Tensor &tensor : flat) outputs.add(tensor);
    }
};

// ---- Entry points ----

void amp_torch_error_release(char *error) { free(error); }

const char *amp_torch_runtime_version(void) {
    return C10_STRINGIZE(TORCH_VERSION_MAJOR) "." C10_STRINGIZE(TORCH_VERSION_MINOR) "." C10_STRINGIZE(
        TORCH_VERSION_PATCH);
}

const char *amp_torch_runtime_instruction_set(void) {
    static const std::string name = at::get_cpu_capability();
    return name.c_str();
}

uint64_t amp_torch_runtime_archive_format(void) { return caffe2::serialize::kMaxSupportedFileFormatVersion; }

amp_torch_code amp_torch_runtime_configure(int32_t threads, char **error) {
    return guarded(error, AMP_TORCH_INTERNAL, [&] {
        at::set_num_threads(threads);
        // May be set once, before the first use; later calls keep what is there.
        static const bool once = [] {
            at::set_num_interop_threads(1);
            return true;
        }();
        (void)once;
        at::globalContext().setFlushDenormal(false);
    });
}

void amp_torch_runtime_tune_allocator(void) {
    constexpr int keepBytes = 1 << 30;
    // Some versions of glibc refuse thresholds over half an arena's heap.
    constexpr int smallestRefusedBytes = 32 << 20;
    if (mallopt(M_MMAP_THRESHOLD, keepBytes) == 0) mallopt(M_MMAP_THRESHOLD, smallestRefusedBytes);
    mallopt(M_TRIM_THRESHOLD, keepBytes);
    mallopt(M_TOP_PAD, 16 << 20);
    // Other arenas live in heaps of 64 MiB that are unmapped whenever they run empty, whatever the thresholds say.
    mallopt(M_ARENA_MAX, 1);
}

void amp_torch_runtime_trim(void) { malloc_trim(0); }

const void *amp_torch_tensor_data(const amp_torch_tensor *tensor) { return tensor->value.const_data_ptr(); }
amp_torch_shape amp_torch_tensor_shape(const amp_torch_tensor *tensor) { return describe(tensor->value); }
void amp_torch_tensor_release(amp_torch_tensor *tensor) { delete tensor; }

size_t amp_torch_tensors_count(const amp_torch_tensors *tensors) { return tensors->values.size(); }
amp_torch_tensor *amp_torch_tensors_take(amp_torch_tensors *tensors, size_t index) {
    return tensors->values[index].release();
}
void amp_torch_tensors_release(amp_torch_tensors *tensors) { delete tensors; }

const void *amp_torch_bytes_data(const amp_torch_bytes *bytes) { return bytes->value.data(); }
size_t amp_torch_bytes_count(const amp_torch_bytes *bytes) { return bytes->value.size(); }
void amp_torch_bytes_release(amp_torch_bytes *bytes) { delete bytes; }

amp_torch_code amp_torch_model_open(const void *data, size_t count, const char *const *extra_names, size_t extra_count,
                                    amp_torch_model **model, char **error) {
    return guarded(error, AMP_TORCH_BAD_ARCHIVE, [&] {
        torch::jit::ExtraFilesMap extras;
        for (size_t i = 0; i < extra_count; i++) extras[extra_names[i]] = "";
        Module module = loadModule(data, count, extras);
        const at::NoGradGuard noGradients;
        // No numerical optimisation: partitions at O0 compute what the file says.
        const c10::FunctionSchema schema = module.get_method("forward").function().getSchema();
        const Module frozen = torch::jit::freeze_module(module);
        auto opened = std::make_unique<amp_torch_model>();
        for (size_t i = 0; i < extra_count; i++) {
            std::string &content = extras.at(extra_names[i]);
            opened->extras.push_back(content.empty() ? std::nullopt : std::make_optional(std::move(content)));
        }
        opened->graph = forwardGraph(frozen);
        opened->classes = classesOf(frozen, opened->graph->block());
        opened->settleInputs(schema);
        opened->flattenOutputs();
        opened->findLayers();
        opened->findMutations();
        opened->describeLayers();
        opened->planCuts();
        forgetCallers(opened->graph->block());
        *model = opened.release();
    });
}

void amp_torch_model_release(amp_torch_model *model) { delete model; }

const char *amp_torch_model_extra(const amp_torch_model *model, size_t index, size_t *count) {
    const auto &extra = model->extras.at(index);
    *count = extra ? extra->size() : 0;
    return extra ? extra->data() : nullptr;
}

size_t amp_torch_model_input_count(const amp_torch_model *model) { return model->inputNames.size(); }
const char *amp_torch_model_input_name(const amp_torch_model *model, size_t index) {
    return model->inputNames[index].c_str();
}
size_t amp_torch_model_output_count(const amp_torch_model *model) { return model->cuts.back().crossings.size(); }
const char *amp_torch_model_output_path(const amp_torch_model *model, size_t index) {
    return model->outputPaths[index].c_str();
}
size_t amp_torch_model_omitted_count(const amp_torch_model *model) { return model->omittedOutputs.size(); }
const char *amp_torch_model_omitted(const amp_torch_model *model, size_t index) {
    return model->omittedOutputs[index].c_str();
}
size_t amp_torch_model_layer_count(const amp_torch_model *model) { return model->nodes.size(); }
int64_t amp_torch_model_weight_bytes(const amp_torch_model *model) { return model->weightBytes; }

amp_torch_layer amp_torch_model_layer(const amp_torch_model *model, size_t index) {
    amp_torch_layer layer = model->layers[index];
    layer.operator_name = model->layerOperators[index].c_str();
    layer.scope = model->layerScopes[index].c_str();
    return layer;
}

amp_torch_code amp_torch_model_profile(amp_torch_model *model, amp_torch_input *inputs, size_t input_count,
                                       size_t repetitions, double *milliseconds, char **error) {
    return guarded(error, AMP_TORCH_INPUT_REJECTED,
                   [&] { model->profile(wrap(inputs, input_count), repetitions, milliseconds); });
}

amp_torch_cut amp_torch_model_cut(const amp_torch_model *model, size_t index) {
    const CutPlan &plan = model->cuts[index];
    const std::string &reason = plan.reason.empty() ? plan.observedReason : plan.reason;
    return {reason.empty(), plan.splitsFusion, reason.c_str(), plan.crossings.size()};
}

amp_torch_shape amp_torch_model_cut_tensor(const amp_torch_model *model, size_t index, size_t tensor) {
    return model->crossingShape(model->cuts[index].crossings[tensor]);
}

amp_torch_code amp_torch_model_capture(amp_torch_model *model, amp_torch_input *inputs, size_t input_count,
                                       size_t index, amp_torch_tensors **tensors, char **error) {
    return guarded(error, AMP_TORCH_INPUT_REJECTED, [&] {
        auto captured = std::make_unique<amp_torch_tensors>();
        model->capture(wrap(inputs, input_count), static_cast<int>(index), *captured);
        *tensors = captured.release();
    });
}

namespace {
char *textOf(const std::string &reason) { return reason.empty() ? nullptr : strdup(reason.c_str()); }
}  // namespace

amp_torch_code amp_torch_model_content_dependence(amp_torch_model *model, const bool *batched, size_t count,
                                                  char **reason, char **error) {
    return guarded(error, AMP_TORCH_INTERNAL, [&] {
        BatchAnalysis analysis(*model, std::vector<bool>(batched, batched + count));
        *reason = textOf(analysis.contentDependence(false));
    });
}

amp_torch_code amp_torch_model_batch_mixing(amp_torch_model *model, const bool *batched, amp_torch_input *small,
                                            amp_torch_input *large, size_t count, char **reason, char **error) {
    return guarded(error, AMP_TORCH_INPUT_REJECTED, [&] {
        const auto smallInputs = wrap(small, count);
        const auto largeInputs = wrap(large, count);
        BatchAnalysis analysis(*model, std::vector<bool>(batched, batched + count));
        *reason = textOf(analysis.mixing(smallInputs, largeInputs));
    });
}

amp_torch_code amp_torch_model_extract(amp_torch_model *model, size_t first, size_t end, bool keeps_layout,
                                       amp_torch_bytes **archive, char **error) {
    return guarded(error, AMP_TORCH_INTERNAL, [&] {
        *archive = new amp_torch_bytes{model->extract(static_cast<int>(first), static_cast<int>(end), keeps_layout)};
    });
}

amp_torch_code amp_torch_partition_load(const void *data, size_t count, bool optimized, amp_torch_partition **partition,
                                        char **error) {
    return guarded(error, AMP_TORCH_BAD_ARCHIVE, [&] {
        torch::jit::ExtraFilesMap extras;
        Module module = loadModule(data, count, extras);
        const at::NoGradGuard noGradients;
        *partition = new amp_torch_partition(torch::jit::freeze_module(module), optimized);
    });
}

void amp_torch_partition_release(amp_torch_partition *partition) { delete partition; }
int64_t amp_torch_partition_weight_bytes(const amp_torch_partition *partition) { return partition->weightBytes; }
size_t amp_torch_partition_operator_kinds(const amp_torch_partition *partition) { return partition->operators.size(); }
const char *amp_torch_partition_operator(const amp_torch_partition *partition, size_t index, size_t *count) {
    *count = partition->operators[index].second;
    return partition->operators[index].first.c_str();
}

size_t amp_torch_partition_node_count(const amp_torch_partition *partition) { return partition->nodeNames.size(); }
const char *amp_torch_partition_node(const amp_torch_partition *partition, size_t index) {
    return partition->nodeNames[index].c_str();
}

amp_torch_code amp_torch_partition_profile(const amp_torch_partition *partition, amp_torch_input *inputs,
                                           size_t input_count, size_t repetitions, double *milliseconds, char **error) {
    return guarded(error, AMP_TORCH_INPUT_REJECTED,
                   [&] { partition->profile(wrap(inputs, input_count), repetitions, milliseconds); });
}

amp_torch_code amp_torch_partition_run(const amp_torch_partition *partition, amp_torch_input *inputs,
                                       size_t input_count, amp_torch_tensors **outputs, char **error) {
    return guarded(error, AMP_TORCH_INPUT_REJECTED, [&] {
        auto produced = std::make_unique<amp_torch_tensors>();
        partition->run(wrap(inputs, input_count), *produced);
        *outputs = produced.release();
    });
}
