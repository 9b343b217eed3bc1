"""Works that a methods paragraph cites, as text and as BibTeX."""

from dataclasses import dataclass, field

from bayes_mlm.base import Registry, SpecError


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One work.

    Parameters
    ----------
    key : str
        Of the BibTeX entry.
    kind : str
        Type of the entry: "article", "book".
    authors : tuple of str
        "Family, Initials", in order.
    year : int
    title, where : str
        The journal, or the publisher of a book.
    details : mapping of str to str
        Volume, number, pages, doi, edition, as BibTeX calls them.
    """

    key: str
    kind: str
    authors: tuple[str, ...]
    year: int
    title: str
    where: str
    details: dict[str, str] = field(default_factory=dict)

    @property
    def cited(self) -> str:
        """Authors and year, as a text cites them.

        Examples
        --------
        >>> REFERENCES["rhat"].cited, REFERENCES["nuts"].cited
        ('Vehtari et al., 2021', 'Hoffman & Gelman, 2014')
        """
        names = [one.partition(",")[0] for one in self.authors]
        shown = f"{names[0]} et al." if len(names) > 2 else " & ".join(names)
        return f"{shown}, {self.year}"

    @property
    def text(self) -> str:
        """The entry of a list of references.

        Examples
        --------
        >>> print(REFERENCES["nuts"].text)  # doctest: +NORMALIZE_WHITESPACE, +ELLIPSIS
        Hoffman, M. D., & Gelman, A. (2014). The No-U-Turn sampler: adaptively setting path lengths
        in Hamiltonian Monte Carlo. Journal of Machine Learning Research, 15(47), ...
        """
        *first, last = self.authors
        names = f"{', '.join(first)}, & {last}" if first else last
        known = self.details
        edition = f" ({known['edition']} ed.)" if "edition" in known else ""
        number = f"({known['number']})" if "number" in known else ""
        place = [
            self.where,
            known.get("volume", "") + number,
            known.get("pages", "").replace("--", "\N{EN DASH}"),
        ]
        doi = f" doi:{known['doi']}" if "doi" in known else ""
        stop = "" if names.endswith(".") else "."
        return f"{names}{stop if not first else ''} ({self.year}). {self.title}{edition}. " + (
            f"{', '.join(filter(None, place))}.{doi}"
        )

    @property
    def bibtex(self) -> str:
        """The BibTeX entry.

        Examples
        --------
        >>> print(REFERENCES["priors"].bibtex.splitlines()[0])
        @article{gelman2006,
        """
        where = {"article": "journal", "book": "publisher"}.get(self.kind, "howpublished")
        values = {
            "author": " and ".join(self.authors),
            "title": f"{{{self.title}}}",
            where: self.where,
            "year": f"{self.year}",
            **self.details,
        }
        lines = (f"  {name} = {{{value.replace('&', '\\&')}}}," for name, value in values.items())
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


REFERENCES = Registry[Reference]("reference", SpecError)


def _work(
    name: str, key: str, authors: str, year: int, title: str, where: str, **details: str
) -> None:
    kind = details.pop("kind", "article")
    REFERENCES.register(
        name,
        Reference(
            key=key,
            kind=kind,
            authors=tuple(authors.split("; ")),
            year=year,
            title=title,
            where=where,
            details=details,
        ),
    )


_work(
    "multilevel",
    "raudenbush2002",
    "Raudenbush, S. W.; Bryk, A. S.",
    2002,
    "Hierarchical linear models: applications and data analysis methods",
    "Sage",
    edition="2nd",
    kind="book",
)
_work(
    "mundlak",
    "mundlak1978",
    "Mundlak, Y.",
    1978,
    "On the pooling of time series and cross section data",
    "Econometrica",
    volume="46",
    number="1",
    pages="69--85",
    doi="10.2307/1913646",
)
_work(
    "reml",
    "patterson1971",
    "Patterson, H. D.; Thompson, R.",
    1971,
    "Recovery of inter-block information when block sizes are unequal",
    "Biometrika",
    volume="58",
    number="3",
    pages="545--554",
    doi="10.1093/biomet/58.3.545",
)
_work(
    "lme4",
    "bates2015",
    "Bates, D.; Mächler, M.; Bolker, B.; Walker, S.",
    2015,
    "Fitting linear mixed-effects models using lme4",
    "Journal of Statistical Software",
    volume="67",
    number="1",
    pages="1--48",
    doi="10.18637/jss.v067.i01",
)
_work(
    "satterthwaite",
    "kuznetsova2017",
    "Kuznetsova, A.; Brockhoff, P. B.; Christensen, R. H. B.",
    2017,
    "lmerTest package: tests in linear mixed effects models",
    "Journal of Statistical Software",
    volume="82",
    number="13",
    pages="1--26",
    doi="10.18637/jss.v082.i13",
)
_work(
    "pfeffermann",
    "pfeffermann1998",
    "Pfeffermann, D.; Skinner, C. J.; Holmes, D. J.; Goldstein, H.; Rasbash, J.",
    1998,
    "Weighting for unequal selection probabilities in multilevel models",
    "Journal of the Royal Statistical Society B",
    volume="60",
    number="1",
    pages="23--40",
    doi="10.1111/1467-9868.00106",
)
_work(
    "rabe_hesketh_2006",
    "rabehesketh2006",
    "Rabe-Hesketh, S.; Skrondal, A.",
    2006,
    "Multilevel modelling of complex survey data",
    "Journal of the Royal Statistical Society A",
    volume="169",
    number="4",
    pages="805--827",
    doi="10.1111/j.1467-985X.2006.00426.x",
)
_work(
    "williams_savitsky",
    "williams2021",
    "Williams, M. R.; Savitsky, T. D.",
    2021,
    "Uncertainty estimation for pseudo-Bayesian inference under complex sampling",
    "International Statistical Review",
    volume="89",
    number="1",
    pages="72--107",
    doi="10.1111/insr.12376",
)
_work(
    "rubin",
    "rubin1987",
    "Rubin, D. B.",
    1987,
    "Multiple imputation for nonresponse in surveys",
    "Wiley",
    doi="10.1002/9780470316696",
    kind="book",
)
_work(
    "barnard_rubin",
    "barnard1999",
    "Barnard, J.; Rubin, D. B.",
    1999,
    "Small-sample degrees of freedom with multiple imputation",
    "Biometrika",
    volume="86",
    number="4",
    pages="948--955",
    doi="10.1093/biomet/86.4.948",
)
_work(
    "quadrature",
    "pinheiro1995",
    "Pinheiro, J. C.; Bates, D. M.",
    1995,
    "Approximations to the log-likelihood function in the nonlinear mixed-effects model",
    "Journal of Computational and Graphical Statistics",
    volume="4",
    number="1",
    pages="12--35",
    doi="10.1080/10618600.1995.10474663",
)
_work(
    "bayes",
    "gelman2013",
    "Gelman, A.; Carlin, J. B.; Stern, H. S.; Dunson, D. B.; Vehtari, A.; Rubin, D. B.",
    2013,
    "Bayesian data analysis",
    "Chapman & Hall/CRC",
    edition="3rd",
    kind="book",
)
_work(
    "priors",
    "gelman2006",
    "Gelman, A.",
    2006,
    "Prior distributions for variance parameters in hierarchical models",
    "Bayesian Analysis",
    volume="1",
    number="3",
    pages="515--534",
    doi="10.1214/06-BA117A",
)
_work(
    "lkj",
    "lewandowski2009",
    "Lewandowski, D.; Kurowicka, D.; Joe, H.",
    2009,
    "Generating random correlation matrices based on vines and extended onion method",
    "Journal of Multivariate Analysis",
    volume="100",
    number="9",
    pages="1989--2001",
    doi="10.1016/j.jmva.2009.04.008",
)
_work(
    "nuts",
    "hoffman2014",
    "Hoffman, M. D.; Gelman, A.",
    2014,
    "The No-U-Turn sampler: adaptively setting path lengths in Hamiltonian Monte Carlo",
    "Journal of Machine Learning Research",
    volume="15",
    number="47",
    pages="1593--1623",
)
_work(
    "pymc",
    "abrilpla2023",
    "Abril-Pla, O.; Andreani, V.; Carroll, C.; Dong, L.; Fonnesbeck, C. J.; Kochurov, M.; "
    "Kumar, R.; Lao, J.; Luhmann, C. C.; Martin, O. A.; Osthege, M.; Vieira, R.; Wiecki, T.; "
    "Zinkov, R.",
    2023,
    "PyMC: a modern, and comprehensive probabilistic programming framework in Python",
    "PeerJ Computer Science",
    volume="9",
    pages="e1516",
    doi="10.7717/peerj-cs.1516",
)
_work(
    "rhat",
    "vehtari2021",
    "Vehtari, A.; Gelman, A.; Simpson, D.; Carpenter, B.; Bürkner, P.-C.",
    2021,
    "Rank-normalization, folding, and localization: an improved R-hat for assessing convergence "
    "of MCMC",
    "Bayesian Analysis",
    volume="16",
    number="2",
    pages="667--718",
    doi="10.1214/20-BA1221",
)
_work(
    "ebfmi",
    "betancourt2016",
    "Betancourt, M.",
    2016,
    "Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo",
    "arXiv:1604.00695",
    kind="misc",
)
_work(
    "pareto",
    "vehtari2024",
    "Vehtari, A.; Simpson, D.; Gelman, A.; Yao, Y.; Gabry, J.",
    2024,
    "Pareto smoothed importance sampling",
    "Journal of Machine Learning Research",
    volume="25",
    number="72",
    pages="1--58",
)
