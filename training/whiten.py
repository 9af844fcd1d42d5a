"""Use the room the class token leaves empty: ``python -m training.whiten --encoder E --photos P``.

Contrastive training leaves most of the variance in few directions (dimensional collapse: Jing et
al., 2022), and a cosine hardly sees the others. Whitening gives them weight (SSCD: Pizzi et al.,
2022, section 4.4). Here it is no layer of its own: the whole residual stream is turned until the
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

POWER = 0.25  # of the variances: 0 leaves all as it is, 0.5 whitens
FLOOR = 1e-4  # of the largest variance: directions below it are taken to hold noise


def whitened(state: State, tokens: Tensor, power: float = POWER) -> State:
    """Return a state whose class tokens are ``tokens`` (n, d) of the given one, whitened in part.

    Cosines between the new tokens are those between ``tokens @ basis / variance**power``, up to
    the turning of one direction among d.
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
    # The turn must keep the mean where it is: channels less their mean, made orthonormal.
    channels = torch.eye(size, dtype=torch.float64)[:, :-1] - 1 / size
    u, _, v = torch.linalg.svd(channels, full_matrices=False)
    turn = u @ v @ right[:-1] + flat @ flat.T
    turned = _turned(state, turn)
    stretch[-1] = stretch[-2]
    turned["norm.weight"] = stretch.float()
    turned["norm.bias"] = (left.T @ towards @ shift).float()
    return turned


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
