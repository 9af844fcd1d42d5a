"""The routes: the API, and the pages."""
