"""Name what can go wrong: one tree of exceptions, a branch a stage.

Every message says what is wrong, what was found, what is allowed, and what to do next; the
command line prints it as one line and exits with code 1.
"""


class BayesMLMError(Exception):
    """Signal a mistake in what the user gave; catch this to catch every branch below."""


class DataError(BayesMLMError):
    """Signal a table that cannot be read or does not fit what was asked of it."""


class OneValueError(DataError):
    """Signal rows with one value, or one group, where a model needs several."""


class EmptyCellError(DataError):
    """Signal rows in a cell of an interaction that had no rows when the model was made."""


class FormulaError(BayesMLMError):
    """Signal a formula that cannot be parsed or asks for something outside the language."""


class PriorError(BayesMLMError):
    """Signal a prior with an unknown family, parameter or an impossible value."""


class SpecError(BayesMLMError):
    """Signal a model record that is malformed or contradicts itself."""


class DesignError(BayesMLMError):
    """Signal a table and a formula that do not make an estimable design."""


class RowsNeededError(DesignError):
    """Signal a question about rows, asked of data that were summed where they lie."""


class SeveralFactorsError(DesignError):
    """Signal several grouping factors where one at most can be taken."""


class EngineError(BayesMLMError):
    """Signal an engine that cannot fit this model, or whose fit failed."""


class StorageError(BayesMLMError):
    """Signal a fit that cannot be written or read back."""
