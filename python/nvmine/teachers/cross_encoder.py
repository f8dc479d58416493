"""Cross-encoders: rerankers that read query and passage together, from a folder or the hub.

A bi-encoder encodes a passage without knowing the query. A cross-encoder reads both together and sees more, but every
pair costs a full forward pass. So it scores the candidates that a cheaper teacher found, and the positives too, so that
both are compared on one scale. Pairs of many queries are batched together, sorted by their number of tokens, because
the candidates of one query differ in length and would make batches of half padding.

sentence-transformers reads from the model's files how a pair is tokenised, truncated and scored, so a pair gets the
score that ``CrossEncoder.predict`` returns. Two kinds of models are supported: sequence classification with one label,
and language models that score by the logits of "yes" and "no", if sentence-transformers saved them. A plain language
model does not say which prompt to use.

Prefer a :class:`~nvmine.teachers.dense.DenseTeacher` for searching, and a
:class:`~nvmine.teachers.callables.PairScorer` for a model that another library runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from nvmine.errors import TeacherError, quote
from nvmine.extras import require
from nvmine.teachers.models.checkpoint import Checkpoint, find_checkpoint
from nvmine.teachers.models.inference import Features, InferenceStats, infer
from nvmine.teachers.models.loading import check_options, load_model, loading
from nvmine.teachers.models.outputs import check_finite
from nvmine.teachers.models.settings import set_max_length

if TYPE_CHECKING:
    import torch
    from sentence_transformers import CrossEncoder

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

_ACTIVATIONS = {"sigmoid": "Sigmoid", "identity": "Identity"}
# Pairs tokenised together to count their tokens; each is padded to the longest of them.
_COUNTED_TOGETHER = 256


class CrossEncoderTeacher:
    """A scorer of pairs of query and passage, loaded by :meth:`load`.

    Attributes
    ----------
    reading : InferenceStats
        How many pairs and tokens were scored, and how much was padding.
    """

    def __init__(
        self, model: CrossEncoder, checkpoint: Checkpoint, *, prompt: str | None, batch_tokens: int | None
    ) -> None:
        self._model = model
        self._checkpoint = checkpoint
        self._prompt: str = (model.prompts.get(model.default_prompt_name) or "") if prompt is None else prompt
        self._batch_tokens = batch_tokens
        self.reading = InferenceStats()
        self._model_dtype = str(model.dtype).removeprefix("torch.")

    @classmethod
    def load(
        cls,
        name: str,
        *,
        revision: str | None = None,
        device: str | None = None,
        dtype: Literal["auto", "float32", "float16", "bfloat16"] | None = None,
        max_length: int | None = None,
        prompt: str | None = None,
        activation: Literal["sigmoid", "identity"] | None = None,
        batch_tokens: int | None = None,
        trust_remote_code: bool = False,
    ) -> CrossEncoderTeacher:
        """Loads a model.

        Parameters
        ----------
        name
            A local model folder, or a name on the Hugging Face hub. The weights must be safetensors.
        revision
            Branch, tag or commit on the hub. Pin one for reproducible results.
        device
            A torch device. Default: the GPU if there is one.
        dtype
            The type that the model computes in. Default: the type of its stored weights. "auto" means bfloat16 on GPUs
            and CPUs that multiply it faster, and float32 on others.
        max_length
            Number of tokens of a pair that are read. The rest is cut off, from the longer text first.
        prompt
            Text to put before every query, or the instruction of a model with a chat template; ``""`` for none.
            Default: the model's own.
        activation
            Function applied to the model's output: "sigmoid" for scores between 0 and 1, or "identity" for logits.
            Default: the model's own, or sigmoid if it has none. Both rank passages in the same order, but ceilings
            relative to a positive's score differ.
        batch_tokens
            Number of tokens in a batch, padding included. Default: 1024 per thread on a CPU, 32768 on a GPU.
        trust_remote_code
            Run Python code that comes with the model.

        Raises
        ------
        TeacherError
            The model is not found, is not safe or not suitable to load, gives more than one number per pair, or an
            argument does not fit the model.
        MissingExtraError
            sentence-transformers is not installed.
        """
        check_options(dtype=dtype, max_length=max_length, batch_tokens=batch_tokens)
        if activation is not None and activation not in _ACTIVATIONS:
            raise TeacherError(
                f"must be one of {', '.join(_ACTIVATIONS)}, not {quote(str(activation))}", argument="activation"
            )
        library = require("sentence_transformers", extra="dense")
        checkpoint = find_checkpoint(name, revision=revision, trust_remote_code=trust_remote_code, kind="CrossEncoder")
        with loading(checkpoint):
            model = load_model(
                library.CrossEncoder, checkpoint, device=device, dtype=dtype, trust_remote_code=trust_remote_code
            )
            if model.num_labels != 1:
                message = f"has {model.num_labels} labels; a score is one number, so the model must have one label"
                raise TeacherError(message, path=checkpoint.folder)
            if max_length is not None:
                set_max_length(model, max_length)
            if activation is not None:
                model.activation_fn = getattr(require("torch.nn", extra="dense"), _ACTIVATIONS[activation])()
            teacher = cls(model, checkpoint, prompt=prompt, batch_tokens=batch_tokens)
            # Scoring a pair now fails early if the parts of the model do not fit.
            teacher.score([("a", "a")])
        return teacher

    def score(self, pairs: Sequence[tuple[str, str]], *, done: Callable[[int], object] | None = None) -> Float32Array:
        """Scores pairs.

        Parameters
        ----------
        pairs
            Any number of (query, passage) pairs, in any order. The more pairs, the less padding.
        done
            Called with the number of pairs scored since the last call.

        Returns
        -------
        float32 of shape ``(len(pairs),)``, in the order of `pairs`. The same pairs give the same bytes on the same
        machine. Scoring a pair together with other pairs, or with another `batch_tokens`, may change its last bits.

        Raises
        ------
        TeacherError
            A score is NaN or infinity; ``error.row`` is its row.
        """
        if not pairs:
            return np.empty(0, np.float32)
        model = self._model

        def compute(features: Features) -> torch.Tensor:
            # Cast before the activation, as the library does, because half precision would create ties.
            scores: torch.Tensor = model.activation_fn(model(dict(features))["scores"].float())
            return scores.squeeze(-1)

        scores = infer(
            self._token_counts(pairs),
            prepare=lambda rows: self._prepare([pairs[row] for row in rows]),
            compute=compute,
            device=model.device,
            stats=self.reading,
            batch_tokens=self._batch_tokens,
            done=done,
        )
        check_finite(scores, "score", model=self._checkpoint.name, dtype=self._model_dtype)
        return scores

    def describe(self) -> dict[str, Any]:
        """Returns everything that changes the scores, ready for JSON. Equal models give equal descriptions anywhere."""
        return {
            "kind": "cross-encoder",
            "name": self._checkpoint.name,
            "revision": self._checkpoint.revision,
            "digest": self._checkpoint.digest,
            "dtype": self._model_dtype,
            "max_length": self._model.max_seq_length,
            "prompt": self._prompt,
            "activation": type(self._model.activation_fn).__name__,
        }

    def _prepare(self, pairs: Sequence[tuple[str, str]]) -> Features:
        features: Features = self._model.preprocess(pairs, prompt=self._prompt)
        return features

    def _token_counts(self, pairs: Sequence[tuple[str, str]]) -> Int64Array:
        """Returns how many tokens of each pair the model reads: with prompt and template, after truncation."""
        counts = [
            self._prepare(pairs[start : start + _COUNTED_TOGETHER])["attention_mask"].sum(dim=1).numpy()
            for start in range(0, len(pairs), _COUNTED_TOGETHER)
        ]
        return np.concatenate(counts).astype(np.int64, copy=False)
