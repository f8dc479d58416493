"""``mine_embeddings``: from vectors to hard negatives, without a depth to guess.

Positives are scored first, so every query's ceiling is known before the search, and the search looks for the best
passages *below it*: no query starves while the corpus holds enough, and nothing is found only to be rejected. Prefer
:func:`nvmine.mine` where scores are there already, and :func:`nvmine.mine_dataset` from texts: it keeps everything in a
run folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack

from nvmine.embeddings.collection import Collection
from nvmine.embeddings.inputs import read_passages, read_vectors
from nvmine.embeddings.search import Searching, mine_collection
from nvmine.errors import PolicyError, ShapeError
from nvmine.inputs.keys import read_keys
from nvmine.inputs.numbers import thread_count, whole_number
from nvmine.inputs.read import read_column
from nvmine.inputs.rows import signed
from nvmine.negatives import Negatives
from nvmine.policy import Policy, PolicyFields, takes_policy_fields
from nvmine.search import parse_memory
from nvmine.shingles import read_shingles

# Deeper lists are the whole matrix of scores, which `nvmine.mine` takes.
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

    The outcome is that of :func:`nvmine.mine` on the full matrix of scores in float64, ids and account alike, but that
    matrix is never made. O(queries x passages x dimension) time; memory as given, beside the vectors.

    Parameters
    ----------
    queries
        (n_queries, dimension) vectors: float16, bfloat16 (torch) or float32; a numpy array or memory map, or a tensor.
    corpus
        (n_passages, dimension) vectors likewise, or a sequence of such shards, whose rows are numbered through. Memory
        maps are read block by block, once for as many queries as `memory` holds the results of.
    positives
        Row numbers of each query's positives in the corpus: (n_queries,), or ragged rows. A negative one is none.
    similarity
        How vectors are compared: by ``dot`` product, or by ``cosine``, 0 where a vector is zero.
    query_ids
        (n_queries,) whole numbers or strings: keys of the draws, and names in messages. Default: the row number.
    exclude_ids
        Ragged rows of further passages that are never emitted, such as the query's own text.
    identity
        (n_passages,) whole numbers: passages with equal numbers are one passage.
    passage_texts, query_texts
        For `near_duplicate`, as in :func:`nvmine.mine`.
    depth
        Also keep so many of the best passages of each query, whatever the policy: ``candidates`` of the result, found
        in the same pass, lets :func:`nvmine.mine` apply another policy in no time. Default: none.
    memory
        Budget for blocks and results, such as ``"512M"``.
    device
        Where torch multiplies, such as ``"cuda"``, or several devices that share the corpus. Default: the core does, on
        the CPU; ``"cpu"`` pays on processors with AMX. The results are the same.
    threads
        How many threads work. Default: as many as the process may use.
    policy
        The whole rule; or give its fields as keywords, see :class:`nvmine.Policy`.
    **fields
        The fields of a policy, where `policy` is not given.

    Returns
    -------
    Negatives
        A row a query, or a row a positive for ``anchor="each"``, with float64 scores. Every passage of the corpus is
        accounted for; with `identity` or `near_duplicate` those too far down to matter are not compared, and count as
        ``beyond_pool`` or ``not_sampled``.

    Raises
    ------
    PolicyError
        An option or a field of the policy is wrong.
    ShapeError, DtypeError
        The arrays do not fit each other, or hold something else than vectors and ids.
    IdError
        A positive lies outside the corpus.
    ScoreError
        A query has no positive.
    SearchError
        A vector has a component that is NaN or infinite; the message names it. Or `memory` is no size.
    ShortError
        The corpus holds fewer than `n` for a query, under ``on_short="raise"``.

    Examples
    --------
    >>> import numpy as np, nvmine
    >>> corpus = np.eye(4, 3, dtype=np.float32) + np.float32(0.1)
    >>> nvmine.mine_embeddings(corpus[:2], corpus, [0, 1], n=2).ids
    array([[1, 2],
           [0, 2]])

    Kept candidates under another policy:

    >>> kept = nvmine.mine_embeddings(corpus[:2], corpus, [0, 1], n=2, depth=3).candidates
    >>> nvmine.mine(kept.scores, kept.pos_scores, ids=kept.ids, pos_ids=kept.pos_ids, method="margin", n=1).ids
    array([[1],
           [0]])
    """
    chosen = Policy.of(policy, fields)
    if similarity not in ("dot", "cosine"):
        raise PolicyError(f"must be 'dot' or 'cosine', not {similarity!r}", argument="similarity")
    kept = 0 if depth is None else whole_number("depth", depth, MOST_KEPT)
    searching = Searching(parse_memory(memory), similarity == "cosine", device, thread_count(threads), kept)
    own, passages = read_vectors("queries", queries), read_vectors("corpus", corpus)
    if own.dimension != passages.dimension or own.dimension == 0:
        raise ShapeError(f"queries have dimension {own.dimension}, the corpus {passages.dimension}")
    keys = None if query_ids is None else read_keys("query_ids", query_ids)
    if keys is not None and len(keys.keys) != len(own):
        raise ShapeError(f"query_ids has {len(keys.keys)} ids for {len(own)} queries")
    classes = None if identity is None else signed(read_column("identity", identity))
    if classes is not None and len(classes) != len(passages):
        raise ShapeError(f"identity has {len(classes)} numbers for {len(passages)} passages")
    texts = None
    if chosen.near_duplicate is not None:
        texts = read_shingles(passage_texts, query_texts, searching.threads)
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
    return mine_collection(collection, chosen, searching)
