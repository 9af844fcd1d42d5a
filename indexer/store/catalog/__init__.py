"""The catalog: what DuckDB keeps of an index, and every question and change that is put to it."""
