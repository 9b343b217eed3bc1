"""Parts into which effects fall, once one factor's are integrated exactly; and which that is."""

from collections.abc import Sequence

import numpy as np

from bayes_mlm.base import Ints
from bayes_mlm.design import Design
from bayes_mlm.engines.generalised.problem import MAX_Q

# Nodes of a lattice over one and over two effects; of more, draws, and more for each effect.
_LATTICE, _DRAWS, _EACH = {0: 1, 1: 33, 2: 300}, 300, 60
# Of an integral over one effect more, times that over one.
_DEEPER = 8


def connected(codes: Sequence[Ints], levels: Sequence[int]) -> tuple[int, Ints]:
    """Return the number of parts that share no row, and the part of each level.

    Parameters
    ----------
    codes : sequence of ndarray of int, shape (n,)
        Level of each row, factor by factor.
    levels : sequence of int
        Number of levels of each factor.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first = np.concatenate([[0], np.cumsum(levels)])
    places = [one + start for one, start in zip(codes, first[:-1].tolist(), strict=True)]
    rows = np.concatenate([places[0]] * (len(places) - 1))
    links = coo_matrix(
        (np.ones(rows.size), (rows, np.concatenate(places[1:]))), shape=(first[-1], first[-1])
    )
    many, labels = connected_components(links, directed=False)
    return int(many), labels


def exact_factor(design: Design) -> int:
    """Return the place of the factor to integrate exactly, by the cost of the sum over the rest.

    Of nested factors it is the inner one, of subjects and items the one with more groups.
    """
    terms = [term for term in design.group_terms if term.q]
    many, labels = connected([term.codes for term in terms], [term.J for term in terms])
    starts = np.concatenate([[0], np.cumsum([term.J for term in terms])]).tolist()
    effects = np.array(
        [
            term.q * np.bincount(labels[start : start + term.J], minlength=many)
            for term, start in zip(terms, starts[:-1], strict=True)
        ]
    )
    costs = []
    for place, term in enumerate(terms):
        rest = np.delete(effects, place, axis=0)
        largest = int(rest.sum(axis=0).max())
        nodes = _LATTICE.get(largest, _DRAWS + _EACH * int(rest.sum()))
        costs.append(nodes * _DEEPER ** (term.q - 1) if term.q <= MAX_Q else np.inf)
    return int(np.argmin(costs))
