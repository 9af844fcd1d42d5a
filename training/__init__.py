"""The recipe that trains the packaged copy-detection encoder."""
