"""KerasHub's families of image models."""

import keras
from keras_hub import models

from makers.hub_heads import CLASSES, IMAGE, SIDE, SIZES, backbone, first, headed, mean

_PATCHES = {**IMAGE, **SIZES, "patch_size": 8, "num_heads": 2}
_VIT = {**IMAGE, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}


def _image(prefix: str, head=(), **config) -> keras.Model:
    """A family's own classifier on a backbone made with `config`."""
    make = getattr(models, f"{prefix}ImageClassifier")
    return make(backbone=backbone(prefix, **config), num_classes=CLASSES, **dict(head))


def _mobilenet(activation: str, excite: float | None = None) -> keras.Model:
    """Two stages of two inverted residuals each."""
    return _image(
        "MobileNet",
        **IMAGE,
        stackwise_expansion=[[16, 24], [24, 32]],
        stackwise_num_blocks=[2, 2],
        stackwise_num_filters=[[8, 8], [16, 16]],
        stackwise_kernel_size=[[3, 3], [5, 5]],
        stackwise_num_strides=[[2, 1], [2, 1]],
        stackwise_se_ratio=[[excite] * 2] * 2,
        stackwise_activation=[[activation] * 2] * 2,
        stackwise_padding=[[1, 1], [2, 2]],
        output_num_filters=32,
        depthwise_filters=8,
        depthwise_stride=1,
        depthwise_residual=True,
        last_layer_filter=32,
        squeeze_and_excite=excite,
        input_activation=activation,
        output_activation=activation,
        input_num_filters=8,
        head={"num_features": 24},
    )


def _efficientnet(blocks: str | tuple, excite: float, **config) -> keras.Model:
    return _image(
        "EfficientNet",
        input_shape=IMAGE["image_shape"],
        width_coefficient=1.0,
        depth_coefficient=1.0,
        stackwise_kernel_sizes=[3, 5],
        stackwise_num_repeats=[2, 2],
        stackwise_input_filters=[8, 8],
        stackwise_output_filters=[8, 16],
        stackwise_expansion_ratios=[1, 4],
        stackwise_squeeze_and_excite_ratios=[excite, excite],
        stackwise_strides=[1, 2],
        stackwise_block_types=blocks,
        num_features=32,
        **config,
    )


def _resnet(kind: str, stem: tuple[int, ...], **config) -> keras.Model:
    return _image(
        "ResNet",
        **IMAGE,
        input_conv_filters=list(stem),
        input_conv_kernel_sizes=[7] if len(stem) == 1 else [3, 3, 3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 2],
        stackwise_num_strides=[1, 2],
        block_type=kind,
        **config,
    )


def _cspnet(stage: str, block: str, **config) -> keras.Model:
    return _image(
        "CSPNet",
        **IMAGE,
        stem_filters=8,
        stem_kernel_size=3,
        stem_strides=1,
        stackwise_depth=[1, 2],
        stackwise_strides=[2, 2],
        stackwise_num_filters=[16, 32],
        block_type=block,
        stage_type=stage,
        **config,
    )


def _hgnet(light: bool) -> keras.Model:
    return _image(
        "HGNetV2",
        **IMAGE,
        depths=[1, 2],
        embedding_size=8,
        hidden_sizes=[16, 24],
        stem_channels=[3, 8, 8],
        hidden_act="relu",
        use_learnable_affine_block=light,
        stackwise_stage_filters=[(8, 8, 16, 1, 2, 3), (16, 8, 24, 2, 2, 3)],
        apply_downsample=[False, True],
        use_lightweight_conv_block=[False, light],
        head={"preprocessor": None},
    )


def _mobilenet_v5() -> keras.Model:
    """Edge residuals, universal inverted bottlenecks and attention with one key for all heads."""

    def stages(one, two, three=None):
        return [[one], [two, two if three is None else three]]

    config = {
        "stackwise_block_types": stages("er", "uir", "mqa"),
        "stackwise_num_blocks": [1, 2],
        "stackwise_num_filters": stages(8, 16),
        "stackwise_strides": stages(2, 2, 1),
        "stackwise_act_layers": stages("gelu", "gelu"),
        "stackwise_exp_ratios": stages(2.0, 2.0),
        "stackwise_se_ratios": stages(0.0, 0.0),
        "stackwise_dw_kernel_sizes": stages(0, 3),
        "stackwise_dw_start_kernel_sizes": stages(0, 3),
        "stackwise_dw_end_kernel_sizes": stages(0, 0),
        "stackwise_exp_kernel_sizes": stages(3, 0),
        "stackwise_pw_kernel_sizes": stages(1, 0),
        "stackwise_num_heads": stages(0, 0, 2),
        "stackwise_key_dims": stages(0, 0, 8),
        "stackwise_value_dims": stages(0, 0, 8),
        "stackwise_kv_strides": stages(0, 0, 1),
        "stackwise_use_cpe": stages(False, False),
        "stem_size": 8,
        "num_features": 24,
        "layer_scale_init_value": 0.1,
        "use_msfa": False,
    }
    return _image("MobileNetV5", **IMAGE, **config, head={"head_hidden_size": 24})


IMAGES = {
    "VGG": lambda: _image(
        "VGG",
        **IMAGE,
        stackwise_num_repeats=[2, 2],
        stackwise_num_filters=[8, 16],
        head={"pooling_hidden_dim": 16},
    ),
    "ResNet": lambda: _resnet("basic_block", (64,)),
    "ResNet with bottlenecks": lambda: _resnet("bottleneck_block", (8,)),
    "ResNet-vd": lambda: _resnet("bottleneck_block_vd", (8, 8, 8)),
    "ResNetV2": lambda: _resnet("bottleneck_block", (8,), use_pre_activation=True),
    "DenseNet": lambda: _image("DenseNet", **IMAGE, stackwise_num_repeats=[2, 2], growth_rate=8),
    "Xception": lambda: _image(
        "Xception",
        **IMAGE,
        stackwise_conv_filters=[[8, 8], [16, 16], [16, 16], [24, 24]],
        stackwise_pooling=[False, True, False, False],
    ),
    "MobileNet": lambda: _mobilenet("relu6"),
    "MobileNetV3": lambda: _mobilenet("hard_swish", 0.25),
    "MobileNetV5": _mobilenet_v5,
    "EfficientNet": lambda: _efficientnet(["v1", "v1"], 0.25),
    "EfficientNetV2": lambda: _efficientnet(["fused", "unfused"], 0.25),
    "EfficientNet-Lite": lambda: _efficientnet(["v1", "v1"], 0, activation="relu6"),
    "EfficientNet-EdgeTPU": lambda: _efficientnet(["cba", "fused"], 0, activation="relu"),
    "CSPNet": lambda: _cspnet("csp", "bottleneck_block", block_ratio=[0.5]),
    "CSPDarkNet": lambda: _cspnet("csp", "dark_block", block_ratio=[0.5]),
    "DarkNet": lambda: _cspnet("dark", "dark_block"),
    "CS3Net": lambda: _cspnet("cs3", "edge_block", block_ratio=[0.5]),
    "HGNetV2": lambda: _hgnet(light=False),
    "HGNetV2, light": lambda: _hgnet(light=True),
    "MiT": lambda: _image(
        "MiT",
        **IMAGE,
        num_layers=2,
        layerwise_depths=[1, 1],
        layerwise_num_heads=[1, 2],
        layerwise_sr_ratios=[2, 1],
        layerwise_patch_sizes=[7, 3],
        layerwise_strides=[4, 2],
        hidden_dims=[8, 16],
        max_drop_path_rate=0.1,
    ),
    "Swin": lambda: _image(
        "SwinTransformer", **IMAGE, embed_dim=8, depths=(2, 2), num_heads=(1, 2), window_size=4
    ),
    "ViT": lambda: _image("ViT", **_VIT),
    "ViT without class token": lambda: _image(
        "ViT", **_VIT, use_class_token=False, head={"pooling": "gap"}
    ),
    "DeiT": lambda: _image("DeiT", **_PATCHES),
    "DINOv2": lambda: headed(
        "DINOV2Backbone", first, **_PATCHES, position_embedding_shape=(64, 64)
    ),
    "DINOv2, registers and SwiGLU": lambda: headed(
        "DINOV2Backbone",
        first,
        **_PATCHES,
        position_embedding_shape=(SIDE, SIDE),
        num_register_tokens=2,
        use_swiglu_ffn=True,
    ),
    "DINOv3": lambda: headed("DINOV3Backbone", first, **_PATCHES),
    "CLIP, vision": lambda: headed("CLIPVisionEncoder", first, **_PATCHES),
    "MetaCLIP2, vision": lambda: headed("MetaCLIP2VisionEncoder", first, **_PATCHES),
    "SigLIP, vision": lambda: headed("SigLIPVisionEncoder", mean, **_PATCHES),
    "SAM, vision": lambda: headed(
        "ViTDetBackbone",
        mean,
        **IMAGE,
        patch_size=4,
        hidden_size=16,
        num_layers=2,
        num_heads=2,
        intermediate_dim=32,
        global_attention_layer_indices=[1],
        num_output_channels=8,
        window_size=4,
    ),
}
