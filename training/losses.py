"""What training asks for: copies close, originals spread out, regions and patches in agreement."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

NEVER = -1e4
MOSTLY = 0.5
LEAST_PATCHES = 2


@dataclass(frozen=True)
class Memory:
    """Class tokens of earlier steps, (m, d) unit rows, and the picture each belongs to, (m,).

    Harmful before the features have settled: a step then escapes its stale negatives by moving
    all of its own rows the same way, and the rows collapse (see ``training/LOG.md``).
    """

    tokens: Tensor
    pictures: Tensor

    def pushed(self, tokens: Tensor, pictures: Tensor, limit: int) -> Memory:
        """Put new rows in front and forget the oldest beyond the limit."""
        return Memory(
            torch.cat([tokens.detach(), self.tokens])[:limit],
            torch.cat([pictures, self.pictures])[:limit],
        )


def copy_loss(tokens: Tensor, pictures: Tensor, memory: Memory, temperature: float) -> Tensor:
    """InfoNCE over (2b, d) unit rows whose second half are the copies of the first, in order.

    Every other row of the step and of the memory is a negative, those of the same picture left
    out (NT-Xent, Chen et al., 2020; cross-batch memory, Wang et al., 2020).
    """
    half = len(pictures)
    twice = pictures.repeat(2)
    logits = tokens @ tokens.T / temperature
    partner = torch.arange(2 * half, device=tokens.device).roll(half)
    same = twice[:, None] == twice[None]
    same[torch.arange(2 * half, device=tokens.device), partner] = False
    logits = logits.masked_fill(same, NEVER)
    if len(memory.tokens):
        older = tokens @ memory.tokens.T / temperature
        older = older.masked_fill(twice[:, None] == memory.pictures[None], NEVER)
        logits = torch.cat([logits, older], 1)
    return F.cross_entropy(logits, partner)


def threshold_loss(
    tokens: Tensor, pictures: Tensor, temperature: float, threshold: float
) -> Tensor:
    """Put copies above one similarity and all else below it, over rows as in `copy_loss`.

    InfoNCE orders the rows of each query by themselves; a search has one threshold for all of
    them (pairwise sigmoid loss, Zhai et al., 2023, with a fixed bias).
    """
    half = len(pictures)
    twice = pictures.repeat(2)
    logits = (tokens @ tokens.T - threshold) / temperature
    other = twice[:, None] != twice[None]
    copies = torch.diagonal(logits, half)
    return F.softplus(-copies).mean() + F.softplus(logits)[other].sum() / (2 * half)


def koleo_loss(rows: Tensor) -> Tensor:
    """Kozachenko-Leonenko entropy term over (n, d) unit rows (SSCD, Pizzi et al., 2022, eq. 4)."""
    with torch.no_grad():
        similarity = rows @ rows.T
        similarity.fill_diagonal_(NEVER)
        nearest = similarity.argmax(1)
    return -torch.log((rows - rows[nearest]).norm(dim=1) + 1e-4).mean()


def matched_loss(left: Tensor, right: Tensor, groups: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE between (n, d) unit rows; row i belongs to row i.

    Other rows of the same group, (n,), are neither positive nor negative.
    """
    if len(left) < 2:
        return left.sum() * 0.0
    same = groups[:, None] == groups[None]
    same.fill_diagonal_(False)
    logits = (left @ right.T / temperature).masked_fill(same, NEVER)
    target = torch.arange(len(left), device=left.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def pooled(patches: Tensor, weights: Tensor) -> Tensor:
    """Average (b, n, d) patch tokens with (b, n) weights into (b, d) unit rows."""
    return F.normalize(torch.bmm(weights[:, None], patches).squeeze(1), dim=1)


def region_weights(trace: Tensor) -> tuple[Tensor, Tensor]:
    """Return which patches of the first and of the second view show the same: two (b, n) floats.

    ``trace`` is (b, n): for each patch of the second view the one of the first, or -1.
    """
    shown = (trace >= 0).float()
    first = torch.zeros_like(shown).scatter_add_(1, trace.clamp(min=0), shown)
    return (first > 0).float(), shown


def region_loss(first: Tensor, second: Tensor, trace: Tensor, temperature: float) -> Tensor:
    """Teach a region's mean patch token to equal the class token of a view that shows just it.

    ``first`` and ``second`` are (b, 1 + n, d) tokens of the two views of each picture. Region of
    one against region of the other always; against the class token where the region is most of
    what that view shows.
    """
    in_first, in_second = region_weights(trace)
    enough = in_second.sum(1) >= LEAST_PATCHES
    from_first, from_second = pooled(first[:, 1:], in_first), pooled(second[:, 1:], in_second)
    classes = F.normalize(first[:, 0], dim=1), F.normalize(second[:, 0], dim=1)
    group = torch.arange(len(trace), device=trace.device)
    terms = []
    for left, right, use in (
        (from_first, from_second, enough),
        (from_first, classes[1], enough & (in_second.mean(1) > MOSTLY)),
        (from_second, classes[0], enough & (in_first.mean(1) > MOSTLY)),
    ):
        terms.append(matched_loss(left[use], right[use], group[use], temperature))
    return torch.stack(terms).mean()


def patch_loss(
    first: Tensor,
    second: Tensor,
    trace: Tensor,
    temperature: float,
    *,
    each: int,
    generator: torch.Generator,
) -> Tensor:
    """Contrast traced patches of (b, n, d) tokens, ``each`` per picture (cf. CopyNCE, 2025)."""
    shown = (trace >= 0).float().cpu() + 1e-9
    each = min(each, shown.shape[1])
    chosen = torch.multinomial(shown, each, generator=generator).to(trace.device)
    there = trace.gather(1, chosen)
    good = there >= 0
    picture = torch.arange(len(trace), device=trace.device)[:, None].expand_as(chosen)[good]
    left = F.normalize(first[picture, there[good]], dim=1)
    right = F.normalize(second[picture, chosen[good]], dim=1)
    place = picture * trace.shape[1] + there[good]
    return matched_loss(left, right, place, temperature)
