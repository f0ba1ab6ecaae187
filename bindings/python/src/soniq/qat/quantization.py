"""A model in training: its regulariser, schedule, budget and export."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .allocation import Budget, Candidate, allocate
from .costs import KernelCosts, Shape, stored_bits
from .errors import NotFiniteError, PhaseError, QatError
from .gdnsq import WidthPenalty
from .interception import arithmetic
from .layer_state import FIXED, SEARCH
from .layers import QuantLayer
from .modules import QuantEmbedding
from .palette import Precision
from .selection import plain_model, without_compilers

# What GDNSQ multiplies the learning rate by for each batch after its widths have converged.
DECAY = 0.9985
DEFAULT_RATE = 2e-3
# The penalty's t reaches twice this by the end of the search, however short: the published growth of 2 * learning
# rate for each batch is made for a thousand epochs.
SHORTEST_GROWTH = 2.0
# Part of the search in which GDNSQ's penalty is still 0.
WARM_UP_PART = 0.1
# Batches between looks at GDNSQ's actual widths.
CONVERGENCE_CHECK = 10


@dataclass(frozen=True)
class Target:
    """Average stored bits, or milliseconds when there are costs."""

    value: float
    costs: KernelCosts | None


class Quantization(nn.Module):
    """What `prepare` returns. Calling it calls the model; its state_dict resumes a training.

    A loop of one's own:

        quantization = soniq.qat.prepare(model, examples, palette=[(1, 1), (4, 4)], target_bits=2.0, steps=1000)
        optimizer = torch.optim.Adam(quantization.parameter_groups(1e-3))
        for inputs, labels in batches:
            task = loss(quantization(inputs), labels)
            (task + quantization.regularizer(task)).backward()
            optimizer.step(); optimizer.zero_grad()
            quantization.step_schedule(optimizer)
        quantization.freeze()
        quantization.export("model.onnx", example)
    """

    step: Tensor
    is_converged: Tensor

    def __init__(
        self, model: nn.Module, shapes: dict[str, Shape], method: str, target: Target | None, search_steps: int
    ) -> None:
        super().__init__()
        self.model = model
        self.shapes = shapes
        self.method = method
        self.target = target
        self.search_steps = max(search_steps, 1)
        self.penalty = WidthPenalty() if method == "gdnsq" else None
        self.register_buffer("step", torch.tensor(0))
        self.register_buffer("is_converged", torch.tensor(False))
        self._check_target()

    def forward(self, *arguments: Any, **named: Any) -> Any:
        return self.model(*arguments, **named)

    def arithmetic(self) -> AbstractContextManager[Any]:
        """For calls of other methods of the model than its forward, which compute as the runtime does inside:
        `with quantization.arithmetic(): states = quantization.model.states(ids)`."""
        return arithmetic(self.model)

    # State

    def get_extra_state(self) -> dict[str, Any]:
        return {"levels": self._levels()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Raises QatError before anything is loaded when the state is that of other precisions."""
        own, stored = self._levels(), state["levels"]
        for name in own.keys() | stored.keys():
            if own.get(name) != stored.get(name):
                raise QatError(
                    f"the state is of another model or palette: {name} is {_spelt(stored.get(name))} there and "
                    f"{_spelt(own.get(name))} here; prepare the model as it was prepared then"
                )

    def _levels(self) -> dict[str, list[str]]:
        """The precisions and codes of every quantised module."""
        levels = {name: [str(level) for level in layer.levels] for name, layer in self.layers().items()}
        return levels | {name: [str(table.level)] for name, table in self.embeddings().items()}

    # Layers

    def layers(self) -> dict[str, QuantLayer]:
        """The quantised linear layers and convolutions by name, in the order in which they run."""
        modules = {name: self.model.get_submodule(name) for name in self.shapes}
        return {name: module for name, module in modules.items() if isinstance(module, QuantLayer)}

    def embeddings(self) -> dict[str, QuantEmbedding]:
        modules = {name: self.model.get_submodule(name) for name in self.shapes}
        return {name: module for name, module in modules.items() if isinstance(module, QuantEmbedding)}

    @property
    def is_frozen(self) -> bool:
        return all(layer.phase == FIXED for layer in self.layers().values())

    def _searching(self) -> dict[str, QuantLayer]:
        return {name: layer for name, layer in self.layers().items() if layer.phase == SEARCH}

    def parameter_groups(
        self, learning_rate: float, weight_decay: float = 0.0, precision_rate: float | None = None
    ) -> list[dict[str, Any]]:
        """For an optimiser of the Adam family: weights; scales and norms without weight decay; what precisions are
        learned with, at `precision_rate` (default: 10 / the steps of the search, so that s can cross the palette)."""
        precisions, plain, decayed = [], [], []
        for name, parameter in self.named_parameters():
            last = name.rsplit(".", 1)[-1]
            if last in ("precision", "log_scale", "log_range"):
                precisions.append(parameter)
            elif parameter.ndim < 2 or last in ("weight_factor", "weight_shift"):
                plain.append(parameter)
            else:
                decayed.append(parameter)
        rate = max(10 / self.search_steps, 1e-3) if precision_rate is None else precision_rate
        groups = [
            {"params": decayed, "lr": learning_rate, "weight_decay": weight_decay},
            {"params": plain, "lr": learning_rate, "weight_decay": 0.0},
            {"params": precisions, "lr": rate, "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]

    # Training

    def regularizer(self, task_loss: Tensor) -> Tensor:
        """What to add to the loss: the penalty on bits while precisions are learned, else 0.

        Raises NotFiniteError when `task_loss` is NaN or infinite.
        """
        if not torch.isfinite(task_loss).all():
            raise NotFiniteError(
                f"the loss is {task_loss.item()} at step {int(self.step)}: lower the learning rate, clip gradients, "
                "or check the inputs for NaN"
            )
        searching = self._searching()
        if not searching:
            return task_loss.new_zeros(())
        if self.penalty is not None:
            layers = list(searching.values())
            widths = [layer.learned_widths()[0].widths(layer.weight) for layer in layers]
            targets = [
                torch.full_like(width, layer.levels[0].weight_bits)
                for width, layer in zip(widths, layers, strict=True)
            ]
            of_activations = torch.stack([layer.learned_widths()[1].width() for layer in layers])
            activation_targets = of_activations.new_tensor([layer.levels[0].activation_bits for layer in layers])
            return self.penalty(
                task_loss, (torch.cat(widths), torch.cat(targets)), (of_activations, activation_targets)
            )
        return torch.relu(self.expected_cost() / self._budget().total - 1)

    def step_schedule(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Call after every optimizer step. Ends the search when its steps are over. Raises GDNSQ's penalty, and ends
        its search before that when all widths have converged; then lowers, from batch to batch, the learning rates
        of `optimizer` (leave it out when a scheduler of your own does that)."""
        self.step += 1
        step = int(self.step)
        if self.method == "soniq":
            if step >= self.search_steps and self._searching():
                self.freeze()
            return
        if self.penalty is not None and step > WARM_UP_PART * self.search_steps:
            rate = optimizer.param_groups[0]["lr"] if optimizer else DEFAULT_RATE
            self.penalty.advance(max(rate, SHORTEST_GROWTH / self.search_steps))
        if self._searching():
            if step % CONVERGENCE_CHECK == 0:
                self.is_converged.fill_(self.widths_converged())
            if self.is_converged or step >= self.search_steps:
                self.freeze()
        elif optimizer is not None:
            for group in optimizer.param_groups:
                group["lr"] *= DECAY

    @torch.no_grad()
    def widths_converged(self) -> bool:
        """Whether the greatest actual width, log2(greatest code - least code + 1), is within its target everywhere."""
        for layer in self._searching().values():
            level = layer.levels[0]
            if layer.gdnsq_weights is not None and layer.gdnsq_activations is not None and (
                layer.gdnsq_weights.actual_widths(layer.weight).max() > level.weight_bits
                or layer.gdnsq_activations.actual_width() > level.activation_bits
            ):
                return False
        return True

    @torch.no_grad()
    def freeze(self) -> None:
        """Fixes precisions: SONIQ's channels get their levels under the target, GDNSQ's scales become those of whole
        bits. Training may go on afterwards, on the real grid. Does nothing when already frozen."""
        searching = self._searching()
        if self.method == "gdnsq":
            for layer in searching.values():
                layer.fix_widths()
            return
        if not searching:
            return
        candidates = [
            Candidate(name, self.shapes[name], layer.levels, layer.fraction().detach().cpu())
            for name, layer in searching.items()
        ]
        chosen = allocate(candidates, self._budget(), self._cost)
        for name, levels in chosen.items():
            searching[name].set_channel_levels(levels)
            searching[name].search_weight_scales()

    # Costs

    def _cost(self, shape: Shape, levels: tuple[Precision, ...], counts: tuple[int, ...]) -> float:
        if self.target is not None and self.target.costs is not None:
            return self.target.costs.milliseconds(shape, levels, counts)
        return stored_bits(shape, levels, counts)

    def _budget(self) -> Budget:
        assert self.target is not None
        if self.target.costs is not None:
            return Budget(self.target.value, self._fixed_cost(), unit="ms")
        weights = sum(shape.weights for shape in self.shapes.values())
        return Budget(self.target.value * weights, self._fixed_cost(), weights, "bits per weight")

    def _fixed_cost(self) -> float:
        fixed = {name: layer for name, layer in self.layers().items() if layer.phase == FIXED}
        total = sum(self._cost(self.shapes[name], layer.levels, layer.run_lengths) for name, layer in fixed.items())
        return total + (0 if self.target and self.target.costs else self._embedding_bits())

    def _embedding_bits(self) -> int:
        total = 0
        for name, layer in self.embeddings().items():
            shape = self.shapes[name]
            total += shape.outputs * (8 * ((shape.channels * layer.level.weight_bits + 7) // 8) + 16)
        return total

    def expected_cost(self) -> Tensor:
        """The cost of all layers, straight between the coarse and the fine precision where they are being learned."""
        total = torch.zeros((), device=self.step.device) + self._fixed_cost()
        for name, layer in self._searching().items():
            shape = self.shapes[name]
            if layer.precision is None:
                total = total + self._cost(shape, layer.levels, layer.run_lengths)
                continue
            coarse = self._cost(shape, layer.levels, (shape.channels, 0))
            fine = self._cost(shape, layer.levels, (0, shape.channels))
            total = total + coarse + (fine - coarse) * layer.fraction().mean()
        return total

    def _check_target(self) -> None:
        if self.target is None:
            return
        candidates = [
            Candidate(name, self.shapes[name], layer.levels, torch.zeros(layer.channels))
            for name, layer in self._searching().items()
        ]
        allocate(candidates, self._budget(), self._cost)

    @torch.no_grad()
    def average_bits(self) -> float:
        """Average stored bits of a weight: codes with padding, scales, sums and maps; an estimate while searching."""
        total = float(self._embedding_bits())
        for name, layer in self.layers().items():
            shape = self.shapes[name]
            if layer.phase == SEARCH and layer.precision is not None:
                coarse = stored_bits(shape, layer.levels, (shape.channels, 0))
                fine = stored_bits(shape, layer.levels, (0, shape.channels))
                total += coarse + (fine - coarse) * float(layer.fraction().mean())
            elif layer.phase == SEARCH:
                total += shape.weights * float(layer.learned_widths()[0].widths(layer.weight).mean())
            else:
                total += stored_bits(shape, layer.levels, layer.run_lengths)
        return total / sum(shape.weights for shape in self.shapes.values())

    @torch.no_grad()
    def code_bits(self) -> float:
        """Average bits of a code alone; only when frozen."""
        if not self.is_frozen:
            raise PhaseError("code_bits needs fixed precisions: call freeze() first")
        total = count = 0.0
        for name, layer in self.layers().items():
            shape = self.shapes[name]
            for level, channels in zip(layer.levels, layer.run_lengths, strict=True):
                total += level.weight_bits * shape.weights / shape.channels * channels
            count += shape.weights
        for name, layer in self.embeddings().items():
            total += layer.level.weight_bits * self.shapes[name].weights
            count += self.shapes[name].weights
        return total / count

    def precision_map(self) -> dict[str, list[int]]:
        """Bits of the weights of every input channel, by layer; only when frozen."""
        if not self.is_frozen:
            raise PhaseError("the precision map needs fixed precisions: call freeze() first")
        result = {}
        for name, layer in self.layers().items():
            bits = [level.weight_bits for level in layer.levels]
            result[name] = [bits[level] for level in layer.channel_levels.tolist()]
        return result

    def palette(self) -> str:
        """The precisions of most weights, as soniq-pack spells them: "w2a8+w4a8"; of embeddings "w8"."""
        weights: dict[str, int] = {}
        for name, layer in self.layers().items():
            label = "+".join(level.label for level in layer.levels)
            weights[label] = weights.get(label, 0) + self.shapes[name].weights
        for name, table in self.embeddings().items():
            label = f"w{table.level.weight_bits}"
            weights[label] = weights.get(label, 0) + self.shapes[name].weights
        return max(weights, key=weights.__getitem__)

    # Results

    def deployed(self) -> nn.Module:
        """A copy of the model in evaluation mode, without compilers around it; needs fixed precisions."""
        if not self.is_frozen:
            raise PhaseError("the model still learns its precisions: call freeze() first")
        model = copy.deepcopy(plain_model(self.model)).eval()
        without_compilers(model)
        return model

    def export(
        self, path: str | Path, example: Any, *, inputs: list[str] | None = None, outputs: list[str] | None = None,
        dynamic: dict[str, dict[int, str]] | None = None, metadata: dict[str, str | int | float] | None = None,
    ) -> None:  # fmt: skip
        """Writes the model as ONNX with the operators of docs/training.md; needs the packages onnx.

        * example: inputs as `prepare` takes them
        * inputs, outputs: their names in the file
        * dynamic: names of axes that vary, such as {"image": {0: "batch"}}
        * metadata: what the file and the packed model say of themselves, such as {"general.license": "MIT"}

        Raises PhaseError before `freeze()`, QatError for names and values that fit nothing.
        """
        from .export import export

        stated: dict[str, str | int | float] = {
            "soniq.palette": self.palette(), "soniq.calibration": "trained"
        }  # fmt: skip
        stated |= metadata or {}
        export(
            self.deployed(), path, example, inputs or ["input"], outputs or ["output"], dynamic or {}, stated
        )

    def precision_plot(self, path: str | Path) -> None:
        """Draws the precision map as PNG; needs matplotlib."""
        from .plots import draw_precision_map

        draw_precision_map(self.precision_map(), path)

    def check_finite(self) -> None:
        """Raises NotFiniteError naming the first parameter that is not finite."""
        for name, parameter in self.named_parameters():
            if not torch.isfinite(parameter).all():
                raise NotFiniteError(f"{name} is not finite: lower the learning rate, or resume from a checkpoint")


def _spelt(levels: list[str] | None) -> str:
    return "not quantised" if levels is None else " and ".join(levels)


__all__ = ["Quantization", "QatError", "Target"]
