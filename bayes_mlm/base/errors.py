"""Exceptions of the package: one tree, with a branch for each stage of an analysis.

Every message says what is wrong, what was found, what is allowed, and what to do next; the
command line prints it as one line and exits with code 1.
"""


class BayesMLMError(Exception):
    """Error in the input of an analysis; the base class of all errors of the package."""


class DataError(BayesMLMError):
    """Error in a table: it cannot be read, or its columns cannot serve the model."""


class OneValueError(DataError):
    """Error in rows with one distinct value, or one group, where a model needs several."""


class EmptyCellError(DataError):
    """Error in rows that lie in a cell of an interaction without rows in the fitted data."""


class FormulaError(BayesMLMError):
    """Error in a formula: it cannot be parsed, or uses syntax that is not supported."""


class PriorError(BayesMLMError):
    """Error in a prior: an unknown distribution or parameter, or an inadmissible value."""


class SpecError(BayesMLMError):
    """Error in a model record: it is malformed, or two of its entries are inconsistent."""


class DesignError(BayesMLMError):
    """Error in a design: a table and a formula that define no estimable model."""


class RowsNeededError(DesignError):
    """Error in a request that needs rows, of data of which only the group moments are kept."""


class EngineError(BayesMLMError):
    """Error of an engine: it cannot fit this model, or the fit failed."""


class UnsupportedModelError(DesignError, EngineError):
    """Error in a request that is not defined for a model of this kind, or not implemented."""


class SeveralFactorsError(UnsupportedModelError):
    """Error in a request that takes one grouping factor, of a model with several."""


class StorageError(BayesMLMError):
    """Error in writing or reading a file: a fit, group moments, a report."""
