"""Prints the summary of a checked run as plain text."""

from __future__ import annotations

from nvmine.audit import REASONS
from nvmine.run.agreement import agreement, agreement_text
from nvmine.run.proof.check import Summary
from nvmine.run.store.folder import Run


def summary_text(run: Run, summary: Summary) -> str:
    """Returns tables of what was mined, what became of the candidates, and how the scores are distributed."""
    manifest, data, totals = run.manifest, run.manifest.data, summary.totals
    pairs, complete = summary.pairs
    depth = run.teachers()[0].manifest.search.depth
    kept = ("candidates", "survivors", "emitted")
    lines = [
        f"{run.path}: every file, count and negative checked",
        "",
        f"data      {data['name']}, split {data['split']}",
        f"          {data['queries']:,} queries, {data['passages']:,} passages, {data['positives']:,} positives",
        f"teacher   {manifest.teacher.name}",
        f"rule      {_rule(run)}",
        "",
        f"{'candidates':<14} {'count':>14} {'share':>8}",
        *(_line(name, totals[name], totals["candidates"]) for name in kept),
        *(_line(f"- {name}", totals[name], totals["candidates"]) for name in REASONS if totals[name]),
        "",
        f"pairs with all {run.n} negatives   {complete:,} of {pairs:,}",
        f"short queries                {totals['short']:,}  ({run.short_because})",
        f"starved queries              {summary.starved:,}  (the corpus holds more)",
        "",
        f"{'scores':<14} {'positives':>10} {'negatives':>10} {'difference':>10}",
    ]
    for quantile, *values in summary.quantiles.iter_rows():
        shown = " ".join("         -" if value is None else f"{value:10.4f}" for value in values)
        lines.append(f"{_quantile(quantile):<14} {shown}")
    lines += ["", "positives that the teacher ranks worst", f"{'query':<24} {'positive':<24} {'score':>10} {'rank':>8}"]
    for query, positive, score, rank, kept in summary.worst.iter_rows():
        shown = f"> {depth}" if rank == 0 else str(rank)
        lines.append(f"{query[:24]:<24} {positive[:24]:<24} {score:10.4f} {shown:>8}{'' if kept else '  dropped'}")
    if run.is_ensemble:
        lines += [
            "",
            "how far the teachers agree (Jaccard)",
            agreement_text(agreement(run.members(), top=min(4, run.n))),
        ]
    return "\n".join(lines)


def _rule(run: Run) -> str:
    if run.is_ensemble:
        rule = run.manifest.policy
        duplicates = "" if rule["how"] == "cross" else f", duplicates {rule['duplicates']}"
        return f"{rule['how']}{duplicates}, {run.n} negatives of {len(rule['members'])} teachers"
    policy = run.policy
    detail = {
        "perc": f" {policy.percentage:g}",
        "margin": f" {policy.margin:g}",
        "abs": "",
        "naive": "",
        "shift": "",
    }[policy.method]
    bounds = [
        f", {name} {value:g}" for name in ("max_score", "min_score") if (value := getattr(policy, name)) is not None
    ]
    return f"{policy.method}{detail}{''.join(bounds)}, {policy.n} by {policy.sampling}, anchor {policy.anchor}"


def _line(name: str, count: int, candidates: int) -> str:
    return f"{name:<14} {count:>14,} {count / max(candidates, 1):>8.2%}"


def _quantile(quantile: float) -> str:
    return {0.0: "least", 0.5: "median", 1.0: "most"}.get(quantile, f"{quantile:.0%}")
