"""Jobs that requests leave behind or wait for: queues, and the threads that do them."""

__all__ = ["batching", "crew", "queues"]
