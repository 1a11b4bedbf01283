"""KerasHub's families of models of text, and of speech."""

import keras
from keras_hub import models

from makers.hub_heads import (
    CLASSES,
    LENGTH,
    SIDE,
    SIZES,
    VOCABULARY,
    backbone,
    first,
    headed,
    last,
    mean,
)

_TEXT = {"vocabulary_size": VOCABULARY, **SIZES}
_HEADS = {**_TEXT, "num_heads": 2}
_PLACED = {**_HEADS, "max_sequence_length": LENGTH}
_GROUPED = {**_TEXT, "num_query_heads": 4, "num_key_value_heads": 2}
_EXPERTS = {"num_experts": 3, "top_k": 2}
_SPEECH = {
    **_HEADS,
    "num_mels": 8,
    "max_encoder_sequence_length": 2 * LENGTH,
    "max_decoder_sequence_length": LENGTH,
}


def _text(prefix: str, **config) -> keras.Model:
    """A family's own classifier on a backbone made with `config`."""
    return getattr(models, f"{prefix}TextClassifier")(
        backbone(prefix, **config), num_classes=CLASSES
    )


def _next_token(prefix: str, **config) -> keras.Model:
    """The logits at the last place of a causal language model."""
    make = getattr(models, f"{prefix}CausalLM")
    model = make(backbone=backbone(prefix, **config), preprocessor=None)
    return keras.Model(model.input, model.output[:, -1])


def _translated(prefix: str, **config) -> keras.Model:
    """The logits at the last place of the decoder of an encoder with a decoder."""
    both = backbone(prefix, **config)
    features = both.output["decoder_sequence_output"][:, -1:]
    return keras.Model(both.input, both.token_embedding(features, reverse=True)[:, 0])


ENCODERS = {
    "BERT": lambda: _text("Bert", **_PLACED),
    "DistilBERT": lambda: _text("DistilBert", **_PLACED),
    "RoBERTa": lambda: _text("Roberta", **_PLACED),
    "XLM-RoBERTa": lambda: _text("XLMRoberta", **_PLACED),
    "ALBERT": lambda: _text("Albert", **_PLACED, embedding_dim=8),
    "DeBERTaV3": lambda: _text("DebertaV3", **_PLACED, bucket_size=4),
    "F-Net": lambda: _text("FNet", **_TEXT, max_sequence_length=LENGTH),
    "RoFormerV2": lambda: _text("RoformerV2", **_HEADS, head_size=8),
    "ELECTRA": lambda: headed(
        "ElectraBackbone",
        first,
        "sequence_output",
        **{"vocab_size" if key == "vocabulary_size" else key: _PLACED[key] for key in _PLACED},
        embedding_dim=8,
    ),
    "ESM-2": lambda: headed("ESM2Backbone", mean, **_PLACED),
    "XLNet": lambda: headed("XLNetBackbone", last, **_HEADS),
    "CLIP, text": lambda: headed("CLIPTextEncoder", last, **_PLACED, embedding_dim=16),
    "SigLIP, text": lambda: headed(
        "SigLIPTextEncoder", keras.layers.Identity(), **_PLACED, embedding_dim=16
    ),
    "T5, encoder": lambda: headed("T5Backbone", mean, "encoder_sequence_output", **_HEADS),
    "BART, encoder": lambda: headed("BartBackbone", first, "encoder_sequence_output", **_PLACED),
    "Whisper, encoder": lambda: headed(
        "WhisperBackbone", mean, "encoder_sequence_output", **_SPEECH
    ),
}
DECODERS = {
    "GPT-2": lambda: _next_token("GPT2", **_PLACED),
    "GPT-NeoX": lambda: _next_token("GPTNeoX", **_PLACED),
    "OPT": lambda: _next_token("OPT", **_PLACED),
    "BLOOM": lambda: _next_token("Bloom", **_HEADS),
    "Falcon": lambda: _next_token("Falcon", **_TEXT, num_attention_heads=2),
    "Llama": lambda: _next_token("Llama", **_GROUPED),
    "Llama 3": lambda: _next_token("Llama3", **_GROUPED, tie_word_embeddings=True),
    "Mistral": lambda: _next_token("Mistral", **_GROUPED, sliding_window=4),
    "Mixtral": lambda: _next_token("Mixtral", **_GROUPED, **_EXPERTS),
    "Gemma": lambda: _next_token("Gemma", **_GROUPED, head_dim=4),
    "Gemma 2": lambda: _next_token(
        "Gemma",
        **_GROUPED,
        head_dim=4,
        use_post_ffw_norm=True,
        use_post_attention_norm=True,
        attention_logit_soft_cap=50,
        final_logit_soft_cap=30,
        use_sliding_window_attention=True,
        sliding_window_size=4,
    ),
    "Gemma 3": lambda: _next_token(
        "Gemma3",
        **_GROUPED,
        head_dim=4,
        image_size=SIDE,
        use_post_ffw_norm=True,
        use_post_attention_norm=True,
        use_sliding_window_attention=True,
        sliding_window_size=4,
    ),
    "Phi-3": lambda: _next_token("Phi3", **_GROUPED),
    "Qwen 2": lambda: _next_token("Qwen", **_GROUPED),
    "Qwen 2 MoE": lambda: _next_token(
        "QwenMoe",
        **_GROUPED,
        **_EXPERTS,
        moe_intermediate_dim=16,
        shared_expert_intermediate_dim=16,
    ),
    "Qwen 3": lambda: _next_token("Qwen3", **_GROUPED, head_dim=4),
    "Qwen 3 MoE": lambda: _next_token(
        "Qwen3Moe", **_GROUPED, **_EXPERTS, head_dim=4, moe_intermediate_dim=16
    ),
    "Qwen 3.5": lambda: _next_token(
        "Qwen3_5",
        **_GROUPED,
        head_dim=8,
        layer_types=["linear_attention", "full_attention"],
        linear_num_key_heads=2,
        linear_num_value_heads=2,
        linear_key_head_dim=8,
        linear_value_head_dim=8,
    ),
    "GPT-OSS": lambda: _next_token("GptOss", **_GROUPED, **_EXPERTS, sliding_window=4),
    "SmolLM3": lambda: _next_token(
        "SmolLM3",
        **_TEXT,
        num_attention_heads=4,
        num_key_value_heads=2,
        attention_bias=False,
        attention_dropout=0.0,
        rope_layer_enabled_list=[True, False],
        layer_types=["attention", "attention"],
        mlp_bias=False,
        layer_norm_epsilon=1e-5,
        max_position_embeddings=LENGTH,
        rope_theta=10000.0,
        partial_rotary_factor=1.0,
    ),
    "RWKV-7": lambda: _next_token(
        "RWKV7",
        vocabulary_size=VOCABULARY,
        hidden_size=16,
        head_size=8,
        num_layers=2,
        intermediate_dim=32,
        gate_lora=4,
        mv_lora=4,
        aaa_lora=4,
        decay_lora=4,
    ),
    "T5": lambda: _translated("T5", **_HEADS),
    "BART": lambda: _translated("Bart", **_PLACED),
    "Whisper": lambda: _translated("Whisper", **_SPEECH),
}
