// The only door to libtorch: plain C types, opaque structs, no exception crosses.
//
// Every function that can fail returns an `amp_torch_code` and, when that is not AMP_TORCH_OK, puts the first line of
// the reason into `*error`, which the caller frees with `amp_torch_error_release`. Handles are freed by their
// `_release`.
//
// Threads: a partition may be run by any number of threads at once. A model is used by one thread at a time.
#ifndef AMP4EC_CTORCH_H
#define AMP4EC_CTORCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /// A tensor's rank that the interface carries; Swift's `Tensor.maximumRank` is the same.
    AMP_TORCH_MAXIMUM_RANK = 8,
};

typedef enum amp_torch_code {
    AMP_TORCH_OK = 0,
    /// libtorch cannot read the archive.
    AMP_TORCH_BAD_ARCHIVE = 1,
    /// The archive was written by a newer libtorch.
    AMP_TORCH_NEWER_ARCHIVE = 2,
    /// The model (or the cut) does something that cannot be partitioned or run here.
    AMP_TORCH_UNSUPPORTED = 3,
    /// The model refused its input: wrong shape, type or value.
    AMP_TORCH_INPUT_REJECTED = 4,
    AMP_TORCH_OUT_OF_MEMORY = 5,
    AMP_TORCH_INTERNAL = 6,
} amp_torch_code;

void amp_torch_error_release(char *error);

// ---- The process -------------------------------------------------------------------------------------------------

/// libtorch's version, for example "2.13.0". Static memory.
const char *amp_torch_runtime_version(void);
/// The vector instructions that its kernels were chosen for, for example "AVX2". Static memory.
const char *amp_torch_runtime_instruction_set(void);
/// The newest archive format that this libtorch reads.
uint64_t amp_torch_runtime_archive_format(void);
/// Threads inside one operator (`intra_op_threads`); operators never run beside each other.
amp_torch_code amp_torch_runtime_configure(int32_t intra_op_threads, char **error);
/// Lets freed tensors stay in the process: large blocks from `mmap` would be mapped again at each allocation.
/// For threads that start later: call it first of all.
void amp_torch_runtime_tune_allocator(void);
/// Gives the system back what is free on the heap. For after loading and analysing, which need far more than running
/// does.
void amp_torch_runtime_trim(void);

// ---- Tensors -----------------------------------------------------------------------------------------------------

/// Element types have the numbers of Swift's `DType`; 0 stands for one that cannot travel.
typedef struct amp_torch_shape {
    uint8_t dtype;
    uint8_t rank;
    int64_t extents[AMP_TORCH_MAXIMUM_RANK];
    int64_t bytes;
} amp_torch_shape;

/// An input, row-major. The callee takes `owner` over in every case and calls `release(owner)` once when the memory is
/// no longer read, which may be after the run where an output is a view of it.
typedef struct amp_torch_input {
    const void *data;
    amp_torch_shape shape;
    void *owner;
    void (*release)(void *owner);
} amp_torch_input;

/// An output, row-major, alive until released.
typedef struct amp_torch_tensor amp_torch_tensor;
const void *amp_torch_tensor_data(const amp_torch_tensor *tensor);
amp_torch_shape amp_torch_tensor_shape(const amp_torch_tensor *tensor);
void amp_torch_tensor_release(amp_torch_tensor *tensor);

/// A list of tensors; `take` hands one out (once each), `release` frees what was not taken.
typedef struct amp_torch_tensors amp_torch_tensors;
size_t amp_torch_tensors_count(const amp_torch_tensors *tensors);
amp_torch_tensor *amp_torch_tensors_take(amp_torch_tensors *tensors, size_t index);
void amp_torch_tensors_release(amp_torch_tensors *tensors);

/// A block of bytes.
typedef struct amp_torch_bytes amp_torch_bytes;
const void *amp_torch_bytes_data(const amp_torch_bytes *bytes);
size_t amp_torch_bytes_count(const amp_torch_bytes *bytes);
void amp_torch_bytes_release(amp_torch_bytes *bytes);

// ---- The whole model: layers and cuts ------------------------------------------------------------------------------

typedef struct amp_torch_model amp_torch_model;

/// Reads an archive, freezes it and finds its layers. `data` is only read during the call.
/// `extra_names` names the extra files whose contents `amp_torch_model_extra` gives.
amp_torch_code amp_torch_model_open(const void *data, size_t count, const char *const *extra_names, size_t extra_count,
                                    amp_torch_model **model, char **error);
void amp_torch_model_release(amp_torch_model *model);

/// The bytes of an extra file, by its position among the names, or NULL where the archive has none.
const char *amp_torch_model_extra(const amp_torch_model *model, size_t index, size_t *count);
size_t amp_torch_model_input_count(const amp_torch_model *model);
const char *amp_torch_model_input_name(const amp_torch_model *model, size_t index);
size_t amp_torch_model_output_count(const amp_torch_model *model);
/// How an output is reached in what forward returns: steps with AMP_TORCH_PATH_SEPARATOR between them, each an "n" and
/// a key's or field's name, or a "p" and a position. "" for a model that returns a tensor.
#define AMP_TORCH_PATH_SEPARATOR '\x1f'
const char *amp_torch_model_output_path(const amp_torch_model *model, size_t index);
/// Where forward returns None for every input: no output stands there.
size_t amp_torch_model_omitted_count(const amp_torch_model *model);
const char *amp_torch_model_omitted(const amp_torch_model *model, size_t index);
size_t amp_torch_model_layer_count(const amp_torch_model *model);
/// Bytes of all weights, each counted once.
int64_t amp_torch_model_weight_bytes(const amp_torch_model *model);

typedef enum amp_torch_layer_kind {
    AMP_TORCH_LAYER_OTHER = 0,
    AMP_TORCH_LAYER_CONVOLUTION = 1,
    AMP_TORCH_LAYER_LINEAR = 2,
} amp_torch_layer_kind;

typedef struct amp_torch_layer {
    const char *operator_name;
    /// The module path in the source, where it is known, else "".
    const char *scope;
    int64_t parameter_count;
    int64_t parameter_bytes;
    int64_t output_elements;
    int64_t output_bytes;
    /// Multiply-accumulate operations of one run, 0 where the operator has none or they are not known.
    int64_t macs;
    amp_torch_layer_kind kind;
    /// Convolutions: the kernel, rows and columns. Linear: 1 and 1.
    int64_t kernel_height;
    int64_t kernel_width;
    int64_t channels_in;
    int64_t channels_out;
    int64_t groups;
} amp_torch_layer;

/// Facts of layer `index`; shapes, bytes and MACs are those of the last profile.
amp_torch_layer amp_torch_model_layer(const amp_torch_model *model, size_t index);

/// Runs the model layer by layer at `inputs`, `repetitions` times after one warm-up. `milliseconds` (of this thread's
/// CPU time) gets one value for each repetition and layer (row-major: repetition, layer) and holds `repetitions` ×
/// layer count values.
amp_torch_code amp_torch_model_profile(amp_torch_model *model, amp_torch_input *inputs, size_t input_count,
                                       size_t repetitions, double *milliseconds, char **error);

/// The cut before layer `index`, 0 (the inputs) to layer count (the outputs).
typedef struct amp_torch_cut {
    bool legal;
    /// True between a convolution or linear layer and the batch-norm and activation that are fused with it.
    bool splits_fusion;
    /// Why it is not legal, else "".
    const char *reason;
    size_t tensor_count;
} amp_torch_cut;
amp_torch_cut amp_torch_model_cut(const amp_torch_model *model, size_t index);
/// What crosses it, as it travels, at the last profile's inputs.
amp_torch_shape amp_torch_model_cut_tensor(const amp_torch_model *model, size_t index, size_t tensor);

/// The tensors that cross cut `index` when the model runs at `inputs`.
amp_torch_code amp_torch_model_capture(amp_torch_model *model, amp_torch_input *inputs, size_t input_count,
                                       size_t index, amp_torch_tensors **tensors, char **error);

/// Why the items of a batch may see each other, as far as the graph tells: a branch, a loop's count, a number or a size
/// comes from what stands in a batched input, or an operator is in training mode. `*reason` is NULL where nothing of
/// that kind stands in it, else a text that the caller frees with `amp_torch_error_release`. `batched[i]`: whether
/// input i is cut along N.
amp_torch_code amp_torch_model_content_dependence(amp_torch_model *model, const bool *batched, size_t input_count,
                                                  char **reason, char **error);
/// As above with what two runs at different batch sizes show besides: a value that is computed from the items and has
/// lost the batch, or a branch on how many items there are. A run that the model refuses is AMP_TORCH_INPUT_REJECTED.
amp_torch_code amp_torch_model_batch_mixing(amp_torch_model *model, const bool *batched, amp_torch_input *small,
                                            amp_torch_input *large, size_t input_count, char **reason, char **error);

/// The layers first ..< end as an archive of their own. With `keeps_layout`, what comes in over the cut lies in memory
/// as in the whole model, with the gaps of a view, so that the same kernels run and round alike.
amp_torch_code amp_torch_model_extract(amp_torch_model *model, size_t first, size_t end, bool keeps_layout,
                                       amp_torch_bytes **archive, char **error);

// ---- Partitions ----------------------------------------------------------------------------------------------------

typedef struct amp_torch_partition amp_torch_partition;

/// Loads an archive (a partition's, or a whole model's); `optimized` folds batch-norm and packs weights for this
/// processor.
amp_torch_code amp_torch_partition_load(const void *data, size_t count, bool optimized, amp_torch_partition **partition,
                                        char **error);
void amp_torch_partition_release(amp_torch_partition *partition);
/// Bytes of the weights as they were loaded (before packing), each storage counted once.
int64_t amp_torch_partition_weight_bytes(const amp_torch_partition *partition);
/// Kinds of operators in what runs, nested blocks included.
size_t amp_torch_partition_operator_kinds(const amp_torch_partition *partition);
const char *amp_torch_partition_operator(const amp_torch_partition *partition, size_t index, size_t *count);
/// The top-level nodes of what runs, in order, without constants.
size_t amp_torch_partition_node_count(const amp_torch_partition *partition);
const char *amp_torch_partition_node(const amp_torch_partition *partition, size_t index);
/// As `amp_torch_model_profile`, for those nodes.
amp_torch_code amp_torch_partition_profile(const amp_torch_partition *partition, amp_torch_input *inputs,
                                           size_t input_count, size_t repetitions, double *milliseconds, char **error);
/// Runs once. The inputs' memory is never written.
amp_torch_code amp_torch_partition_run(const amp_torch_partition *partition, amp_torch_input *inputs,
                                       size_t input_count, amp_torch_tensors **outputs, char **error);

#ifdef __cplusplus
}
#endif

#endif
