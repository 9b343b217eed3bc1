"""Two-level normal models of several columns at once."""
