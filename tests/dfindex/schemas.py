"""JSON schemas of what the commands print, after the fixed interface."""

from __future__ import annotations

from typing import Any


def record(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with exactly these properties, all of them required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def listing(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def optional(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
NUMBER = {"type": "number"}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
FINGERPRINT = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
BOX = {"type": "array", "items": COUNT, "minItems": 4, "maxItems": 4}

PAGE = optional({"type": "integer", "minimum": 1})
SAMPLE = record(
    {
        "id": COUNT,
        "path": TEXT,
        "sha256": SHA256,
        "kind": {"enum": ["image", "frame", "face"]},
        "time_s": optional(NUMBER),
        "page": PAGE,
        "box": optional(BOX),
        "width": COUNT,
        "height": COUNT,
        "label": optional({"enum": ["real", "fake"]}),
        "generator": optional(TEXT),
        "source": optional(TEXT),
        "available": {"type": "boolean"},
        "absence": optional({"enum": ["gone", "changed", "unreadable"]}),
    }
)

MATCH = record(
    {
        "inliers": COUNT,
        "transform": {
            "type": "array",
            "minItems": 3,
            "maxItems": 3,
            "items": {"type": "array", "items": NUMBER, "minItems": 3, "maxItems": 3},
        },
        "mirrored": {"type": "boolean"},
        "rotation_deg": NUMBER,
        "scale": NUMBER,
        "query_overlap": SHARE,
        "sample_overlap": SHARE,
        "altered_fraction": SHARE,
        "altered_boxes": listing(BOX),
        "overlay": optional(TEXT),
    }
)

VERDICT = {"enum": ["exact", "copy", "altered_copy", "similar", "unrelated", "not_assessable"]}

HIT = record(
    {
        "rank": {"type": "integer", "minimum": 1},
        "score": {"type": "number", "minimum": -1, "maximum": 1},
        "confidence": SHARE,
        "probability": optional(SHARE),
        "verdict": VERDICT,
        "sample": SAMPLE,
        "match": optional(MATCH),
        "decision": optional({"enum": ["same", "different"]}),
    }
)

DUPLICATES = record(
    {
        "groups": listing(
            record(
                {
                    "id": COUNT,
                    "representative": SAMPLE,
                    "members": listing(
                        record(
                            {
                                "sample": SAMPLE,
                                "score": NUMBER,
                                "verdict": VERDICT,
                                "decided": {"type": "boolean"},
                                "share_query": optional(SHARE),
                                "share_sample": optional(SHARE),
                            }
                        )
                    ),
                }
            )
        ),
        "pairs_checked": COUNT,
        "unavailable": COUNT,
        "links": listing(record({"path": TEXT, "of": TEXT})),
    }
)

SEARCH = record(
    {
        "query": record(
            {
                "path": TEXT,
                "sha256": SHA256,
                "page": PAGE,
                "width": COUNT,
                "height": COUNT,
                "available": {"type": "boolean"},
            }
        ),
        "index": record(
            {"path": TEXT, "generation": COUNT, "space": TEXT, "fingerprint": FINGERPRINT}
        ),
        "completeness": record({"seen": COUNT, "indexed": COUNT, "failed": COUNT}),
        "hits": listing(HIT),
        "unavailable": COUNT,
        "timing_ms": record(
            {"embed": NUMBER, "retrieve": NUMBER, "verify": NUMBER, "total": NUMBER}
        ),
    }
)

# Adding is free: status says more than the interface asks for.
STATUS = {
    "type": "object",
    "required": ["index", "generation", "media", "samples", "spaces", "bytes", "version", "files"],
    "properties": {
        "index": TEXT,
        "generation": COUNT,
        "bytes": COUNT,
        "media": {
            "type": "object",
            "required": ["seen", "indexed", "failed", "removed"],
            "additionalProperties": COUNT,
        },
        "files": optional(
            record(
                {
                    "present": COUNT,
                    "gone": COUNT,
                    "changed": COUNT,
                    "unverified": COUNT,
                    "links": COUNT,
                }
            )
        ),
        "samples": record({"image": COUNT, "frame": COUNT, "face": COUNT}),
        "spaces": listing(
            {
                "type": "object",
                "required": [
                    "name",
                    "encoder",
                    "fingerprint",
                    "dim",
                    "samples",
                    "bytes_per_sample",
                    "ann",
                ],
                "properties": {"fingerprint": FINGERPRINT, "dim": COUNT, "samples": COUNT},
            }
        ),
    },
}

REASON = {
    "enum": [
        "unreadable",
        "unsupported",
        "truncated",
        "too_large",
        "empty",
        "not_media",
        "timeout",
        "internal",
    ]
}

FAILURES = listing(
    record(
        {
            "path": TEXT,
            "sha256": optional(SHA256),
            "reason": REASON,
            "message": {"type": "string", "minLength": 5},
            "at": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        }
    )
)
