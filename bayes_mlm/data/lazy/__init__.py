"""Tables that are not read into memory: files, DuckDB and Apache Spark."""
