"""The networks of the zoo: what each is, what makes it, and what must come of it. Needs no package, so that it can be listed anywhere."""

import zlib
from dataclasses import dataclass, field

#: Of plain PyTorch's largest value, for float32 weights: at O0 the operators are the same, and only other batch sizes take other kernels, by
#: twice what the check of the batch forgives for the inputs that it tried.
LIMITS = (2e-5, 1e-3)
#: For weights of 16 bits: another kernel rounds another way, by a hundredth or two of 8 bits' worth of mantissa.
HALF = (2e-2, 2e-2)
BFLOAT = (6e-2, 6e-2)


@dataclass(frozen=True)
class Network:
    name: str
    kind: str
    #: MODULE:FUNCTION beside this file, and its arguments.
    made_by: str
    arguments: tuple = ()
    options: dict = field(default_factory=dict)
    #: For the exporter: --trace, --script, or neither.
    how: tuple = ()
    limits: tuple = LIMITS
    #: Words of the refusal; None where it works.
    refused: str | None = None

    @property
    def seed(self):
        return zlib.crc32(self.name.encode())


def _network(kind, made_by, name, *arguments, how=(), limits=LIMITS, refused=None, **options):
    how = (f"--{how}",) if how else ()
    return Network(name, kind, made_by, arguments, options, how, limits, refused)


def _classifier(name, side=64, refused=None, **options):
    return _network("picture → classes", "pictures:classifier", f"torchvision {name}", name, side, refused=refused, **options)


def _timm(name, side=64, refused=None, **options):
    return _network("picture → classes", "timm_made:classifier", f"timm {name}", name, side, refused=refused, **options)


def _text(name, config, model, sizes, kind="text encoder", made="sentences", refused=None, how=(), **options):
    return _network(kind, f"text:{made}", f"transformers {name}", config, model, sizes, refused=refused, how=how, **options)


PICTURES = [
    _classifier("mobilenet_v2"), _classifier("mobilenet_v3_small"), _classifier("resnet18"), _classifier("resnet50"),
    _classifier("resnext50_32x4d"), _classifier("shufflenet_v2_x0_5"), _classifier("squeezenet1_1"), _classifier("mnasnet0_5"),
    _classifier("densenet121"), _classifier("efficientnet_b0"), _classifier("regnet_y_400mf"),
    _classifier("googlenet", aux_logits=False, init_weights=False),
    _classifier("inception_v3", 96, aux_logits=False, init_weights=False),
    _network("picture → classes", "pictures:small_vgg", "small VGG", False),
    _network("picture → classes", "pictures:small_vgg", "small VGG with batch-norm", True),
    _network("picture → classes", "pictures:small_convnext", "small ConvNeXt"),
    _network("picture → classes", "pictures:small_vit", "small torchvision ViT"),
    _network("picture → classes", "pictures:small_swin", "small Swin"),
    _network("picture → classes", "pictures:small_swin", "small Swin v2", "SwinTransformerBlockV2"),
    _timm("vit_tiny_patch16_224", img_size=64, depth=6),
    _network("picture → classes", "timm_made:built", "small MLP-Mixer", "MlpMixer", img_size=64,
             patch_size=8, num_blocks=4, embed_dim=96),
    _timm("ghostnet_050"), _timm("mobilevit_xxs"), _timm("mobilevitv2_050"), _timm("levit_128s", 224), _timm("poolformer_s12"),
    _timm("repvgg_a0"), _timm("edgenext_xx_small"), _timm("fastvit_t8"), _timm("mobilenetv4_conv_small"), _timm("efficientvit_b0"),
    _timm("pvt_v2_b0"),
    _network("picture → classes", "timm_made:built", "small ConvMixer", "ConvMixer", dim=96, depth=6),
    _timm("mobileone_s0"), _timm("repvit_m0_9"), _timm("skresnet18"),
    _timm("xcit_nano_12_p16_224"), _timm("coat_lite_tiny", img_size=64), _timm("inception_next_atto"),
    _network("picture → maps of all scales", "timm_made:features", "timm hrnet_w18_small", "hrnet_w18_small", 64),
    _network("segmentation", "pictures:fcn", "FCN over ResNet-18"),
    _network("segmentation", "pictures:segmenter", "torchvision deeplabv3_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", 64),
    _network("segmentation", "pictures:segmenter", "torchvision lraspp_mobilenet_v3_large", "lraspp_mobilenet_v3_large", 64),
    _network("segmentation, a dictionary of outputs", "pictures:fcn_with_dictionary", "FCN as torchvision returns it"),
    _network("detection, pyramid", "pictures:pyramid", "ResNet-18 with a feature pyramid"),
    _network("detection, all boxes", "pictures:retina", "RetinaNet heads over ResNet-18"),
    _network("detection, all boxes", "pictures:ssdlite", "SSDlite heads over MobileNetV3"),
    _network("detection, choice of boxes", "pictures:chosen_boxes", "torchvision nms", refused="torchvision::nms"),
    _network("video → classes", "pictures:small_video", "torchvision mc3_18"),
    _network("two pictures → flow", "pictures:raft", "torchvision raft_small"),
]

DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8}
TEXT = [
    _text("BERT", "BertConfig", "BertModel", "bert"),
    _text("BERT with a mask", "BertConfig", "BertModel", "bert", made="masked_sentences"),
    _text("DistilBERT", "DistilBertConfig", "DistilBertModel", "distilbert"),
    _text("RoBERTa", "RobertaConfig", "RobertaModel", "bert", max_position_embeddings=66),
    _text("ALBERT", "AlbertConfig", "AlbertModel", "bert", embedding_size=32),
    _text("ELECTRA", "ElectraConfig", "ElectraForTokenClassification", "bert", output="logits", embedding_size=32),
    _text("MobileBERT", "MobileBertConfig", "MobileBertModel", "bert", hidden_size=64, true_hidden_size=32,
          intra_bottleneck_size=32, embedding_size=32),
    _text("DeBERTa v2", "DebertaV2Config", "DebertaV2Model", "bert", **DEBERTA),
    _text("FNet", "FNetConfig", "FNetModel", "bert", tpu_short_seq_length=12),
    _text("ModernBERT", "ModernBertConfig", "ModernBertModel", "bert", pad_token_id=0, bos_token_id=1,
          eos_token_id=2, cls_token_id=1, sep_token_id=2),
    _text("T5 encoder", "T5Config", "T5EncoderModel", "t5"),
    _text("GPT-2", "GPT2Config", "GPT2LMHeadModel", "gpt2", kind="text decoder", output="logits"),
    _text("Llama", "LlamaConfig", "LlamaForCausalLM", "llama", kind="text decoder", output="logits"),
    _text("Qwen2", "Qwen2Config", "Qwen2ForCausalLM", "llama", kind="text decoder", output="logits"),
    _text("BLOOM", "BloomConfig", "BloomForCausalLM", "", kind="text decoder", output="logits", refused="calls GeLUFunction",
          hidden_size=64, n_layer=3, n_head=4),
    _text("OPT", "OPTConfig", "OPTForCausalLM", "", kind="text decoder", output="logits", hidden_size=64, num_hidden_layers=3,
          num_attention_heads=4, ffn_dim=128, word_embed_proj_dim=64, init_std=0.15),
    _text("Mamba", "MambaConfig", "MambaModel", "", kind="state-space text decoder", hidden_size=48, num_hidden_layers=3, state_size=8),
    _text("Mixtral", "MixtralConfig", "MixtralForCausalLM", "llama", kind="text decoder with experts", output="logits", num_local_experts=4),
    _network("text decoder, keys and values out", "text:generating", "transformers GPT-2 with its cache"),
    _network("text encoder, a dictionary of outputs", "text:with_dictionary", "BERT as transformers returns it"),
    _network("two texts → next words", "text:translation", "transformers T5", "T5Config", "T5ForConditionalGeneration",
             d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4),
    _network("two texts → next words", "text:translation", "transformers BART", "BartConfig", "BartForConditionalGeneration", d_model=64,
             encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=128,
             decoder_ffn_dim=128, init_std=0.15, max_position_embeddings=64),
    _network("picture → states", "text:seeing", "transformers ViT", "ViTConfig", "ViTModel", "bert", 32, image_size=32, patch_size=8),
    _network("picture → states", "text:seeing", "transformers DeiT", "DeiTConfig", "DeiTModel", "bert", 32, image_size=32, patch_size=8),
    _network("picture → states", "text:seeing", "transformers DINOv2", "Dinov2Config", "Dinov2Model", "bert", 32, image_size=32, patch_size=8),
    _network("segmentation", "text:seeing", "transformers SegFormer", "SegformerConfig", "SegformerForSemanticSegmentation", "", 64, output="logits",
             hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 3, 4], decoder_hidden_size=32, num_labels=10),
    _network("detection, boxes from queries", "text:detr", "transformers DETR"),
    _network("text and picture", "text:clip", "transformers CLIP"),
    _network("speech encoder", "text:whisper", "transformers Whisper encoder"),
    _network("speech encoder", "text:wave", "transformers wav2vec 2.0", "Wav2Vec2Config", "Wav2Vec2Model"),
    _network("speech encoder", "text:wave", "transformers HuBERT", "HubertConfig", "HubertModel"),
    _network("sound → states", "text:spectrogram_transformer", "transformers AST"),
]

OWN = [
    _network("sound → sound", "sound:separator", "Conv-TasNet"), _network("speaker", "sound:xvector", "x-vector TDNN"),
    _network("sound → keywords", "sound:keywords", "keywords from a spectrogram"),
    _network("speech → letters", "sound:speech", "DeepSpeech 2"),
    _network("sound → levels", "sound:waves", "WaveNet"),
    _network("recurrent", "sound:recurrent", "LSTM", "LSTM", how="script"),
    _network("recurrent", "sound:recurrent", "GRU", "GRU"),
    _network("recurrent", "sound:recurrent", "bidirectional LSTM", "LSTM", bidirectional=True),
    _network("recurrent, lengths beside it", "sound:packed", "packed LSTM", how="script"),
    _network("recurrent, state in and out", "sound:streaming", "streaming LSTM", how="script"),
    _network("recurrent, time first", "sound:time_first", "GRU, time first"),
    _network("forecast", "sound:causal", "TCN with weight norm"),
    _network("picture → picture", "shapes:unet", "U-Net"),
    _network("volume → volume", "shapes:unet_of_volumes", "3-D U-Net"),
    _network("video → classes", "shapes:slow_fast", "SlowFast"),
    _network("picture → picture, place", "shapes:autoencoder", "variational autoencoder"),
    _network("picture → picture, drawn", "shapes:autoencoder", "variational autoencoder that draws", True, refused="draws random numbers"),
    _network("super resolution", "shapes:sharper", "ESPCN"),
    _network("numbers → picture", "shapes:generator", "DCGAN generator"),
    _network("two pictures → picture", "shapes:style", "AdaIN style"),
    _network("picture → classes", "shapes:straightened", "spatial transformer"),
    _network("graph", "shapes:graph", "GCN"),
    _network("graph", "shapes:graph", "GAT", True),
    _network("table", "shapes:table", "tabular MLP"),
    _network("table, two inputs and outputs", "shapes:clicks", "DLRM"),
    _network("points → classes", "shapes:points", "PointNet"),
    _network("rays → colours", "shapes:scene", "NeRF"),
    _network("query → best five", "shapes:best", "top-k, whole numbers out", how="script"),
    _network("two pictures → distance", "shapes:twins", "Siamese CNN"),
    _network("linear system inside", "shapes:solver", "ridge regression"),
    _network("Fourier layers", "shapes:spectral", "Fourier neural operator"),
    _network("loop, list out", "shapes:flow", "neural ODE", how="script"),
    _network("quantized", "unusual:dynamic_linear", "int8 MLP (dynamic)"),
    _network("quantized", "unusual:dynamic_lstm", "int8 LSTM (dynamic)"),
    _network("quantized", "unusual:static_convolutions", "int8 CNN (static)"),
    _network("float16 weights", "unusual:converted_cnn", "CNN in float16", "float16", limits=HALF),
    _network("bfloat16 weights", "unusual:converted_cnn", "CNN in bfloat16", "bfloat16", limits=BFLOAT),
    _network("float16 weights", "unusual:converted_encoder", "transformer encoder in float16", "float16", limits=HALF),
    _network("bfloat16 weights", "unusual:converted_encoder", "transformer encoder in bfloat16", "bfloat16", limits=BFLOAT),
    _network("float16 throughout", "unusual:whole_type", "MLP of float16", "float16", limits=HALF),
    _network("bfloat16 throughout", "unusual:whole_type", "MLP of bfloat16", "bfloat16", refused="AMP4EC carries"),
    _network("float64 throughout", "unusual:whole_type", "MLP of float64", "float64", refused="AMP4EC carries"),
    _network("experts", "unusual:experts", "experts, all compute", "dense"),
    _network("experts", "unusual:experts", "experts by index", "weights"),
    _network("experts", "unusual:experts", "experts, items are sent", "routed", how="script"),
    _network("loop over words", "unusual:decoded", "greedy decoder", how="script"),
    _network("bag of words", "unusual:bags", "EmbeddingBag and Bilinear"),
    _network("bytes → whole numbers", "unusual:pixels", "labels of pixels"),
    _network("sees the whole batch", "unusual:contrast", "softmax over the batch"),
    _network("keeps a state", "unusual:counting", "running mean in forward", how="script", refused="keeps something between runs"),
]

# What comes back: more than a tensor, and what has another structure for another input.
RETURNED = [
    _network("a dictionary of outputs", "returned:filled", "dictionary filled by layers", how="script"),
    _network("a named tuple of outputs", "returned:named", "named tuple with None", how="script"),
    _network("outputs inside outputs", "returned:tree", "tree of outputs"),
    _network("a list of outputs", "returned:listed", "list of all states", how="script"),
    _network("a list of outputs", "returned:sequence", "list over steps", how="script", refused="whose length is not fixed"),
    _network("None for some inputs", "returned:sometimes", "output that may be None", how="script",
             refused="a tensor for some inputs and None for others"),
    _network("a dictionary of outputs", "returned:keyed", "dictionary by batch size", how="script", refused="a key that is computed"),
]

NETWORKS = [*PICTURES, *TEXT, *OWN, *RETURNED]
