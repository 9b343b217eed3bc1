"""Two crossed random intercepts whose factorisation is too dear: when, and as one-way layouts."""
