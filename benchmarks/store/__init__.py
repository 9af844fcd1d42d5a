"""The store ill-treated: killed, damaged, filtered, written to and read at once."""
