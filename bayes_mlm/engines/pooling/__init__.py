"""One result of several imputations of the data, or several plausible values of a variable."""
