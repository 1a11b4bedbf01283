"""Which inputs does a Keras 3 decision rest on, and how few must change to overturn it?

Members load when they are first used: drawing a saved result starts no backend, and computing
imports nothing of plotting.
"""

import importlib
import importlib.util
import sys

import lazy_loader

from isi_keras._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["callbacks", "composites", "goals", "plotting", "rules", "training", "zoo"],
    submod_attrs={
        "attacks.attack": ["Attack"],
        "composites": ["Composite"],
        "domain": ["Domain"],
        "explanations.concentration": ["complexity", "sparseness"],
        "attacks.adversarial_distance": ["adversarial_distance"],
        "evaluation": ["evaluate"],
        "results.attack_report": ["Report"],
        "results.robustness_report": ["RobustnessReport"],
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
        "models.classifier": ["logits", "outputs"],
        "norms": ["L0", "L2", "Linf", "Salient"],
        "explanations.parameter_randomisation": ["parameter_randomisation"],
        "graph.registry": ["register"],
        "reporting": ["report"],
        "results": [
            "AttackResult",
            "Explanation",
            "FlippingResult",
            "HardnessResult",
            "RandomisationResult",
            "Result",
            "RobustnessResult",
        ],
        "attacks.hardness": ["hardness"],
        "attacks.robustness": ["robustness"],
        "runs.driver": ["run"],
        "runs.stored": ["Run"],
    },
)


class _Saved:
    """Stands for `AdversarialTraining` among what Keras loads, until `isi_keras.training` is."""

    def from_config(self, config):
        """Builds a saved model back."""
        return importlib.import_module(f"{__name__}.training").AdversarialTraining.from_config(
            config
        )


class _WhenKerasComes:
    """Tells Keras of `_Saved` once it is imported, which `import isi_keras` does not do itself."""

    def find_spec(self, name, path=None, target=None):
        """Finds Keras as anybody does, and adds to what happens when it is loaded."""
        if name != "keras":
            return None
        sys.meta_path.remove(self)  # pyright: ignore[reportArgumentType]
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                self.tell(module)

            spec.loader.exec_module = exec_module
        return spec

    def tell(self, keras):
        """Registers it, unless the class itself is."""
        keras.saving.get_custom_objects().setdefault("isi_keras>AdversarialTraining", _Saved())


if "keras" in sys.modules:
    _WhenKerasComes().tell(sys.modules["keras"])
else:
    sys.meta_path.insert(0, _WhenKerasComes())  # pyright: ignore[reportArgumentType]
