"""The matrix product on one torch device, and how far its scores can lie from the reported ones.

Hardware multiplies half-precision numbers many times faster than float32, and the product only chooses which pairs are
scored again. So vectors that were given in half precision are multiplied as they are. Others are rounded to half
precision where the device is fast at it: to float16 on CUDA, after scaling by powers of 2 to lengths near 1, and to
bfloat16 on CPUs with AMX or AVX-512.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from nvmine import _core
from nvmine.data.vectors import Vectors
from nvmine.devices import has_bfloat16_units
from nvmine.errors import SearchError

if TYPE_CHECKING:
    import torch

Float64Array = npt.NDArray[np.float64]

# Dividing by a norm rounds once more. The same value as in the core.
_UNIT_ROUNDOFF = 2.0**-23
# Matrix units truncate every partial sum instead of rounding it.
_CUT_SUMS = 2.0**-25


class Factor(NamedTuple):
    """One side of the product.

    Parameters
    ----------
    vectors
        The vectors as they are multiplied, on the device: divided by ``2**exponents``, or each by its norm.
    norms
        float64: the norms of the vectors as they were given; for cosine, 1.
    exponents
        int64, one for each vector or one for all.
    """

    vectors: torch.Tensor
    norms: Float64Array
    exponents: npt.NDArray[np.int64]


class Product:
    """Computes ``queries @ passages.T`` on a device.

    Parameters
    ----------
    device
        A torch device, such as "cuda", "cuda:1" or "cpu".
    queries, passages
        The vectors that will be multiplied; their types decide the type of the product.
    cosine
        Divide vectors by their norms.

    Raises
    ------
    SearchError
        torch does not know the device, or cannot use it.
    """

    def __init__(self, device: str, queries: Vectors, passages: Vectors, *, cosine: bool) -> None:
        import torch

        try:
            self.device = torch.device(device)
            torch.empty(1, device=self.device).cpu()
        except (RuntimeError, AssertionError) as error:
            raise SearchError(f"torch cannot use {device!r}: {str(error).splitlines()[0]}", argument="device") from None
        self._torch, self._cosine, self._dimension = torch, cosine, queries.dimension
        types = {queries.type_name, passages.type_name}
        held = types.pop() if len(types) == 1 and not cosine else "float32"
        self._type = _fastest(self.device, held)
        is_held = held == str(self._type).removeprefix("torch.")
        self._scaled = self._type == torch.float16 and not is_held
        self._roundoff = self._lost(rounds=not is_held)

    @property
    def in_halves(self) -> bool:
        """Whether vectors are multiplied in half precision."""
        return bool(self._type != self._torch.float32)

    def room(self, memory: int) -> int:
        """Returns the bytes to use on the device: a quarter of a GPU's free memory, or `memory` on the CPU."""
        if self.device.type != "cuda":
            return memory
        return int(self._torch.cuda.mem_get_info(self.device)[0]) // 4

    def factor(self, vectors: torch.Tensor, *, together: bool) -> Factor:
        """Converts vectors for the product and copies them from the CPU to the device.

        `together`: if vectors are scaled, all get the same exponent. The norm of a vector that is not finite is NaN or
        infinite.
        """
        torch = self._torch
        # Conversion happens on CUDA or on the CPU, because some other devices do not support float64.
        if self.device.type == "cuda":
            vectors = vectors.to(self.device, non_blocking=True)
        norms = torch.linalg.vector_norm(vectors, dim=1, dtype=torch.float64)
        exponents = np.zeros(1 if together else len(norms), np.int64)
        if self._cosine:
            vectors = vectors.double() / norms.where(norms > 0, 1)[:, None]
        elif self._scaled:
            longest = norms.amax(dim=0, keepdim=True) if together and len(norms) else norms
            powers = longest.nan_to_num().frexp().exponent
            vectors = vectors.double() * torch.ldexp(torch.ones_like(longest), -powers)[:, None]
            exponents = powers.cpu().numpy().astype(np.int64)
        lengths = norms.cpu().numpy()
        if self._cosine:
            lengths = np.where(np.isfinite(lengths), 1.0, lengths)
        return Factor(vectors.to(self._type).to(self.device), lengths, exponents)

    def stream(self) -> AbstractContextManager[object]:
        """Returns a context in which a thread's work on the device runs beside that of other threads."""
        if self.device.type != "cuda":
            return nullcontext()
        stream: AbstractContextManager[object] = self._torch.cuda.stream(self._torch.cuda.Stream(self.device))
        return stream

    def finish(self) -> None:
        """Waits until the device has done this thread's work."""
        if self.device.type == "cuda":
            self._torch.cuda.current_stream(self.device).synchronize()

    def scores(self, queries: Factor, passages: Factor) -> torch.Tensor:
        """Returns the product in float32, divided by 2 to the power of both exponents."""
        left, right = queries.vectors, passages.vectors.T
        if self.device.type == "cuda" and self.in_halves:
            return self._torch.mm(left, right, out_dtype=self._torch.float32)
        return (left @ right).float()

    def score_error(self, queries: Factor, passages: Factor) -> Float64Array:
        """Returns how far the product's scores can lie from the reported ones, one bound per query."""
        longest = float(passages.norms.max(initial=0))
        return _core.score_error(self._dimension, self._roundoff, queries.norms, longest)

    def _lost(self, *, rounds: bool) -> float:
        """Returns the relative error of the product; `rounds` says whether the vectors are rounded to its type."""
        torch = self._torch
        lost = _UNIT_ROUNDOFF if self._cosine else 0.0
        if self.in_halves:
            roundoff = 2.0**-11 if self._type == torch.float16 else 2.0**-8
            if rounds:
                # float16 stores small components with fewer digits; the scaled vectors have lengths of at least 1/2.
                lost += roundoff + (self._dimension**0.5 * 2.0**-24 if self._scaled or self._cosine else 0.0)
            if self.device.type != "cuda":
                # The product itself is rounded to half precision, too.
                lost += roundoff
        else:
            # The caller may have allowed TF32 or bfloat16 products of float32.
            asked = {"highest": 0.0, "high": 2.0**-10, "medium": 2.0**-8}[torch.get_float32_matmul_precision()]
            if self.device.type == "cpu" and not asked:
                return lost
            # On other devices TF32 can be allowed in several ways, so it is always reckoned with.
            lost += asked if self.device.type == "cpu" else max(asked, 2.0**-10)
        return lost + self._dimension * _CUT_SUMS


def _fastest(device: torch.device, held: str) -> torch.dtype:
    """Returns the type to multiply in, for vectors that are stored as `held`."""
    import torch

    if device.type == "cuda" and torch.version.cuda is not None:
        has_bfloat16 = has_bfloat16_units(device)
        if torch.backends.cuda.matmul.allow_fp16_accumulation:
            # The caller allows sums in float16, whose error bound is too wide to be of use.
            return torch.bfloat16 if has_bfloat16 else torch.float32
        return torch.bfloat16 if has_bfloat16 and held == "bfloat16" else torch.float16
    if device.type == "cpu" and has_bfloat16_units(device):
        return torch.bfloat16
    return torch.float32
