"""Bi-encoders: any sentence-transformers model or plain transformers encoder, from a folder or the hub.

sentence-transformers reads pooling, prompts, similarity and maximum length from the model's files, so a teacher scores
as its authors intended. Each of these settings can be overridden. Settings that the files leave open come from the
preset of the model's family (:mod:`nvmine.teachers.models.presets`): its prompts, and for a plain transformers folder
the other settings too. A model without a preset gets the defaults of the library: mean pooling, cosine, no prompt.

Under cosine similarity vectors are normalised here, in float32 whatever type the model computes in, so that every later
step needs only the dot product. Under dot similarity they are left unchanged.

Prefer BM25 (:mod:`nvmine.teachers.bm25`) if no model fits the domain or nothing can be downloaded.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from nvmine.errors import TeacherError
from nvmine.extras import require
from nvmine.teachers.models.checkpoint import Checkpoint, find_checkpoint
from nvmine.teachers.models.inference import Features, InferenceStats, infer
from nvmine.teachers.models.loading import append_end_token, check_options, load_model, loading, models_on
from nvmine.teachers.models.outputs import check_finite, finish_vectors
from nvmine.teachers.models.presets import Preset, instruction, preset_for, preset_named
from nvmine.teachers.models.settings import apply_settings, pooling_of

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

FloatArray = npt.NDArray[np.floating]
Int64Array = npt.NDArray[np.int64]

_logger = logging.getLogger("nvmine")
# In the order of sentence-transformers, which stops at the first that exists, even if it is empty.
_PASSAGE_PROMPTS = ("document", "passage", "corpus")


class DenseTeacher:
    """An encoder of queries and passages, loaded by :meth:`load`.

    Attributes
    ----------
    dimension : int
        Number of components of a vector.
    reading : InferenceStats
        How many texts and tokens were encoded, including by copies on other devices, and how much was padding.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        checkpoint: Checkpoint,
        *,
        preset: Preset,
        end_token: str | None,
        query_prompt: str | None,
        passage_prompt: str | None,
        batch_tokens: int | None,
    ) -> None:
        self._model = model
        self._checkpoint = checkpoint
        self._end_token = end_token
        own_query = model.prompts.get("query")
        own_passage = next(filter(None, map(model.prompts.get, _PASSAGE_PROMPTS)), None)
        self._query_prompt: str = (own_query or preset.query_prompt) if query_prompt is None else query_prompt
        self._passage_prompt: str = (own_passage or preset.passage) if passage_prompt is None else passage_prompt
        self._batch_tokens = batch_tokens
        self.reading = InferenceStats()
        self._model_dtype = str(model.dtype or "float32").removeprefix("torch.")
        self._normalize = model.similarity_fn_name == "cosine"
        # Encoding a text now gives the true dimension, and fails early if the parts of the model do not fit.
        self.dimension: int = model.encode_query(["a"], show_progress_bar=False).shape[1]

    @classmethod
    def load(
        cls,
        name: str,
        *,
        revision: str | None = None,
        device: str | None = None,
        dtype: Literal["auto", "float32", "float16", "bfloat16"] | None = None,
        max_length: int | None = None,
        pooling: str | None = None,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        task: str | None = None,
        task_template: str | None = None,
        preset: str | None = None,
        batch_tokens: int | None = None,
        trust_remote_code: bool = False,
    ) -> DenseTeacher:
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
            and CPUs that multiply it faster, and float32 on others; the cosine between a bfloat16 vector and the
            float32 one is about 0.999.
        max_length
            Number of tokens of a text that are read; the rest is cut off.
        pooling
            "mean", "cls", "max", "lasttoken", "weightedmean" or "mean_sqrt_len_tokens".
        query_prompt, passage_prompt
            Text to put before every query or passage; ``""`` for none.
        task
            Task definition for an instruction model, such as "Given a claim, find documents that refute the claim". It
            is put before every query with the template of the model's preset, or with the paper's, ``"{task}: "``.
        task_template
            Another template, which contains ``{task}``.
        preset
            A name in :data:`nvmine.teachers.models.presets.PRESETS`, or "none". Default: the preset that matches the
            model's name.
        batch_tokens
            Number of tokens in a batch, padding included. Default: 1024 per thread on a CPU, 32768 on a GPU.
        trust_remote_code
            Run Python code that comes with the model.

        Raises
        ------
        TeacherError
            The model is not found, is not safe or not suitable to load, its similarity is neither cosine nor dot, or
            an argument does not fit the model.
        MissingExtraError
            sentence-transformers is not installed.
        """
        check_options(dtype=dtype, max_length=max_length, batch_tokens=batch_tokens)
        if query_prompt is not None and (task is not None or task_template is not None):
            raise TeacherError("is the whole prompt; leave out task= and task_template=", argument="query_prompt")
        chosen = None if preset is None else preset_named(preset)
        library = require("sentence_transformers", extra="dense")
        checkpoint = find_checkpoint(name, revision=revision, trust_remote_code=trust_remote_code)
        chosen = chosen or preset_for(checkpoint.name)
        if query_prompt is None:
            query_prompt = instruction(chosen, task=task, template=task_template)
        with loading(checkpoint):
            model = load_model(
                library.SentenceTransformer,
                checkpoint,
                device=device,
                dtype=dtype,
                trust_remote_code=trust_remote_code,
            )
            apply_settings(model, checkpoint.folder, chosen, pooling=pooling, max_length=max_length)
            teacher = cls(
                model,
                checkpoint,
                preset=chosen,
                end_token=append_end_token(model, checkpoint.folder, required=chosen.end_token),
                query_prompt=query_prompt,
                passage_prompt=passage_prompt,
                batch_tokens=batch_tokens,
            )
        _logger.info("model %s: preset %s", checkpoint.name, chosen.name)
        return teacher

    def on(self, devices: Sequence[str]) -> list[DenseTeacher]:
        """Returns a teacher for each torch device: itself for the device that it is on, and copies for the others.

        Raises
        ------
        TeacherError
            torch cannot use a device.
        """
        return [self if model is self._model else self._with(model) for model in models_on(self._model, devices)]

    def _with(self, model: SentenceTransformer) -> DenseTeacher:
        teacher = copy.copy(self)
        teacher._model = model
        return teacher

    def encode_queries(self, texts: Sequence[str], *, done: Callable[[int], object] | None = None) -> FloatArray:
        """Encodes queries.

        Parameters
        ----------
        texts
            Any number of queries, without the prompt.
        done
            Called with the number of texts encoded since the last call.

        Returns
        -------
        An array of shape ``(len(texts), dimension)``, in the order of `texts`: float32 if the model computes in
        float32, float16 otherwise. The same texts give the same bytes on the same machine. Encoding a text together
        with other texts, or with another `batch_tokens`, may change its last bits.

        Raises
        ------
        TeacherError
            A vector holds NaN or infinity; ``error.row`` is its row.
        """
        return self._encode("query", texts, self._query_prompt, done)

    def encode_passages(self, texts: Sequence[str], *, done: Callable[[int], object] | None = None) -> FloatArray:
        """Encodes passages, like :meth:`encode_queries`, with the passage prompt and the passage side of the model."""
        return self._encode("document", texts, self._passage_prompt, done)

    def _encode(self, task: str, texts: Sequence[str], prompt: str, done: Callable[[int], object] | None) -> FloatArray:
        dtype = np.dtype(np.float32 if self._model_dtype == "float32" else np.float16)
        if not texts:
            return np.empty((0, self.dimension), dtype)
        model = self._model

        def prepare(rows: Int64Array) -> Features:
            features: Features = model.preprocess([texts[row] for row in rows], prompt=prompt, task=task)
            return features

        def compute(features: Features) -> torch.Tensor:
            vectors: torch.Tensor = model(dict(features), task=task)["sentence_embedding"]
            return vectors[..., : model.truncate_dim]

        vectors = infer(
            _token_counts(model, texts, prompt),
            prepare=prepare,
            compute=compute,
            device=model.device,
            stats=self.reading,
            batch_tokens=self._batch_tokens,
            done=done,
        )
        finished = finish_vectors(vectors, normalize=self._normalize, dtype=dtype)
        check_finite(finished, "vector", model=self._checkpoint.name, dtype=self._model_dtype)
        return finished

    def describe(self) -> dict[str, Any]:
        """Returns everything that changes the vectors, ready for JSON. Equal models have equal descriptions."""
        return {
            "kind": "dense",
            "name": self._checkpoint.name,
            "revision": self._checkpoint.revision,
            "digest": self._checkpoint.digest,
            "dtype": self._model_dtype,
            "pooling": pooling_of(self._model),
            "normalize": self._normalize,
            "query_prompt": self._query_prompt,
            "passage_prompt": self._passage_prompt,
            "end_token": self._end_token,
            "max_length": self._model.max_seq_length,
            "similarity": self._model.similarity_fn_name,
            "dimension": self.dimension,
        }


def _token_counts(model: SentenceTransformer, texts: Sequence[str], prompt: str) -> Int64Array:
    """Returns how many tokens of each text the model reads, or its characters if the model has no tokenizer."""
    tokenizer = getattr(model, "tokenizer", None)
    if not callable(tokenizer):
        return np.array([len(text) for text in texts], np.int64)
    limit = model.max_seq_length or np.iinfo(np.int64).max
    ids = tokenizer([prompt + text for text in texts], verbose=False)["input_ids"]
    return np.minimum([len(each) for each in ids], limit).astype(np.int64)
