"""Near-duplicates of a corpus in groups, each with the picture or video that stands for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from indexer.originals import Originals
from indexer.store.catalog.catalog import Catalog, Encoding
from indexer.store.catalog.decisions import Decision, Decisions
from indexer.store.catalog.links import FileLink, Names, names_of
from indexer.store.vectors.space import Space
from indexer.types import Absence, Int64, Kind, Sample
from search.duplicates.pairs import Pair, PairVerifier, Relation, candidate_pairs, related
from search.duplicates.videos import VideoPairs
from search.verdict import COPIES, Verdict


@dataclass(frozen=True, kw_only=True)
class Member:
    """A sample of a group; score and verdict are against the representative.

    ``score`` is cosine similarity; ``decided`` says that a person called it the same. Of videos,
    ``share_query`` is the fraction of the representative that the member shows, ``share_sample``
    that of the member which the representative shows.
    """

    sample: Sample
    score: float
    verdict: Verdict
    decided: bool = False
    share_query: float | None = None
    share_sample: float | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Samples that show one picture; ``representative`` is the first of ``members``.

    ``id`` is the smallest of the members' ids.
    """

    id: int
    representative: Sample
    members: tuple[Member, ...]


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """All groups, the largest first, and how many pairs were compared pixel by pixel.

    ``unavailable`` files could not be opened; they are no one's copies but by their own bytes.
    ``links`` are paths that are only further names of a file; they are in no group.
    """

    groups: tuple[Group, ...]
    pairs_checked: int
    unavailable: int
    links: tuple[FileLink, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the groups as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Link:
    """Two samples that belong together."""

    pair: Pair
    relation: Relation | None  # None where a person said so


@dataclass(frozen=True)
class _Comparer:
    """Compares pictures with pictures, and videos with videos."""

    images: PairVerifier
    videos: VideoPairs

    def candidates(self, space: Space, images: Int64, min_score: float | None) -> list[Pair]:
        pairs = candidate_pairs(space, images, min_score=min_score)
        return pairs + self.videos.candidates(min_score=min_score)

    def relate(self, pair: Pair) -> Relation | None:
        films = (pair.first in self.videos, pair.second in self.videos)
        if films[0] is not films[1]:
            return None
        return self.videos.relate(pair) if films[0] else self.images.relate(pair)

    def score(self, first: int, second: int) -> float:
        return self.images.score(first, second)

    @property
    def absent(self) -> dict[int, Absence]:
        """Which samples' files could not be opened so far, by their ids."""
        return self.images.absent | self.videos.absent


def find_duplicates(
    catalog: Catalog,
    space: Space,
    *,
    allowed: Int64 | None = None,
    min_score: float | None = None,
    progress: Callable[[str, float], object] = lambda step, share: None,
) -> Duplicates:
    """Group the near-duplicates of a space, or among the ``allowed`` ids: images, and videos.

    Copies are verified by their pixels; a decision that two of them are the same or different
    stands above that. A video is one member, which its first frame stands for. Further files of
    one content are exact members of its group; links to one file are none. ``progress`` hears the
    share of each step that is done.
    """
    ids = space.ids() if allowed is None else np.intersect1d(space.ids(), allowed)
    found = catalog.samples(ids.tolist())
    images = {one.id: one for one in found if one.kind is Kind.IMAGE}
    videos = _first_frames(found)
    names = names_of(catalog, (one.sha256 for one in found))
    samples = {id_: _by_its_file(one, names) for id_, one in (images | videos).items()}
    decisions = Decisions(catalog)
    comparer = _Comparer(
        PairVerifier(catalog, space, images), VideoPairs(catalog, space, list(videos.values()))
    )
    pairs = [
        pair
        for pair in comparer.candidates(space, np.array(sorted(images), np.int64), min_score)
        if samples[pair.first].sha256 != samples[pair.second].sha256  # pages of one file
        and _decided(decisions, samples, pair.first, pair.second) is None
    ]
    progress("looking for pairs", 1.0)
    links = [
        _Link(pair, relation)
        for pair, relation in related(comparer.relate, pairs, progress)
        if relation is not None and relation.verdict in COPIES
    ]
    links += _said_same(comparer, samples, decisions)
    paths = _further_files(names, samples)
    encodings = catalog.encodings(list(samples))
    sets = _joined(links, samples, decisions) + [{one} for one in paths]
    by_first: dict[int, list[_Link]] = {}
    for link in links:
        by_first.setdefault(link.pair.first, []).append(link)
    groups = [
        _group(members, by_first, samples, paths, encodings, comparer) for members in _merged(sets)
    ]
    groups.sort(key=lambda group: (-len(group.members), group.id))
    members = [one.sample for group in groups for one in group.members]
    lost = {(one, samples[one].path): why for one, why in comparer.absent.items()}
    absent = lost | Originals(catalog).absent_at(members)
    return Duplicates(
        groups=tuple(_without_files(group, absent) for group in groups),
        pairs_checked=len(pairs),
        unavailable=len(absent),
        links=tuple(link for one in names.values() for link in one.links),
    )


def _without_files(group: Group, absent: Mapping[tuple[int, str], Absence]) -> Group:
    """Say which members' files are not there any more."""

    def told(sample: Sample) -> Sample:
        why = absent.get((sample.id, sample.path))
        return sample if why is None else sample.without_file(why)

    members = tuple(replace(one, sample=told(one.sample)) for one in group.members)
    return replace(group, representative=told(group.representative), members=members)


def _first_frames(samples: Iterable[Sample]) -> dict[int, Sample]:
    """Return the first frame of each video, by its id."""
    frames = sorted(
        (one for one in samples if one.kind is Kind.FRAME),
        key=lambda one: (one.time_s or 0.0, one.id),
    )
    first: dict[str, Sample] = {}
    for one in frames:
        first.setdefault(one.sha256, one)
    return {one.id: one for one in first.values()}


def _decided(
    decisions: Decisions, samples: dict[int, Sample], one: int, other: int
) -> Decision | None:
    return decisions.about(samples[one].sha256, samples[other].sha256)


def _said_same(
    comparer: _Comparer, samples: dict[int, Sample], decisions: Decisions
) -> list[_Link]:
    """Return the links that people made between samples that are here."""
    by_content = {one.sha256: one.id for one in samples.values()}
    links = []
    for one in decisions.all:
        if one.decision is Decision.SAME and {one.first, one.second} <= by_content.keys():
            first, second = sorted((by_content[one.first], by_content[one.second]))
            links.append(_Link(Pair(first, second, comparer.score(first, second)), None))
    return links


def _by_its_file(sample: Sample, names: dict[str, Names]) -> Sample:
    """Name a sample by its file, where it is named by a link to it."""
    links = names[sample.sha256].links if sample.sha256 in names else ()
    file = next((link.of for link in links if link.path == sample.path), sample.path)
    return replace(sample, path=file)


def _further_files(names: dict[str, Names], samples: dict[int, Sample]) -> dict[int, list[str]]:
    """Return the other files of contents that occur more than once, links not counted."""
    further = {
        one.id: [path for path in names[one.sha256].files if path != one.path]
        for one in samples.values()
        if one.sha256 in names
    }
    return {id_: paths for id_, paths in further.items() if paths}


def _joined(
    links: Sequence[_Link], samples: dict[int, Sample], decisions: Decisions
) -> list[set[int]]:
    """Join what is linked, people's links first, the nearest next.

    Two sets stay apart where any of one was called different from any of the other.
    """
    sets = {id_: {id_} for link in links for id_ in (link.pair.first, link.pair.second)}
    foes = _called_different(samples, decisions)
    for link in sorted(links, key=lambda link: (link.relation is not None, -link.pair.score)):
        few, many = sorted((sets[link.pair.first], sets[link.pair.second]), key=len)
        if few is many or any(not foes[one].isdisjoint(many) for one in few if one in foes):
            continue
        many |= few
        sets.update(dict.fromkeys(few, many))
    distinct = {id(each): each for each in sets.values()}
    return [each for each in distinct.values() if len(each) > 1]


def _called_different(samples: dict[int, Sample], decisions: Decisions) -> dict[int, set[int]]:
    """Return, for each sample that was told from others, which these are."""
    by_content: dict[str, set[int]] = {}
    for one in samples.values():
        by_content.setdefault(one.sha256, set()).add(one.id)
    foes: dict[int, set[int]] = {}
    for decided in decisions.all:
        first = by_content.get(decided.first, set())
        second = by_content.get(decided.second, set())
        if decided.decision is Decision.DIFFERENT:
            for own, others in ((first, second), (second, first)):
                for id_ in own:
                    foes.setdefault(id_, set()).update(others)
    return foes


def _merged(sets: Sequence[set[int]]) -> list[set[int]]:
    """Drop the sets that are part of an earlier one."""
    kept: list[set[int]] = []
    seen: set[int] = set()
    for each in sets:
        if not each <= seen:
            kept.append(each)
            seen |= each
    return kept


def _group(
    members: set[int],
    links: Mapping[int, Sequence[_Link]],
    samples: dict[int, Sample],
    paths: dict[int, list[str]],
    encodings: Mapping[int, Encoding],
    comparer: _Comparer,
) -> Group:
    inside = {
        (link.pair.first, link.pair.second): link for one in members for link in links.get(one, ())
    }
    first = _representative(members, inside.values(), samples, encodings)
    found = [_itself(samples[first])]
    for one in sorted(members - {first}):
        low, high = sorted((first, one))
        found.append(_member(samples[one], inside.get((low, high)), first, comparer))
    for member in tuple(found):
        copies = (replace(member.sample, path=path) for path in paths.get(member.sample.id, ()))
        found += [replace(member, sample=copy) for copy in copies]
    found[1:] = sorted(found[1:], key=lambda one: (-one.score, one.sample.path))
    return Group(id=min(members), representative=samples[first], members=tuple(found))


def _itself(sample: Sample) -> Member:
    whole = 1.0 if sample.kind is Kind.FRAME else None
    return Member(
        sample=sample, score=1.0, verdict=Verdict.EXACT, share_query=whole, share_sample=whole
    )


def _member(sample: Sample, link: _Link | None, first: int, comparer: _Comparer) -> Member:
    """Describe a member against the representative, comparing them where nobody did yet."""
    if link is None:
        low, high = sorted((first, sample.id))
        pair = Pair(low, high, comparer.score(low, high))
        relation = comparer.relate(pair)
        otherwise = Verdict.SIMILAR
    else:
        pair, relation, otherwise = link.pair, link.relation, Verdict.COPY
    shares = None if relation is None else relation.shares
    share_query, share_sample = shares or (None, None)
    if pair.first != first:
        share_query, share_sample = share_sample, share_query
    return Member(
        sample=sample,
        score=pair.score,
        verdict=otherwise if relation is None else relation.verdict,
        decided=link is not None and relation is None,
        share_query=share_query,
        share_sample=share_sample,
    )


def _representative(
    members: set[int],
    links: Iterable[_Link],
    samples: dict[int, Sample],
    encodings: Mapping[int, Encoding],
) -> int:
    """Choose the widest view, then the largest picture, then the least compressed one."""
    crops = dict.fromkeys(members, 0)
    for link in links:
        if link.relation is not None and link.relation.is_crop_of is not None:
            crops[link.relation.is_crop_of] += 1

    def rank(one: int) -> tuple[int, int, int, int]:
        sample = samples[one]
        return crops[one], -sample.width * sample.height, -encodings[one].bytes, one

    return min(members, key=rank)
