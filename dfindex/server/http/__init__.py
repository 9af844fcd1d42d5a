"""What a request brings and passes before it is answered: addresses, limits, tokens, bodies."""
