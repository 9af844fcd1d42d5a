"""Maintenance: compact, examine and repair an index; nothing that was removed comes back."""
