"""What `soniq.qat` raises; every message says what to do."""

from __future__ import annotations


class QatError(ValueError):
    """The base of the errors of training."""


class PaletteError(QatError):
    """A palette that the runtime cannot run."""


class UnsupportedModuleError(QatError):
    """A module with weights that cannot be quantised and was not named in `skip`."""


class BudgetError(QatError):
    """A target that no choice of levels meets."""


class PhaseError(QatError):
    """A call that comes too early or too late."""


class NotFiniteError(QatError, ArithmeticError):
    """A loss or a parameter is NaN or infinite."""
