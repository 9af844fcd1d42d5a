"""The service: an HTTP API, and the page an investigator works in."""
