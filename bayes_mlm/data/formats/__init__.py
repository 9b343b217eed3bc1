"""Kinds of data files, one a module; each imports its library when the first file is read."""
