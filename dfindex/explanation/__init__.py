"""Where an encoder or a probe looks in a picture."""
