"""The slow, obvious twin of the rule: one query at a time, plain numbers, the nine steps in order.

It imports nothing of nvmine and uses no array library, so that a mistake cannot be in both. Read ``mine`` from the top.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

REASONS = (
    "padding",
    "not_finite",
    "positive",
    "duplicate",
    "no_anchor",
    "ceiling",
    "floor",
    "near_duplicate",
    "shifted",
    "beyond_pool",
    "not_sampled",
    "dropped",
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The fields of a policy, with the defaults that the design states."""

    method: str = "perc"
    percentage: float = 0.95
    margin: float = 0.05
    max_score: float | None = None
    min_score: float | None = None
    near_duplicate: float | None = None
    shift: int | None = None
    pool: int | str | None = None
    n: int = 4
    sampling: str = "top"
    first: int = 0
    temperature: float = 1.0
    simans_a: float = 0.5
    simans_b: float = 0.0
    bins: int = 10
    anchor: str = "min"
    on_short: str = "keep"
    on_missing: str = "raise"
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Query:
    """One query: its candidates, its positives, and what it must never be given."""

    scores: list[float]
    positive_scores: list[float]
    ids: list[int] | None = None  # None: the column numbers
    ids_type: str = "int64"
    excluded: list[int] = field(default_factory=list)
    positives: list[int] = field(default_factory=list)  # Those of the excluded that come as positives.
    text: str | None = None  # The query's own
    texts: list[str] | None = None  # Of the passages
    classes: list[int] | None = None
    key: int = 0


@dataclass
class Outcome:
    """One row of the result, and the fate of every candidate: "emitted", or the reason for its rejection."""

    fates: list[str]
    ceiling: float = math.nan
    ids: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    # The last to win and the first to lose a race arrived so close that the last bit of a logarithm may decide.
    photo_finish: bool = False


class RefusalError(Exception):
    """The query cannot be mined; `kind` is "score", "id" or "short"."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def mine(query: Query, rule: Rule) -> list[Outcome]:
    """The results of one query: one, or one for each positive."""
    places = range(len(query.scores))
    ids = list(places) if query.ids is None else query.ids
    fates: dict[int, str] = {}

    def left() -> list[int]:
        return [place for place in places if place not in fates]

    excluded = {class_of(passage, query) for passage in query.excluded if passage >= 0}
    if not all(math.isfinite(score) for score in query.positive_scores):
        raise RefusalError("score")

    # 1. Sentinels, then scores that are no numbers.
    for place in left():
        if is_padding(ids[place], query.ids_type):
            fates[place] = "padding"
        elif not math.isfinite(query.scores[place]):
            fates[place] = "not_finite"

    # 2. Positives and the query itself; then all but the best of several candidates that are one passage.
    for place in left():
        if class_of(ids[place], query) in excluded:
            fates[place] = "positive"

    seen = set()
    for place in sorted(left(), key=lambda place: (-query.scores[place], ids[place])):
        passage = class_of(ids[place], query)
        if passage in seen:
            fates[place] = "duplicate"
        seen.add(passage)

    # 3. What the ceiling is relative to.
    if not query.positive_scores:
        if rule.on_missing == "raise":
            raise RefusalError("score")
        fates |= dict.fromkeys(left(), "no_anchor")
        return [] if rule.anchor == "each" else [Outcome([fates[place] for place in places])]
    return [for_anchor(query, rule, ids, dict(fates), anchor) for anchor in anchors(query.positive_scores, rule)]


def for_anchor(query: Query, rule: Rule, ids: list[int], fates: dict[int, str], anchor: float) -> Outcome:
    """The rest of the rule, for the candidates that have met no fate yet."""
    scores = query.scores
    valid = sorted((place for place in range(len(scores)) if place not in fates), key=lambda p: (-scores[p], ids[p]))

    # 4. Strictly below the ceiling, at or above the floor.
    ceiling = ceiling_of(anchor, rule)
    for place in valid:
        if scores[place] >= ceiling:
            fates[place] = "ceiling"
        elif rule.min_score is not None and scores[place] < rule.min_score:
            fates[place] = "floor"

    # 5. The survivors, best first, ties by id.
    survivors = [place for place in valid if place not in fates]

    shift = rule.shift if rule.shift is not None else 10 if rule.method == "shift" else 0
    pool_size = rule.pool
    if pool_size is None:
        pool_size = "all" if rule.sampling == "top" else max(10, rule.n)

    # Those that are too similar to something better; nobody looks further than the picks need.
    if rule.near_duplicate is not None:
        enough = rule.n if rule.sampling == "top" else math.inf if pool_size == "all" else pool_size
        near = near_duplicates(query, rule.near_duplicate, [(place, ids[place]) for place in survivors], shift + enough)
        fates |= dict.fromkeys(near, "near_duplicate")
        survivors = [place for place in survivors if place not in near]

    # 6. and 7. Those before and those after the pool.
    end = len(survivors) if pool_size == "all" else shift + pool_size
    fates |= dict.fromkeys(survivors[:shift], "shifted")
    fates |= dict.fromkeys(survivors[end:], "beyond_pool")
    pool = survivors[shift:end]

    # 8. The picks, in score order.
    entrants = [(scores[place], ids[place]) for place in pool]
    winners, photo_finish = pick(entrants, anchor, query.key, rule)
    picks = [pool[winner] for winner in winners]
    fates |= {place: "emitted" if place in picks else "not_sampled" for place in pool}

    # 9. Too few are kept, dropped or refused, never filled up.
    if len(picks) < rule.n:
        if rule.on_short == "raise":
            raise RefusalError("short")
        if rule.on_short == "drop":
            fates |= dict.fromkeys(picks, "dropped")
            picks = []

    return Outcome(
        fates=[fates[place] for place in range(len(scores))],
        ceiling=ceiling,
        ids=[ids[place] for place in picks],
        scores=[scores[place] for place in picks],
        ranks=[valid.index(place) + 1 for place in picks],
        photo_finish=photo_finish,
    )


def near_duplicates(query: Query, share: float, survivors: list[tuple[int, int]], enough: float) -> set[int]:
    """The places of survivors (place, id), best first, that are near a positive, the query or a better one."""
    shown = [] if query.text is None else [shingles(query.text)]
    shown += [shingles(text_of(passage, query)) for passage in query.positives if passage >= 0]
    near: set[int] = set()
    kept = 0
    for place, passage in survivors:
        if kept >= enough:
            break
        own = shingles(text_of(passage, query))
        if any(own & other and len(own & other) / len(own | other) >= share for other in shown):
            near.add(place)
        else:
            shown.append(own)
            kept += 1
    return near


def text_of(passage: int, query: Query) -> str:
    """The text of a passage that there is."""
    if query.texts is None or passage >= len(query.texts):
        raise RefusalError("id")
    return query.texts[passage]


def shingles(text: str) -> set[tuple[str, ...]]:
    """All runs of three words, or of as many as there are."""
    words = "".join(letter if letter.isalnum() else " " for letter in text.casefold()).split()
    size = min(3, len(words))
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)} if words else set()


def is_padding(number: int, ids_type: str) -> bool:
    """Negative; or the maximum of an unsigned type, or in one beyond what int64 can emit."""
    if ids_type.startswith("u"):
        return number == 2 ** int(ids_type.removeprefix("uint")) - 1 or number >= 2**63
    return number < 0


def class_of(passage: int, query: Query) -> int:
    """What makes two passages one: their class, or else their id."""
    if query.classes is None:
        return passage
    if not 0 <= passage < len(query.classes):
        raise RefusalError("id")
    return query.classes[passage]


def anchors(positive_scores: list[float], rule: Rule) -> list[float]:
    """The positive score, or scores, that count."""
    if rule.anchor == "each":
        return positive_scores
    if rule.anchor == "mean":
        total = 0.0
        for score in sorted(positive_scores):  # Not sum(), which newer Pythons round in another way.
            total += score
        return [total / len(positive_scores)]
    return [{"min": min, "max": max}[rule.anchor](positive_scores)]


def ceiling_of(anchor: float, rule: Rule) -> float:
    """What scores must be strictly below."""
    ceiling = math.inf
    if rule.method == "margin":
        ceiling = anchor - rule.margin
    elif rule.method == "perc":
        ceiling = anchor - (1.0 - rule.percentage) * abs(anchor)
    max_score = 0.7 if rule.method == "abs" and rule.max_score is None else rule.max_score
    return ceiling if max_score is None else min(ceiling, max_score)


def pick(entrants: list[tuple[float, int]], anchor: float, key: int, rule: Rule) -> tuple[list[int], bool]:
    """The places of at most `n` entrants (score, id), which come best first; and whether it was a photo finish."""
    wanted = min(rule.n, len(entrants))
    certain = wanted if rule.sampling == "top" else min(rule.first, wanted)
    racers = entrants[certain:]
    log_weights = log_weights_of([score for score, _ in racers], anchor, rule)
    # An exponential variate of rate w is -ln(u) / w; the order of its logarithm is the same.
    arrivals = [
        (math.log(-math.log(uniform(rule.seed, key, passage))) - log_weight, place)
        for place, ((_, passage), log_weight) in enumerate(zip(racers, log_weights, strict=True), certain)
    ]
    arrivals.sort()
    free = wanted - certain
    winners = [place for _, place in arrivals[:free]]
    photo_finish = 0 < free < len(arrivals) and math.isclose(
        arrivals[free - 1][0], arrivals[free][0], rel_tol=1e-9, abs_tol=1e-9
    )
    return sorted([*range(certain), *winners]), photo_finish


def log_weights_of(scores: list[float], anchor: float, rule: Rule) -> list[float]:
    """The logarithm of every racer's weight."""
    if rule.sampling in ("top", "uniform"):
        return [0.0 for _ in scores]
    if rule.sampling == "softmax":
        return [score / rule.temperature for score in scores]
    if rule.sampling == "simans":
        distances = [score - anchor - rule.simans_b for score in scores]
        return [-rule.simans_a * distance * distance for distance in distances]
    # bins: every bin that holds a score has the same weight, shared by those in it.
    bins = [bin_of(score, max(scores), min(scores), rule.bins) for score in scores]
    return [-math.log(bins.count(own)) for own in bins]


def bin_of(score: float, best: float, worst: float, bins: int) -> int:
    """The bin among `bins` of equal width, from the best score down to the worst."""
    if best == worst:
        return 0
    return min(math.floor((best - score) / (best - worst) * bins), bins - 1)


def uniform(seed: int, key: int, passage: int) -> float:
    """A number in (0, 1) made from all three, and from nothing else: 52 bits of a hash and a half."""
    step = 0x9E3779B97F4A7C15
    bits = 0
    for part in (seed, key, passage):
        bits = splitmix64_finaliser(bits ^ ((part + step) % 2**64))
    return ((bits >> 12) + 0.5) / 2**52


def splitmix64_finaliser(bits: int) -> int:
    """Steele, Lea and Flood 2014, figure 16."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB % 2**64
    return bits ^ (bits >> 31)


def key_of(query_id: int | str) -> int:
    """The key of a query: its number, or the first eight bytes of its text's BLAKE2b."""
    if isinstance(query_id, str):
        return int.from_bytes(hashlib.blake2b(query_id.encode(), digest_size=8).digest(), "little")
    return query_id % 2**64
