"""Bi-encoders: any sentence-transformers or plain transformers encoder, by folder or hub name.

Pooling, prompts, similarity and length come from the model's own files through sentence-transformers, the library that
wrote them, so that a teacher scores exactly as its authors meant; every one of them can be overridden. A plain
transformers folder has no such settings and gets that library's defaults (mean pooling, cosine, no prompts): for a
model whose card says otherwise, such as the E5 family, give `query_prompt` and `passage_prompt`.

Under cosine similarity vectors are brought to length one here, in float32 whatever the model computes in, so that
everything after needs only the dot product. Under dot similarity they are left alone.

Prefer BM25 (:mod:`nvmine.teachers.bm25`) where no model fits the domain or no download is possible.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from nvmine.errors import TeacherError, quote
from nvmine.extras import require
from nvmine.teachers.checkpoint import Checkpoint, find_checkpoint, reason

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

FloatArray = npt.NDArray[np.floating]

_DTYPES = ("float32", "float16", "bfloat16")
# In the order of sentence-transformers, which however stops at the first that exists, be it empty.
_PASSAGE_PROMPTS = ("document", "passage", "corpus")


class DenseTeacher:
    """An encoder of queries and passages, made by :meth:`load`.

    Attributes
    ----------
    dimension : int
        Components of one vector.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        checkpoint: Checkpoint,
        *,
        query_prompt: str | None,
        passage_prompt: str | None,
        batch_size: int,
    ) -> None:
        self._model = model
        self._checkpoint = checkpoint
        own = [model.prompts.get(name) for name in _PASSAGE_PROMPTS]
        self._query_prompt: str = (model.prompts.get("query") or "") if query_prompt is None else query_prompt
        self._passage_prompt: str = next(filter(None, own), "") if passage_prompt is None else passage_prompt
        self._batch_size = batch_size
        self._model_dtype = str(model.dtype or "float32").removeprefix("torch.")
        self._normalize = model.similarity_fn_name == "cosine"
        # A text encoded now gives the true dimension, and shows parts that do not fit before hours are spent on them.
        self.dimension: int = model.encode_query(["a"], show_progress_bar=False).shape[1]

    @classmethod
    def load(
        cls,
        name: str,
        *,
        revision: str | None = None,
        device: str | None = None,
        dtype: Literal["float32", "float16", "bfloat16"] | None = None,
        max_length: int | None = None,
        pooling: str | None = None,
        query_prompt: str | None = None,
        passage_prompt: str | None = None,
        batch_size: int = 32,
        trust_remote_code: bool = False,
    ) -> DenseTeacher:
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
            What the model computes in; by default what its weights are stored in.
        max_length
            Tokens of a text that are read; the rest is cut off.
        pooling
            "mean", "cls", "max", "lasttoken", "weightedmean" or "mean_sqrt_len_tokens".
        query_prompt, passage_prompt
            Text put before every query or passage; ``""`` for none.
        batch_size
            Texts encoded at once.
        trust_remote_code
            Run Python code that comes with the model.

        Raises
        ------
        TeacherError
            The model is not found, is not safe or not fit to load, its similarity is neither cosine nor dot, or an
            argument does not fit it.
        MissingExtraError
            sentence-transformers is not installed.
        """
        if dtype is not None and dtype not in _DTYPES:
            raise TeacherError(f"dtype {quote(str(dtype))} is not one of {', '.join(_DTYPES)}")
        for option, value in (("max_length", max_length), ("batch_size", batch_size)):
            if value is not None and value < 1:
                raise TeacherError(f"{option} is {value}, must be at least 1")
        library = require("sentence_transformers", extra="dense")
        checkpoint = find_checkpoint(name, revision=revision, trust_remote_code=trust_remote_code)
        try:
            with _no_loading_bar():
                model = library.SentenceTransformer(
                    str(checkpoint.folder),
                    device=device,
                    trust_remote_code=trust_remote_code,
                    local_files_only=True,  # what was checked is all that is loaded
                    model_kwargs={"use_safetensors": True} | ({} if dtype is None else {"dtype": dtype}),
                )
            if pooling is not None:
                _set_pooling(model, pooling)
            if max_length is not None:
                _set_max_length(model, max_length)
            _check_similarity(model)
            return cls(
                model,
                checkpoint,
                query_prompt=query_prompt,
                passage_prompt=passage_prompt,
                batch_size=batch_size,
            )
        except TeacherError:
            raise
        except Exception as error:  # model files can fail to load in any way; the caller gets one
            message = f"model {quote(name)} cannot be loaded ({reason(error)})"
            raise TeacherError(message, path=checkpoint.folder) from error

    def on(self, devices: Sequence[str]) -> list[DenseTeacher]:
        """Give a teacher for each of some torch devices: itself where it is already, and copies elsewhere.

        Raises
        ------
        TeacherError
            torch cannot use a device.
        """
        teachers: list[DenseTeacher] = []
        for device in devices:
            teacher = self
            if device != str(self._model.device) or self in teachers:
                teacher = copy.copy(self)
                try:
                    teacher._model = copy.deepcopy(self._model).to(device)
                except (RuntimeError, AssertionError) as error:
                    message = f"torch cannot use {quote(device)} ({reason(error)})"
                    raise TeacherError(message, column="device") from None
            teachers.append(teacher)
        return teachers

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Encode queries.

        Parameters
        ----------
        texts
            Any number of queries, without prompt.

        Returns
        -------
        ``(len(texts), dimension)``, in the order of `texts`; float32 where the model computes in float32, float16
        otherwise. The same texts give the same bytes on the same machine; another batch size may change last bits.

        Raises
        ------
        TeacherError
            A vector holds NaN or infinity; ``error.row`` is its row.
        """
        return self._encode(self._model.encode_query, texts, self._query_prompt)

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Encode passages: as :meth:`encode_queries`, with their own prompt and an asymmetric model's other side."""
        return self._encode(self._model.encode_document, texts, self._passage_prompt)

    def _encode(self, encode: Callable[..., FloatArray], texts: Sequence[str], prompt: str) -> FloatArray:
        dtype = np.dtype(np.float32 if self._model_dtype == "float32" else np.float16)
        if not texts:
            return np.empty((0, self.dimension), dtype)
        encoded = encode(list(texts), prompt=prompt, batch_size=self._batch_size, show_progress_bar=False)
        vectors = np.asarray(encoded, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is named below
            if self._normalize:
                # The floor leaves a zero vector zero.
                vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
            stored: FloatArray = vectors.astype(dtype, copy=False)
        finite = np.isfinite(stored).all(axis=1)
        if not finite.all():
            raise TeacherError(
                f"model {quote(self._checkpoint.name)} gave a vector with NaN or infinity in {self._model_dtype};"
                " try dtype='float32'",
                row=int(finite.argmin()),
            )
        return stored

    def describe(self) -> dict[str, Any]:
        """Everything that changes the vectors, ready for JSON; equal for equal models wherever they lie or run."""
        return {
            "kind": "dense",
            "name": self._checkpoint.name,
            "revision": self._checkpoint.revision,
            "digest": self._checkpoint.digest,
            "dtype": self._model_dtype,
            "pooling": ", ".join(_pooling_name(module) for module in _poolings(self._model)) or None,
            "normalize": self._normalize,
            "query_prompt": self._query_prompt,
            "passage_prompt": self._passage_prompt,
            "max_length": self._model.max_seq_length,
            "similarity": self._model.similarity_fn_name,
            "dimension": self.dimension,
        }


def _poolings(model: SentenceTransformer) -> list[Pooling]:
    """List the model's pooling modules: one, none (static embeddings), or one a side of an asymmetric model."""
    kind = require("sentence_transformers.sentence_transformer.modules", extra="dense").Pooling
    return [module for module in model.modules() if isinstance(module, kind)]


def _pooling_name(module: Pooling) -> str:
    return module.pooling_mode if isinstance(module.pooling_mode, str) else "+".join(module.pooling_mode)


def _set_pooling(model: SentenceTransformer, pooling: str) -> None:
    modules = _poolings(model)
    if not modules:
        raise TeacherError(f"pooling {quote(pooling)} cannot be set: the model does not pool token vectors")
    for module in modules:
        if pooling not in module.POOLING_MODES:
            raise TeacherError(f"pooling {quote(pooling)} is not one of {', '.join(module.POOLING_MODES)}")
        module.pooling_mode = pooling
        module.pooling_output_dimension = module.embedding_dimension


def _set_max_length(model: SentenceTransformer, max_length: int) -> None:
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is not None and max_length > limit:
        raise TeacherError(f"max_length is {max_length}, but the model has {limit} positions")
    model.max_seq_length = max_length


def _check_similarity(model: SentenceTransformer) -> None:
    if model.similarity_fn_name not in ("cosine", "dot"):
        raise TeacherError(f"the model compares by {model.similarity_fn_name}; only cosine and dot can be searched")


@contextmanager
def _no_loading_bar() -> Iterator[None]:
    """Silence the bar that transformers draws while it reads weights, and leave its setting as it was."""
    logging = require("transformers", extra="dense").utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
