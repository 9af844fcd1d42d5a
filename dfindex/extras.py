"""Libraries that one command needs and the others do without, by the extra that brings them."""

from __future__ import annotations

# The module that is missing, the extra, and what asks for it.
_EXTRAS = {
    "umap": ("map", "a map of the corpus"),
    "matplotlib": ("report", "a probe's report"),
    "timm": ("backbones", "an encoder of this design"),
    "openvino": ("openvino", "the engine openvino"),
    **dict.fromkeys(
        ("fastapi", "starlette", "pydantic", "uvicorn", "prometheus_client"),
        ("serve", "dfindex serve"),
    ),
}


def missing(error: ModuleNotFoundError) -> str | None:
    """Say which extra brings the module that was not found, None where it is of none."""
    name = (error.name or "").partition(".")[0]
    if name not in _EXTRAS:
        return None
    extra, what = _EXTRAS[name]
    return f"{what} needs {name}, which is not installed: pip install 'dfindex[{extra}]'"
