// What single operators do with the content and the shapes of their inputs: the tables of BatchAnalysis.h.
#pragma once

namespace {

/// Operators that look at shapes, types and places of their inputs, never at what stands in them.
bool readsShapesOnly(const Node *node) {
    static const OperatorNames names(
        "aten::size aten::sym_size aten::sym_numel aten::len aten::dim aten::ndimension aten::numel aten::stride "
        "aten::storage_offset aten::is_contiguous aten::is_floating_point aten::is_complex aten::is_signed "
        "aten::is_same_size aten::get_device aten::element_size aten::result_type aten::can_cast aten::promote_types "
        "aten::_shape_as_tensor aten::zeros_like aten::ones_like aten::empty_like aten::new_zeros aten::new_ones "
        "aten::new_empty aten::full_like aten::new_full aten::__is__ aten::__isnot__ prim::dtype prim::device "
        "prim::layout prim::requires_grad prim::is_cuda prim::is_cpu prim::is_quantized prim::is_sparse prim::is_meta "
        "prim::is_mkldnn prim::shape prim::type prim::isinstance prim::itemsize");
    return names.contain(node);
}

/// Inputs of which an operator takes the shape or the type alone.
bool readsShapeOf(const Node *node, size_t index) {
    static const OperatorNames likeTheSecond(
        "aten::type_as aten::view_as aten::reshape_as aten::expand_as aten::resize_as_ aten::to");
    return index > 0 && likeTheSecond.contain(node);
}

/// Operators that hand values on inside tuples, lists and dictionaries.
bool isStructural(const Node *node) {
    static const OperatorNames names(
        "prim::TupleConstruct prim::TupleUnpack prim::TupleIndex prim::TupleSlice prim::ListConstruct prim::ListUnpack "
        "prim::DictConstruct prim::unchecked_cast prim::unchecked_unwrap_optional aten::_unwrap_optional "
        "aten::__getitem__ aten::_set_item aten::append aten::list aten::values aten::items aten::extend aten::insert "
        "aten::pop aten::copy aten::reverse");
    return names.contain(node);
}

/// Operators whose outputs' sizes come from what stands in their inputs.
bool makesSizesOfContent(const Node *node) {
    static const OperatorNames names(
        "aten::nonzero aten::nonzero_numpy aten::argwhere aten::masked_select aten::_unique aten::_unique2 "
        "aten::unique_dim aten::unique_consecutive aten::unique_dim_consecutive aten::bincount "
        "aten::_pack_padded_sequence aten::_pad_packed_sequence aten::to_sparse aten::_coalesce aten::histogramdd "
        "aten::_nested_tensor_from_mask aten::_nested_tensor_from_mask_left_aligned torchvision::nms "
        // Takes its source's elements in turn, wherever the mask of the whole batch has a place.
        "aten::masked_scatter aten::masked_scatter_");
    return names.contain(node);
}

/// The constant behind the argument called `name`; nothing where there is no such argument or it is computed.
std::optional<IValue> constantArgument(const Node *node, const char *name) {
    const auto *schema = node->maybeSchema();
    if (schema == nullptr) return std::nullopt;
    const auto index = schema->argumentIndexWithName(name);
    if (!index || static_cast<size_t>(*index) >= node->inputs().size()) return std::nullopt;
    return toIValue(node->inputs()[*index]);
}

bool hasArgument(const Node *node, const char *name) {
    const auto *schema = node->maybeSchema();
    return schema != nullptr && schema->argumentIndexWithName(name).has_value();
}

/// Operators that can make one value of many, the batch's items among them.
bool mayReduceTheBatch(const Node *node) {
    static const OperatorNames names(
        "aten::mean aten::sum aten::nansum aten::nanmean aten::prod aten::max aten::min aten::amax aten::amin "
        "aten::aminmax "
        "aten::argmax aten::argmin aten::std aten::var aten::std_mean aten::var_mean aten::any aten::all aten::norm "
        "aten::linalg_norm aten::linalg_vector_norm aten::quantile aten::nanquantile aten::median aten::nanmedian "
        "aten::mode aten::kthvalue aten::logsumexp aten::count_nonzero aten::sort aten::argsort aten::topk "
        "aten::cumsum "
        "aten::cumprod aten::cummax aten::cummin aten::roll aten::flip aten::softmax aten::log_softmax aten::histc "
        "aten::dist aten::cdist aten::einsum aten::trace");
    return names.contain(node);
}

/// May the argument be true? One that is computed may.
bool mayBeTrue(const Node *node, const char *name) {
    if (!hasArgument(node, name)) return false;
    const auto value = constantArgument(node, name);
    return !value || !value->isBool() || value->toBool();
}

bool mayBePositive(const Node *node, const char *name) {
    if (!hasArgument(node, name)) return false;
    const auto value = constantArgument(node, name);
    return !value || !value->isDouble() || value->toDouble() > 0;
}

/// Dropout and its kin, which do nothing in evaluation mode.
bool dropsOut(const Node *node) {
    static const OperatorNames dropouts(
        "aten::dropout aten::dropout_ aten::feature_dropout aten::feature_dropout_ aten::alpha_dropout "
        "aten::alpha_dropout_ aten::feature_alpha_dropout aten::feature_alpha_dropout_ aten::native_dropout");
    static const OperatorNames recurrent("aten::lstm aten::gru aten::rnn_tanh aten::rnn_relu");
    static const OperatorNames leaky("aten::rrelu aten::rrelu_");
    if (dropouts.contain(node)) return mayBeTrue(node, "train") && mayBePositive(node, "p");
    if (recurrent.contain(node)) return mayBeTrue(node, "train") && mayBePositive(node, "dropout");
    if (leaky.contain(node)) return mayBeTrue(node, "training");
    return node->kind() == aten::scaled_dot_product_attention && mayBePositive(node, "dropout_p");
}

bool drawsRandomNumbers(const Node *node) {
    static const OperatorNames names(
        "aten::rand aten::rand_like aten::randn aten::randn_like aten::randint aten::randint_like aten::randperm "
        "aten::bernoulli aten::bernoulli_ aten::multinomial aten::normal aten::normal_ aten::uniform aten::uniform_ "
        "aten::random_ aten::random aten::exponential_ aten::cauchy_ aten::geometric_ aten::log_normal_ aten::poisson "
        "aten::binomial aten::_standard_gamma aten::_sample_dirichlet aten::rrelu_with_noise "
        "aten::rrelu_with_noise_ aten::_fused_dropout");
    return names.contain(node);
}

bool normalisesByTheBatch(const Node *node) {
    static const OperatorNames names(
        "aten::batch_norm aten::native_batch_norm aten::_native_batch_norm_legit aten::cudnn_batch_norm "
        "aten::_batch_norm_impl_index aten::batch_norm_stats");
    return names.contain(node) && (!hasArgument(node, "training") || mayBeTrue(node, "training"));
}

/// Does either side only raise? Then what comes out of the other does not depend on the condition.
bool isGuard(const Node *node) {
    if (node->kind() != prim::If) return false;
    for (const Block *block : node->blocks()) {
        for (const Node *inner : block->nodes()) {
            if (inner->kind() == prim::RaiseException) return true;
        }
    }
    return false;
}

bool holdsTensors(const c10::TypePtr &type) {
    if (type->isSubtypeOf(*c10::TensorType::get()) || type->kind() == c10::TypeKind::AnyType) return true;
    const auto contained = type->containedTypes();
    return std::any_of(contained.begin(), contained.end(),
                       [](const c10::TypePtr &inner) { return holdsTensors(inner); });
}

/// A number, a bool, a text, or lists of such.
bool isScalar(const Value *value) {
    return !holdsTensors(value->type()) && value->type()->kind() != c10::TypeKind::NoneType;
}

}  // namespace
