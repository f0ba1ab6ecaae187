"""scikit-learn: `TextEmbedder`, a transformer of texts to embeddings. Does not import scikit-learn."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..encoder import Encoder


class TextEmbedder:
    """A step of a Pipeline: texts in, float32 [texts, dim] out. It learns nothing of the texts.

        make_pipeline(TextEmbedder("minilm.soniq"), LogisticRegression())

    The file is opened when it is first needed, also behind pickling and cloning, in each process anew.
    """

    _encoder: Encoder | None

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        threads: int = 0,
        max_length: int | None = None,
        batch_size: int = 32,
        normalize: bool = False,
        prompt: str | None = None,
    ) -> None:
        """Parameters as of `soniq.Encoder` and `Encoder.encode`; `model` is a path."""
        self.model = model
        self.threads = threads
        self.max_length = max_length
        self.batch_size = batch_size
        self.normalize = normalize
        self.prompt = prompt
        self._forget()

    def fit(self, X: Iterable[str], y: object = None) -> TextEmbedder:
        """Opens the file, so that what is wrong with it shows now."""
        self.encoder()
        return self

    def transform(self, X: Iterable[str]) -> npt.NDArray[np.float32]:
        """The embedding of each text: of a list, an array, a column of a table."""
        if isinstance(X, str):
            raise TypeError("X must be several texts, not a single str: give a list of it")
        if isinstance(X, np.ndarray) and X.ndim != 1:
            raise ValueError(f"X must be texts in one dimension, not of shape {X.shape}: give a single column")
        texts = [text for text in X]
        return self.encoder().encode(
            texts, prompt=self.prompt, batch_size=self.batch_size, normalize_embeddings=self.normalize
        )

    def fit_transform(self, X: Iterable[str], y: object = None, **fit_params: object) -> npt.NDArray[np.float32]:
        """`fit`, then `transform`."""
        return self.fit(X, y).transform(X)

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """soniq0, soniq1 and so on, a name for each number of an embedding."""
        count = self.encoder().get_sentence_embedding_dimension()
        return np.array([f"soniq{place}" for place in range(count)], object)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters of the constructor."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> TextEmbedder:
        """Changes parameters. Raises ValueError for a name that there is not."""
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(f"invalid parameter {name!r} for {type(self).__name__}: valid are {self._names()}")
            setattr(self, name, value)
        self._forget()
        return self

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def encoder(self) -> Encoder:
        """The encoder of these parameters, opened at the first call."""
        with self._lock:
            if self._encoder is None:
                self._encoder = Encoder(self.model, threads=self.threads, max_length=self.max_length)
            return self._encoder

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._encoder = None

    # What is open stays in its process.
    def __getstate__(self) -> dict[str, Any]:
        return self.get_params()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        """What newer versions of scikit-learn, which alone call this, ask of every step."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
            requires_fit=False,
        )

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({given})"
