"""Finding copies and what was altered in them, beside hashes, SIFT and a plain difference."""
