"""``mine_embeddings``: mines hard negatives from vectors, without a search depth to choose.

Positives are scored first, so every query's ceiling is known before the search, and the search looks for the best
passages *below the ceiling*. So no query is starved, and no candidate is found only to be rejected by its score. If you
already have scores, use :func:`nvmine.mine`. If you have texts, use :func:`nvmine.mine_dataset`, which stores
everything in a run folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack

from nvmine.embeddings.collection import Collection
from nvmine.embeddings.inputs import read_passages, read_vectors
from nvmine.embeddings.search import SearchOptions, mine_collection
from nvmine.errors import PolicyError, ShapeError
from nvmine.inputs.keys import read_keys
from nvmine.inputs.numbers import thread_count, whole_number
from nvmine.inputs.read import read_column
from nvmine.inputs.rows import signed
from nvmine.negatives import Negatives
from nvmine.policy import Policy, PolicyFields, takes_policy_fields
from nvmine.search import parse_memory
from nvmine.shingles import read_shingles

# To keep more candidates than this, compute the matrix of scores and pass it to `nvmine.mine`.
MOST_KEPT = 1 << 20


@takes_policy_fields
def mine_embeddings(
    queries: Any,
    corpus: Any,
    positives: Any,
    *,
    similarity: Literal["dot", "cosine"] = "dot",
    query_ids: Any = None,
    exclude_ids: Any = None,
    identity: Any = None,
    passage_texts: Any = None,
    query_texts: Any = None,
    depth: int | None = None,
    memory: str | int = "512M",
    device: str | Sequence[str] | None = None,
    threads: int | None = None,
    policy: Policy | None = None,
    **fields: Unpack[PolicyFields],
) -> Negatives:
    """Picks the hard negatives of every query from a whole corpus of vectors.

    The result equals that of :func:`nvmine.mine` on the full matrix of float64 scores, audit included, but that matrix
    is never held in memory. O(queries x passages x dimension) time; `memory` bytes beside the vectors.

    Parameters
    ----------
    queries
        (n_queries, dimension) vectors: float16, bfloat16 (torch) or float32, as a numpy array, memory map or tensor.
    corpus
        (n_passages, dimension) vectors in the same forms, or a sequence of such shards, whose rows are numbered
        consecutively. Memory maps are read block by block: once if the results of all queries fit into `memory`, else
        once for each part of the queries that does.
    positives
        Row numbers of each query's positives in the corpus: (n_queries,), or ragged rows. Negative numbers are ignored.
    similarity
        How vectors are compared: by ``dot`` product, or by ``cosine``, which is 0 if a vector is zero.
    query_ids
        (n_queries,) integers or strings that identify the queries in random draws and messages. Default: the row
        numbers.
    exclude_ids
        Ragged rows of further passages that never become negatives, such as the query's own text.
    identity
        (n_passages,) integers: passages with equal numbers count as the same passage.
    passage_texts, query_texts
        Texts that `near_duplicate` compares, as in :func:`nvmine.mine`.
    depth
        Number of each query's best passages to keep, whatever the policy, in [1, 2**20]. They are found in the same
        pass and are the `candidates` of the result, from which :func:`nvmine.mine` can apply another policy quickly.
        Default: none are kept.
    memory
        Budget for blocks and results, such as ``"512M"``, or a number of bytes.
    device
        Torch device that multiplies, such as ``"cuda"``, or several devices, which share the corpus. Default: nvmine
        itself multiplies, on the CPU; ``"cpu"`` is faster on processors with AMX. The results are the same.
    threads
        Number of threads. Default: as many as the process may use.
    policy
        The policy. You can pass its fields as keyword arguments instead, see :class:`nvmine.Policy`.
    **fields
        Fields of the policy, if `policy` is not given.

    Returns
    -------
    Negatives
        One row for each query, or one for each positive with ``anchor="each"``. The scores are float64. The audit
        counts every passage of the corpus. With `identity` or `near_duplicate`, survivors too far down to be picked are
        not compared, and count as ``beyond_pool`` or ``not_sampled``.

    Raises
    ------
    PolicyError
        An option or a policy field is invalid.
    ShapeError, DtypeError
        The arrays do not fit each other, or do not contain vectors and ids.
    IdError
        A positive or an excluded passage lies outside the corpus.
    ScoreError
        A query has no positive.
    SearchError
        A vector has a component that is NaN or infinite, and the message names it; or `memory` is not a size.
    ShortError
        A query got fewer than `n` negatives, with ``on_short="raise"``.

    Examples
    --------
    >>> import numpy as np, nvmine
    >>> corpus = np.eye(4, 3, dtype=np.float32) + np.float32(0.1)
    >>> nvmine.mine_embeddings(corpus[:2], corpus, [0, 1], n=2).ids
    array([[1, 2],
           [0, 2]])

    Keep candidates, and apply another policy to them:

    >>> kept = nvmine.mine_embeddings(corpus[:2], corpus, [0, 1], n=2, depth=3).candidates
    >>> nvmine.mine(kept.scores, kept.pos_scores, ids=kept.ids, pos_ids=kept.pos_ids, method="margin", n=1).ids
    array([[1],
           [0]])
    """
    chosen = Policy.of(policy, fields)
    if similarity not in ("dot", "cosine"):
        raise PolicyError(f"must be 'dot' or 'cosine', not {similarity!r}", argument="similarity")
    kept = 0 if depth is None else whole_number("depth", depth, MOST_KEPT)
    options = SearchOptions(parse_memory(memory), similarity == "cosine", device, thread_count(threads), kept)
    own, passages = read_vectors("queries", queries), read_vectors("corpus", corpus)
    if own.dimension != passages.dimension or own.dimension == 0:
        raise ShapeError(f"queries have dimension {own.dimension}, but the corpus has dimension {passages.dimension}")
    keys = None if query_ids is None else read_keys("query_ids", query_ids)
    if keys is not None and len(keys.keys) != len(own):
        raise ShapeError(f"query_ids has {len(keys.keys)} ids for {len(own)} queries")
    classes = None if identity is None else signed(read_column("identity", identity))
    if classes is not None and len(classes) != len(passages):
        raise ShapeError(f"identity has {len(classes)} numbers for {len(passages)} passages")
    texts = None
    if chosen.near_duplicate is not None:
        texts = read_shingles(passage_texts, query_texts, options.threads)
        for name, shingles, rows in (("passage", texts[0], passages), ("query", texts[1], own)):
            if shingles is not None and len(shingles) != len(rows):
                raise ShapeError(f"{name}_texts has {len(shingles)} texts for {len(rows)} vectors")
    collection = Collection(
        queries=own,
        corpus=passages,
        positives=read_passages("positives", positives, len(own), len(passages)),
        exclude=read_passages("exclude_ids", exclude_ids, len(own), len(passages)),
        keys=keys,
        classes=classes,
        texts=texts,
    )
    return mine_collection(collection, chosen, options)
