"""Near-duplicates among some samples, remembered for the next time the same ones are asked for."""

from __future__ import annotations

import hashlib

from indexer.errors import StoreError
from indexer.store.catalog.catalog import Catalog
from indexer.store.catalog.decisions import Decision, Decisions
from indexer.store.durable import keep_if_possible, read_sealed_json, write_sealed_json
from indexer.store.vectors.space import Space
from indexer.types import Int64
from search.duplicates.pairs import PairVerifier, candidate_pairs, related
from search.verdict import COPIES

CERTAIN = 0.995  # cosine of pictures whose files are gone, for them to be called one picture
REMEMBERED = "near-pairs.json"

Pair = tuple[int, int]


def near_pairs(catalog: Catalog, space: Space, ids: Int64) -> list[Pair]:
    """Return the pairs of samples that show the same picture, smaller id first, rising.

    What people decided about a pair overrules the pixels. Samples of one content are left out:
    they share a group anyway.
    """
    samples = {one.id: one for one in catalog.samples(ids.tolist())}
    contents = {id_: one.sha256 for id_, one in samples.items()}
    decisions = Decisions(catalog)
    by_content = {content: id_ for id_, content in contents.items()}
    said = [one for one in decisions.all if {one.first, one.second} <= by_content.keys()]
    decided = {_ordered(by_content[one.first], by_content[one.second]): one for one in said}
    found = {pair for pair, one in decided.items() if one.decision is Decision.SAME}
    pairs = [
        pair
        for pair in candidate_pairs(space, ids)
        if (pair.first, pair.second) not in decided
        and contents[pair.first] != contents[pair.second]
    ]
    verifier = PairVerifier(catalog, space, samples)
    for pair, relation in related(verifier.relate, pairs):
        # where a file is gone the vectors are all that is left
        same = pair.score >= CERTAIN if relation is None else relation.verdict in COPIES
        if same:
            found.add((pair.first, pair.second))
    return sorted(found)


def remembered_pairs(catalog: Catalog, space: Space, ids: Int64) -> list[Pair]:
    """Return `near_pairs`, from the index where the same samples were looked at before."""
    path = catalog.index / "probes" / REMEMBERED
    decisions = [(one.first, one.second, one.decision.value) for one in Decisions(catalog).all]
    known = repr((space.row.fingerprint, ids.tolist(), decisions))
    key = hashlib.sha256(known.encode()).hexdigest()
    try:
        kept = read_sealed_json(path)
    except StoreError:
        kept = {}  # missing, damaged or unreadable: it is only a memory
    if kept.get("key") == key:
        return [(int(a), int(b)) for a, b in kept["pairs"]]
    pairs = near_pairs(catalog, space, ids)
    value = {"key": key, "pairs": [list(pair) for pair in pairs]}
    keep_if_possible(lambda: write_sealed_json(path, value))
    return pairs


def _ordered(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)
