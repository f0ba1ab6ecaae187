"""Neural networks at 1 to 8 bits per channel, on ordinary CPUs.

    model = soniq.load("model.soniq")
    outputs = model(input_ids=ids, attention_mask=mask)
"""

from .comparison import Comparison, LayerDifference, OutputDifference, compare
from .decoder import Decoder, Sequence
from .encoder import Encoder
from .errors import GrammarError, PackError, SoniqError
from .generation import Generation, TextGeneration
from .grammar import Grammar
from .inputs import TensorInfo
from .library import LibraryNotFoundError, build_info, cpu_isa, library_version
from .matrix import Level, Matrix
from .model import KernelReport, Model, StepProfile, load
from .onnxruntime import InferenceSession, SessionOptions
from .packing import pack, pack_plan
from .reference import ComparisonError
from .sampler import Choice, Sampler
from .session import Outputs
from .states import StatefulSession, StateInfo
from .streaming import iterate_async
from .tokenizer import TextStream, Tokenizer

__version__ = "0.1.0"

__all__ = [
    "Choice",
    "Comparison",
    "ComparisonError",
    "Decoder",
    "Encoder",
    "Generation",
    "Grammar",
    "GrammarError",
    "InferenceSession",
    "KernelReport",
    "LayerDifference",
    "Level",
    "LibraryNotFoundError",
    "Matrix",
    "Model",
    "OutputDifference",
    "Outputs",
    "PackError",
    "Sampler",
    "Sequence",
    "SessionOptions",
    "SoniqError",
    "StateInfo",
    "StatefulSession",
    "StepProfile",
    "TensorInfo",
    "TextGeneration",
    "TextStream",
    "Tokenizer",
    "build_info",
    "compare",
    "cpu_isa",
    "iterate_async",
    "library_version",
    "load",
    "pack",
    "pack_plan",
]
