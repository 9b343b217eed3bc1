"""Figures of the 2015 document, one file each."""
