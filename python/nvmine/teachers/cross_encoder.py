"""Cross-encoders: rerankers that read query and passage together, by folder or hub name.

What a bi-encoder cannot see, because it reads a passage before it knows the query, a cross-encoder can, at the price of
a whole reading for every pair: it scores candidates that a cheaper teacher has found, and the positives with them, so
that both are compared on one scale. Pairs of many queries are read together, sorted by what they hold in tokens: a
query's own candidates are of every length and make batches of half padding.

How a pair is laid out, cut and scored comes from the model's own files through sentence-transformers, the library that
wrote most of them, and a pair gets the score that ``CrossEncoder.predict`` would give it. Models for sequence
classification with one label are read, and language models whose logits of "yes" and "no" are the score, where they
are saved by the library: a plain one does not say how it was asked.

Prefer a :class:`~nvmine.teachers.dense.DenseTeacher` to search by; prefer a
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
from nvmine.teachers.models.inference import Features, Reading, infer
from nvmine.teachers.models.loading import check_options, load_model, loading
from nvmine.teachers.models.outputs import not_finite
from nvmine.teachers.models.settings import set_max_length

if TYPE_CHECKING:
    import torch
    from sentence_transformers import CrossEncoder

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

_ACTIVATIONS = {"sigmoid": "Sigmoid", "identity": "Identity"}
# Pairs laid out together to be counted; each is padded to the longest of them.
_COUNTED = 256


class CrossEncoderTeacher:
    """A scorer of pairs of query and passage, made by :meth:`load`.

    Attributes
    ----------
    reading : Reading
        How much was read, and how much of it was padding.
    """

    def __init__(
        self, model: CrossEncoder, checkpoint: Checkpoint, *, prompt: str | None, batch_tokens: int | None
    ) -> None:
        self._model = model
        self._checkpoint = checkpoint
        self._prompt: str = (model.prompts.get(model.default_prompt_name) or "") if prompt is None else prompt
        self._batch_tokens = batch_tokens
        self.reading = Reading()
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
        """Load a model.

        Parameters
        ----------
        name
            A local model folder, or a name on the Hugging Face hub. Weights must be safetensors.
        revision
            Branch, tag or commit on the hub; pin one for results that can be repeated.
        device
            A torch device; by default the GPU where there is one.
        dtype
            What the model computes in; by default what its weights are stored in. "auto": bfloat16 on a GPU or CPU that
            multiplies it faster, and else float32.
        max_length
            Tokens of a pair that are read; the rest is cut off, of the longer text first.
        prompt
            Text put before every query, or the instruction of a model that is asked in a chat; ``""`` for none. By
            default the model's own.
        activation
            What the model's output goes through: "sigmoid", for scores between 0 and 1, or "identity", which leaves
            logits. By default the model's own, and else sigmoid. Ceilings relative to a positive's score differ
            between the two; both put passages in the same order.
        batch_tokens
            Tokens read at once, padding included. Default: 1024 on a CPU, for each thread, 32768 on a GPU.
        trust_remote_code
            Run Python code that comes with the model.

        Raises
        ------
        TeacherError
            The model is not found, is not safe or not fit to load, gives more than one number a pair, or an argument
            does not fit it.
        MissingExtraError
            sentence-transformers is not installed.
        """
        check_options(dtype=dtype, max_length=max_length, batch_tokens=batch_tokens)
        if activation is not None and activation not in _ACTIVATIONS:
            raise TeacherError(f"activation {quote(str(activation))} is not one of {', '.join(_ACTIVATIONS)}")
        library = require("sentence_transformers", extra="dense")
        checkpoint = find_checkpoint(name, revision=revision, trust_remote_code=trust_remote_code, kind="CrossEncoder")
        with loading(checkpoint):
            model = load_model(
                library.CrossEncoder, checkpoint, device=device, dtype=dtype, trust_remote_code=trust_remote_code
            )
            if model.num_labels != 1:
                message = f"has {model.num_labels} labels; a score is one number, so a model of one label is needed"
                raise TeacherError(message, path=checkpoint.folder)
            if max_length is not None:
                set_max_length(model, max_length)
            if activation is not None:
                model.activation_fn = getattr(require("torch.nn", extra="dense"), _ACTIVATIONS[activation])()
            teacher = cls(model, checkpoint, prompt=prompt, batch_tokens=batch_tokens)
            # A pair scored now shows parts that do not fit before hours are spent on them.
            teacher.score([("a", "a")])
        return teacher

    def score(self, pairs: Sequence[tuple[str, str]], *, done: Callable[[int], object] | None = None) -> Float32Array:
        """Score pairs.

        Parameters
        ----------
        pairs
            Any number of (query, passage), in any order; the more at once, the less is padding.
        done
            Told how many more are scored, as they are.

        Returns
        -------
        ``(len(pairs),)``, in the order of `pairs`. The same pairs give the same bytes on the same machine; other pairs
        beside one, or another `batch_tokens`, may change its last bits.

        Raises
        ------
        TeacherError
            A score is NaN or infinity; ``error.row`` is its row.
        """
        if not pairs:
            return np.empty(0, np.float32)
        model = self._model

        def compute(features: Features) -> torch.Tensor:
            # Ties that half precision would make are broken before the activation, as the library does.
            scores: torch.Tensor = model.activation_fn(model(dict(features))["scores"].float())
            return scores.squeeze(-1)

        scores = infer(
            self._token_counts(pairs),
            prepare=lambda rows: self._prepare([pairs[row] for row in rows]),
            compute=compute,
            device=model.device,
            reading=self.reading,
            batch_tokens=self._batch_tokens,
            done=done,
        )
        row = not_finite(scores)
        if row is not None:
            raise TeacherError(
                f"model {quote(self._checkpoint.name)} gave a score of NaN or infinity in {self._model_dtype};"
                " try dtype='float32'",
                row=row,
            )
        return scores

    def describe(self) -> dict[str, Any]:
        """Everything that changes the scores, ready for JSON; equal for equal models wherever they lie or run."""
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
        """Count what the model will read of each pair, to sort by: prompt and template included, what is cut not."""
        counts = [
            self._prepare(pairs[start : start + _COUNTED])["attention_mask"].sum(dim=1).numpy()
            for start in range(0, len(pairs), _COUNTED)
        ]
        return np.concatenate(counts).astype(np.int64, copy=False)
