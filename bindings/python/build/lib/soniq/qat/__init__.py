"""Training of low-bit networks in PyTorch: SONIQ and GDNSQ, exported to codes that libsoniq runs as they are.

    quantization = soniq.qat.prepare(model, examples, palette=[(1, 1), (4, 4)], target_bits=2.0, steps=1000)

Needs PyTorch: `pip install soniq[train]`. See docs/training.md.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError("soniq.qat needs PyTorch: pip install 'soniq[train]'") from error

from .costs import KernelCosts
from .distillation import attention_relations, hidden_states, logits_kl, logits_symmetric_kl
from .errors import BudgetError, NotFiniteError, PaletteError, PhaseError, QatError, UnsupportedModuleError
from .modules import AttentionInputs, QuantConv1d, QuantConv2d, QuantEmbedding, QuantLinear
from .palette import Precision
from .preparation import prepare
from .quantization import Quantization
from .trainer import Trainer

__all__ = [
    "AttentionInputs",
    "BudgetError",
    "KernelCosts",
    "NotFiniteError",
    "PaletteError",
    "PhaseError",
    "Precision",
    "QatError",
    "QuantConv1d",
    "QuantConv2d",
    "QuantEmbedding",
    "QuantLinear",
    "Quantization",
    "Trainer",
    "UnsupportedModuleError",
    "attention_relations",
    "hidden_states",
    "logits_kl",
    "logits_symmetric_kl",
    "prepare",
]
