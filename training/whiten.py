"""Use the room the class token leaves empty: ``python -m training.whiten --encoder E --photos P``.

Contrastive training leaves most of the variance in few directions (dimensional collapse: Jing et
al., 2022), and a cosine hardly sees the others. Whitening gives them weight (as after SSCD: Pizzi
et al., 2022). Here it is no layer of its own: the whole residual stream is turned until the
directions to be scaled are its channels, and the scales of the last LayerNorm do the rest.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch
from torch import Tensor

from training.evaluate import encode
from training.export import export, read_exported
from training.model import State, build, depth_of, image_of
from training.photos import draw_pictures, photo_paths, read_rgb

GROUP = 8  # channels that hold directions of like variance
POWER = 0.25  # of the variances: 0 leaves all as it is, 0.5 whitens
FLOOR = 3e-3  # of the largest variance: directions below it hold noise and what all share


def whitened(state: State, tokens: Tensor, power: float = POWER) -> State:
    """Return a state whose class tokens are ``tokens`` (n, d) of the given one, whitened in part.

    Cosines between the new tokens are close to those between ``tokens @ basis / variance**power``,
    by the eigenvectors and eigenvalues of the covariance of unit rows: of the directions of least
    variance, one in ``GROUP`` keeps no scale of its own (see `_channels`).
    """
    rows = torch.nn.functional.normalize(tokens.double(), dim=1)
    variance, basis = torch.linalg.eigh(torch.cov(rows.T))
    scales = (variance.clamp(min=0) + FLOOR * variance.max()) ** -power
    towards = (basis * scales).T
    towards *= tokens.norm(dim=1).mean() / (tokens.double() @ towards.T).norm(dim=1).mean()
    return _rescaled(state, towards)


def _rescaled(state: State, towards: Tensor) -> State:
    """Make every token what ``towards`` (d, d) makes of it, but for a rotation of all of them."""
    gain, shift = state["norm.weight"].double(), state["norm.bias"].double()
    size = len(gain)
    flat = torch.ones(size, 1, dtype=torch.float64) / size**0.5
    onto = towards * gain
    onto = onto - (onto @ flat) @ flat.T  # LayerNorm takes the mean: nothing lies along it
    left, stretch, right = torch.linalg.svd(onto)
    left, stretch, right = left.flip(1), stretch.flip(0), right.flip(0)
    channels = _channels(size)
    turned = _turned(state, channels @ right[1:] + flat @ flat.T)
    inside = stretch[1 : 1 + size - size // GROUP].reshape(-1, GROUP - 1)
    turned["norm.weight"] = torch.cat([inside, inside[:, -1:]], 1).flatten().float()
    moved = left.T @ towards @ shift
    turned["norm.bias"] = (channels @ moved[1:] + flat[:, 0] * moved[0]).float()
    return turned


def _channels(size: int) -> Tensor:
    """Return where directions go: (d, d - 1) orthonormal columns, none with a mean.

    A direction cannot have a channel for itself, as the channels' mean must stay. Those of like
    scale share a group of channels, so that what spills over spills among them. As many as there
    are groups, less one, lie across the groups: the last ones.
    """
    groups = size // GROUP
    within = torch.kron(torch.eye(groups, dtype=torch.float64), _centred_axes(GROUP))
    level = torch.ones(GROUP, 1, dtype=torch.float64) / GROUP**0.5
    across = torch.kron(_centred_axes(groups), level)
    return torch.cat([within, across], 1)


def _centred_axes(size: int) -> Tensor:
    """Return the orthonormal (n, n - 1) columns without a mean that are nearest to the axes."""
    axes = torch.eye(size, dtype=torch.float64)[:, :-1] - 1 / size
    left, _, right = torch.linalg.svd(axes, full_matrices=False)
    nearest: Tensor = left @ right
    return nearest


def _turned(state: State, turn: Tensor) -> State:
    """Turn the residual stream by an orthogonal (d, d) matrix that keeps the mean of channels.

    LayerNorms inside the blocks give their scale and shift to the layer that follows.
    """
    wide = {name: tensor.double() for name, tensor in state.items()}
    for name in ("positions", "token"):
        wide[name] = wide[name] @ turn.T
    writers = ["patches"]
    for block in (f"blocks.{number}" for number in range(depth_of(state))):
        for norm, reader in (("before", "qkv"), ("after", "up")):
            scale, shift = wide[f"{block}.{norm}.weight"], wide[f"{block}.{norm}.bias"]
            weight = wide[f"{block}.{reader}.weight"]
            wide[f"{block}.{reader}.bias"] = wide[f"{block}.{reader}.bias"] + weight @ shift
            wide[f"{block}.{reader}.weight"] = weight * scale @ turn.T
            wide[f"{block}.{norm}.weight"] = torch.ones_like(scale)
            wide[f"{block}.{norm}.bias"] = torch.zeros_like(shift)
        writers += [f"{block}.out", f"{block}.down"]
    for writer in writers:
        wide[f"{writer}.weight"] = turn @ wide[f"{writer}.weight"]
        wide[f"{writer}.bias"] = turn @ wide[f"{writer}.bias"]
    return {name: tensor.float().contiguous() for name, tensor in wide.items()}


@click.command()
@click.option("--encoder", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--photos", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--power", default=POWER, show_default=True, help="0 changes nothing, .5 whitens.")
@click.option("--generated", default=500, show_default=True, help="Pictures drawn by code.")
@click.option("--seed", default=1, show_default=True)
def main(encoder: Path, photos: Path, out: Path, power: float, generated: int, seed: int) -> None:
    """Whiten an exported encoder in part, by its class tokens of photographs."""
    state = read_exported(encoder)
    model = build(state).to(torch.bfloat16).eval()
    pictures = [read_rgb(path) for path in photo_paths(photos)]
    pictures += [levels[0] for levels in draw_pictures(generated, seed)]
    tokens = encode(model, pictures, image_of(state))[:, 0]
    export(whitened(state, tokens, power), out)
    click.echo(f"whitened by {len(tokens)} pictures, to the power {power}")


if __name__ == "__main__":
    main()
