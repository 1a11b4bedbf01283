"""Which inputs does a Keras 3 decision rest on, and how few must change to overturn it?

Members load when they are first used: drawing a saved result starts no backend, and computing
imports nothing of plotting.
"""

import lazy_loader

from isi_keras._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["callbacks", "composites", "goals", "plotting", "rules", "training", "zoo"],
    submod_attrs={
        "attacks.attack": ["Attack"],
        "composites": ["Composite"],
        "explanations.concentration": ["complexity", "sparseness"],
        "attacks.adversarial_distance": ["adversarial_distance"],
        "evaluation": ["Report", "evaluate"],
        "explanations.explain": ["explain"],
        "explanations.pixel_flipping": ["pixel_flipping"],
        "indicators": [
            "IntegratedGradients",
            "JacobianSaliency",
            "Relevance",
            "Sensitivity",
            "SmoothGrad",
        ],
        "attacks.jsma": ["JSMA"],
        "attacks.minimal": ["MinimalL0"],
        "models.classifier": ["logits"],
        "norms": ["L0", "L2", "Linf", "Salient"],
        "explanations.parameter_randomisation": ["parameter_randomisation"],
        "graph.registry": ["register"],
        "results": [
            "AttackResult",
            "Explanation",
            "FlippingResult",
            "HardnessResult",
            "RandomisationResult",
            "Result",
        ],
        "attacks.hardness": ["hardness"],
    },
)
