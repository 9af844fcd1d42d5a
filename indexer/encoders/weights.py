"""Weight files, strictly: safetensors with a sound header, whole, finite and of the right shape."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer import untrusted_json
from indexer.encoders.architecture import Shapes
from indexer.encoders.device import one_thread
from indexer.errors import WeightsError

if TYPE_CHECKING:
    import torch

WEIGHTS_FILE = "model.safetensors"
PICKLE_PATTERNS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
HEAD_NAMES = ("classifier", "head", "vit.head")
FLOAT_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
MAX_HEADER_BYTES = 10_000_000  # a tenth of the format's own limit; 1,000 tensors take 120,000
_MOST_SIDE, _MOST_SIDES = 1 << 40, 8  # of a tensor
_LONGEST = 200  # characters of a tensor's name in a message
NAMED = 3  # tensors named in a message before it says how many more there are

CONVERSION = (
    "convert it where you trust it: "
    "safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'model.safetensors')"
)


@dataclass(frozen=True)
class Header:
    """What a safetensors file says about itself: shapes and dtypes by tensor name."""

    path: Path
    shapes: Shapes
    dtypes: dict[str, str]


def find_weights(folder: Path, *, allow_pickle: bool = False) -> Path:
    """Return the folder's weight file; raise `WeightsError` where there is none to be trusted."""
    path = folder / WEIGHTS_FILE
    if path.is_file():
        return path
    if (folder / f"{WEIGHTS_FILE}.index.json").is_file():
        raise WeightsError(
            f"{folder.name}: expected one {WEIGHTS_FILE}, got shards; save it in one file "
            "with save_pretrained(max_shard_size='50GB')"
        )
    pickles = sorted(p for pattern in PICKLE_PATTERNS for p in folder.glob(pattern))
    if pickles and allow_pickle:
        return pickles[0]
    if pickles:
        raise _pickled(pickles[0])
    raise WeightsError(f"{folder.name}: expected {WEIGHTS_FILE} in the folder, found no weights")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_header(path: Path) -> Header:
    """Read and check a safetensors header without touching the tensors or importing torch."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if start[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
            raise _pickled(path)
        length = int.from_bytes(start, "little") if len(start) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER_BYTES, max(size - 8, 0)):
            raise _damaged(path, f"its header claims {length} of {size} bytes")
        text = file.read(length)
    entries = _parse(path, text)
    entries.pop("__metadata__", None)
    try:
        return _checked(path, entries, data_bytes=size - 8 - length)
    except (KeyError, TypeError, ValueError) as error:
        what = f"a malformed header entry ({untrusted_json.shown(error)})"
        raise _damaged(path, what) from error


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        entries = untrusted_json.parse(text)
    except ValueError as error:
        raise _damaged(path, f"its header is no JSON: {untrusted_json.shown(error)}") from error
    if not isinstance(entries, dict):
        raise _damaged(path, "its header is no table of tensors")
    return entries


def _checked(path: Path, entries: dict[str, Any], *, data_bytes: int) -> Header:
    shapes = {name: _numbers(e["shape"], most=_MOST_SIDES) for name, e in entries.items()}
    dtypes = {name: str(e["dtype"]) for name, e in entries.items()}
    wrong = sorted(name for name, dtype in dtypes.items() if dtype not in FLOAT_BYTES)
    if wrong:
        raise WeightsError(
            f"{path.name}: expected float tensors (F32, F16, BF16), got "
            f"{dtypes[wrong[0]][:_LONGEST]} for {_names(wrong)}; get the unquantised weights"
        )
    spans = {name: _numbers(e["data_offsets"], most=2) for name, e in entries.items()}
    end = 0
    for name in sorted(spans, key=spans.__getitem__):
        bytes_expected = math.prod(shapes[name]) * FLOAT_BYTES[dtypes[name]]
        if spans[name] != (end, end + bytes_expected):
            raise _damaged(path, f"bytes and shape of {name} disagree")
        end += bytes_expected
    if end != data_bytes:
        raise _damaged(path, f"{end} bytes of tensors announced, {data_bytes} there")
    return Header(path, shapes, dtypes)


def _numbers(values: Any, *, most: int) -> tuple[int, ...]:
    if not isinstance(values, list) or len(values) > most:
        raise ValueError(f"expected at most {most} numbers, got {untrusted_json.shown(values)}")
    return tuple(untrusted_json.whole(one, most=_MOST_SIDE) for one in values)


def require_shapes(got: Shapes, expected: Shapes, *, name: str) -> None:
    """Raise `WeightsError` unless both hold the same tensors in the same shapes."""
    missing, extra = sorted(set(expected) - set(got)), sorted(set(got) - set(expected))
    if missing or extra:
        faults = [f"{len(missing)} missing: {_names(missing)}"] if missing else []
        faults += [f"{len(extra)} unexpected: {_names(extra)}"] if extra else []
        raise WeightsError(
            f"{name}: expected the {len(expected)} tensors that config.json declares, got "
            f"{len(got)} ({'; '.join(faults)}); get weights and config.json from the same revision"
        )
    for tensor, shape in expected.items():
        if got[tensor] != shape:
            raise WeightsError(
                f"{name}: expected {tensor} in shape {shape}, got {got[tensor]}; "
                "get weights and config.json from the same revision"
            )


def read_tensors(header: Header) -> dict[str, torch.Tensor]:
    """Read every tensor through a memory map, as float32, and refuse NaN and infinity."""
    from safetensors import SafetensorError, safe_open

    try:
        with one_thread(), safe_open(header.path, framework="pt") as file:
            return {name: _finite(name, file.get_tensor(name), header) for name in header.shapes}
    except (SafetensorError, OSError) as error:
        raise _damaged(header.path, str(error)) from error


def read_head(path: Path) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the weight and bias of a file's head in float32, or None where it has none."""
    from safetensors import safe_open

    names = read_header(path).shapes
    for head in HEAD_NAMES:
        if f"{head}.weight" in names and f"{head}.bias" in names:
            with safe_open(path, framework="pt") as file:
                pair = (file.get_tensor(f"{head}.{part}").float() for part in ("weight", "bias"))
                weight, bias = pair
                return weight, bias
    return None


def read_pickle(path: Path) -> dict[str, torch.Tensor]:
    """Read a pickled state dict with ``weights_only``; only by the user's explicit wish."""
    import torch

    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling raises anything
        raise WeightsError(f"{path.name}: not a plain file of tensors ({error})") from error
    for wrapper in ("model_state_dict", "state_dict", "model"):
        if isinstance(value, dict) and isinstance(value.get(wrapper), dict):
            value = value[wrapper]
    if not isinstance(value, dict) or not all(isinstance(t, torch.Tensor) for t in value.values()):
        raise WeightsError(f"{path.name}: expected a table of tensors, got {type(value).__name__}")
    bare = {str(k).replace("_orig_mod.", "").removeprefix("module."): t for k, t in value.items()}
    shapes = {name: tuple(t.shape) for name, t in bare.items()}
    header = Header(path, shapes, {})
    return {name: _finite(name, tensor, header) for name, tensor in bare.items()}


def _finite(name: str, tensor: torch.Tensor, header: Header) -> torch.Tensor:
    import torch

    if not tensor.is_floating_point():
        raise WeightsError(f"{header.path.name}: expected floats in {name}, got {tensor.dtype}")
    # A copy: a tensor that stays on the map dies with a file that is replaced in place.
    copy = tensor.to(torch.float32, copy=True)
    # A sum is NaN or infinite whenever an element is, at a fraction of isfinite's cost; float64
    # keeps the sum of finite float32 values finite.
    if not math.isfinite(float(copy.sum(dtype=torch.float64))):
        raise WeightsError(
            f"{header.path.name}: NaN or infinity in {name}; the file is damaged, get it again"
        )
    return copy


def _pickled(path: Path) -> WeightsError:
    return WeightsError(
        f"{path.name}: expected safetensors, got a pickle, which can run code when it is opened; "
        f"{CONVERSION}"
    )


def _damaged(path: Path, what: str) -> WeightsError:
    return WeightsError(
        f"{path.name}: expected a whole safetensors file, got a damaged or truncated one "
        f"({what}); get it again"
    )


def _names(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(name[:_LONGEST] for name in names[:NAMED]) + more
