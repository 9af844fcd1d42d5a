"""What training and applying a probe hand back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from probes.evaluation.results import Evaluation
from probes.storage import Probe


@dataclass(frozen=True, kw_only=True)
class Training:
    """A trained probe, what it reached on pictures it had not seen, and what to know of it.

    ``evaluation`` is None where there is nothing to measure: only real pictures, or too few.
    """

    probe: Probe
    evaluation: Evaluation | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        probe = self.probe
        return {
            "probe": probe.name,
            "target": probe.target.value,
            "classes": list(probe.classes),
            "method": probe.detector.choice.method,
            "chosen_because": probe.detector.choice.why,
            "label_counts": probe.label_counts,
            "threshold": probe.threshold,
            "notes": list(self.notes),
            "evaluation": None if self.evaluation is None else self.evaluation.to_json(probe.name),
        }


@dataclass(frozen=True, kw_only=True)
class Applied:
    """How many samples a probe scored, and how many reach its threshold."""

    probe: str
    scored: int
    above_threshold: int
    threshold: float
