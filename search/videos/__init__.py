"""Videos as queries and as evidence: which parts two films share, and how sure that is."""
