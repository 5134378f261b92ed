"""Networks of transformers, of small configurations with random weights: text, pictures and sound."""

import torchvision_here  # noqa: F401

import torch
import transformers
from torch import nn

from made import Made, Picked, lively, normal, pictures, words

VOCABULARY = 300
#: The usual small deviation of fresh weights leaves the layers without a say.
SPREAD = 0.15
ENCODER = {"vocab_size": VOCABULARY, "initializer_range": SPREAD, "max_position_embeddings": 64}
SIZES = {
    "bert": {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128},
    "distilbert": {"dim": 64, "n_layers": 4, "n_heads": 4, "hidden_dim": 128},
    "gpt2": {"n_embd": 64, "n_layer": 4, "n_head": 4, "n_positions": 64},
    "t5": {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 3, "num_heads": 4},
    "llama": {
        "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128},
}


def network(config, model, sizes, **options):
    settings = getattr(transformers, config)(**{**SIZES.get(sizes, {}), **options})
    return getattr(transformers, model)(settings).eval()


def sentences(config, model, sizes, output="last_hidden_state", length=12, **options):
    """A model that takes the numbers of words."""
    module = network(config, model, sizes, **{**ENCODER, **options})
    if hasattr(module.config, "use_cache"):
        module.config.use_cache = False
    return Made(Picked(module, ["input_ids"], lambda y: y[output]), words(length, VOCABULARY), ("input_ids",), ("states",))


def masked_sentences(config, model, sizes, output="last_hidden_state", length=12, **options):
    """The same with a mask beside the words: sentences of several lengths in one batch."""
    names = ["input_ids", "attention_mask"]

    def batch(count):
        lengths = torch.randint(length // 3, length + 1, (count, 1))
        return [torch.randint(3, VOCABULARY, (count, length)), (torch.arange(length) < lengths).to(torch.int64)]

    module = network(config, model, sizes, **{**ENCODER, **options})
    return Made(Picked(module, names, lambda y: y[output]), batch, names, ("states",))


def with_dictionary():
    """As it comes, without a wrapper that picks a tensor."""
    return Made(network("BertConfig", "BertModel", "bert", **ENCODER), words(12, VOCABULARY), ("input_ids",), ("last_hidden_state", "pooler_output"))


def translation(config, model, **options):
    """Encoder and decoder, from two texts to the next words' scores."""
    module = network(config, model, "", vocab_size=VOCABULARY, decoder_start_token_id=0, **options)
    module.config.use_cache = False
    names = ["input_ids", "decoder_input_ids"]
    batch = lambda n: [torch.randint(3, VOCABULARY, (n, 12)), torch.randint(3, VOCABULARY, (n, 8))]  # noqa: E731
    return Made(Picked(module, names, lambda y: y["logits"]), batch, names, ("logits",))


def seeing(config, model, sizes, side, output="last_hidden_state", **options):
    module = network(config, model, sizes, **{"initializer_range": SPREAD, **options})
    return Made(lively(Picked(module, ["pixel_values"], lambda y: y[output]), pictures(side)), pictures(side), ("pixel_values",), ("y",))


def detr():
    """Boxes from queries, over a small ResNet."""
    backbone = transformers.ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"])
    module = network(
        "DetrConfig", "DetrForObjectDetection", "", use_timm_backbone=False, backbone=None, use_pretrained_backbone=False, backbone_config=backbone,
        num_queries=10, d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=128, decoder_ffn_dim=128, num_labels=10, init_std=SPREAD)
    picked = Picked(module, ["pixel_values"], lambda y: (y["logits"], y["pred_boxes"]))
    return Made(lively(picked, pictures(96)), pictures(96), ("pixel_values",), ("logits", "boxes"))


def clip():
    """Two towers; scores of each text against each picture of the batch."""
    text = {**SIZES["bert"], "vocab_size": VOCABULARY, "max_position_embeddings": 16, "eos_token_id": 2}
    vision = {**SIZES["bert"], "image_size": 32, "patch_size": 8}
    module = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)).eval()
    names = ["input_ids", "pixel_values"]
    batch = lambda n: words(10, VOCABULARY)(n) + pictures(32)(n)  # noqa: E731
    return Made(Picked(module, names, lambda y: (y["text_embeds"], y["image_embeds"])), batch, names, ("texts", "images"))


def whisper():
    module = network(
        "WhisperConfig", "WhisperModel", "", d_model=64, encoder_layers=3, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128, num_mel_bins=40, max_source_positions=50, vocab_size=VOCABULARY,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, init_std=SPREAD).get_encoder()
    picked = Picked(module, ["input_features"], lambda y: y["last_hidden_state"])
    return Made(picked, normal(40, 100), ("input_features",), ("states",))


def wave(config, model, **options):
    """From the wave itself: wav2vec 2.0, HuBERT."""
    module = network(
        config, model, "bert", conv_dim=(32, 32, 32), conv_kernel=(10, 3, 3), conv_stride=(5, 2, 2), num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4, vocab_size=40, mask_time_prob=0.0, initializer_range=SPREAD, **options)
    return Made(Picked(module, ["input_values"], lambda y: y["last_hidden_state"]), normal(1600), ("input_values",), ("states",))


def spectrogram_transformer():
    module = network(
        "ASTConfig", "ASTModel", "bert", num_mel_bins=32, max_length=64, patch_size=16, frequency_stride=8, time_stride=8,
        initializer_range=SPREAD)
    return Made(Picked(module, ["input_values"], lambda y: y["pooler_output"]), normal(64, 32), ("input_values",), ("pooled",))


class Generating(nn.Module):
    """Scores of the next word, with the keys and values so far as outputs, as one exports a decoder's first step."""

    def __init__(self):
        super().__init__()
        self.module = network("GPT2Config", "GPT2LMHeadModel", "gpt2", **ENCODER)

    def forward(self, input_ids):
        found = self.module(input_ids, use_cache=True)
        layers = [found.past_key_values.layers[number] for number in (0, 3)]
        return (found.logits[:, -1], *[tensor for layer in layers for tensor in (layer.keys, layer.values)])


def generating():
    return Made(Generating().eval(), words(12, VOCABULARY), ("input_ids",), ("logits", "first_keys", "first_values", "last_keys", "last_values"))
