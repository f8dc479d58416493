"""What is mined: queries, the corpus, and what is known of either."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nvmine.data import Vectors
from nvmine.inputs.keys import Keys
from nvmine.inputs.rows import Rows
from nvmine.shingles import Shingles

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Collection:
    """Passages are row numbers of the corpus; `classes` and `texts` are None where nothing asks for them."""

    queries: Vectors
    corpus: Vectors
    positives: Rows
    exclude: Rows
    keys: Keys | None
    classes: Int64Array | None
    texts: tuple[Shingles, Shingles | None] | None
