"""What spreadsheets and other programs put around a table: footers, units, comments, no names."""

import numpy as np
import pytest

from bayes_mlm import build_design, fit_reml, open_data, read_table, sum_rows
from bayes_mlm.base.errors import BayesMLMError, DataError
from bayes_mlm.design.build import design_of
from bayes_mlm.fitting.request import as_request

FORMULA = "y ~ x + (1 | g)"
RNG = np.random.default_rng(25)
ROWS = [f"{k % 5 + 1},{RNG.normal() + k % 5:.4f},{RNG.normal():.4f}" for k in range(60)]
NAMED = [f"s{row}" for row in ROWS]
HEADER = "g,y,x"


def text(*lines):
    return "\n".join(lines) + "\n"


def lay_out(content, tmp_path, missing="error"):
    """Lay a text out with rows kept, summed, and kept of a folder of one file."""
    (tmp_path / "in").mkdir(exist_ok=True)
    for path in (tmp_path / "t.csv", tmp_path / "in" / "t.csv"):
        path.write_bytes(content.encode())
    record = as_request(FORMULA, tmp_path / "t.csv", missing=missing)
    found = []
    for source, rows in ((None, "keep"), (None, "sum"), (tmp_path / "in", "keep")):
        try:
            found.append(design_of(record, source, rows=rows))
        except BayesMLMError as error:
            found.append(error)
    assert not any("\n" in str(one) for one in found)
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return lay_out(text(HEADER, *ROWS), tmp_path_factory.mktemp("plain"))[0]


GOOD = {
    "blank lines before, within and after": ("", "", HEADER, "", *ROWS[:9], "", *ROWS[9:], ""),
    "nameless first column": (f",{HEADER}", *(f"{k},{row}" for k, row in enumerate(ROWS))),
    "nameless last columns": (f"{HEADER},,", *(f"{row},," for row in ROWS)),
    "a delimiter at every row's end": (HEADER, *(f"{row}," for row in ROWS)),
    "columns that differ in case": (f"{HEADER},X,G", *(f"{row},1,2" for row in ROWS)),
    "spaces around names and numbers": (" g ,y , x", *(row.replace(",", " , ") for row in ROWS)),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_surrounds_a_table_does_not_change_it(name, plain, tmp_path):
    end = "\r\n" if name.startswith("blank") else "\n"
    for design in lay_out(text(*GOOD[name]).replace("\n", end), tmp_path):
        same(design, plain)


# Rows that are no data, and miss a value of the model: they go with the missing.
DROPPED = {
    "footer": ("Total,,",),
    "footers": ("Total,,", "Mean,,"),
    "footer with one total": ("Total,310.5,",),
    "source": ("Source: census 2020,,",),
    "totals without a word": (",310.5,2.2",),
    "empty rows": (",,", ",,"),
    "empty rows with blanks": (" ,\t,\u00a0",),
}


@pytest.mark.parametrize("name", DROPPED)
def test_a_row_that_misses_values_has_no_say_in_the_types(name, plain, tmp_path):
    found = lay_out(text(HEADER, *ROWS, *DROPPED[name]), tmp_path, missing="drop")
    for design in found:
        same(design, plain)
        assert design.n_dropped == len(DROPPED[name])
        assert not any("groups (g) had a missing value" in note for note in design.notes)
    for error in lay_out(text(HEADER, *ROWS, *DROPPED[name]), tmp_path):
        assert isinstance(error, DataError)
        assert "missing value" in str(error) or "begins with 'Total': it looks like" in str(error)


def test_units_under_the_header_go_where_a_value_is_missing_and_are_named_elsewhere(
    plain, tmp_path
):
    for design in lay_out(text(HEADER, ",kg,m", *ROWS), tmp_path, missing="drop"):
        same(design, plain)
    for error in lay_out(text(HEADER, "id,kg,m", *ROWS), tmp_path, missing="drop"):
        assert isinstance(error, DataError)
        assert "'y'" in str(error)
        assert "'kg'" in str(error)


# Of each a part of what every reader must say.
REFUSED = {
    "footer with totals": ((HEADER, *ROWS, "Total,310.5,2.2"), "'Total'"),
    "footer of named groups": ((HEADER, *NAMED, " grand total: ,310.5,2.2"), "'grand total:'"),
    "mean": ((HEADER, *ROWS, "MEAN (n=60),5.1,0.1"), "'MEAN (n=60)'"),
    "two footers": ((HEADER, *ROWS, "Sum,310.5,2.2", "Average,5.1,0.1"), "footer"),
    "footer next to the group": (
        (f"id,{HEADER}", *(f"a{k},{row}" for k, row in enumerate(ROWS)), "Total,3,310.5,2.2"),
        "'Total'",
    ),
    "too short": ((HEADER, *ROWS, "1,2"), "1,2"),
    "too long": ((HEADER, *ROWS, "1,2,3,4"), "1,2,3,4"),
    "a comment first": (("# made by x", HEADER, *ROWS), "'# made by x'"),
    "a comment within": ((HEADER, *ROWS[:5], "# n.b.", *ROWS[5:]), "# n.b."),
    "a comment with commas": ((HEADER, *ROWS[:5], "# a, b, c", *ROWS[5:]), "'y'"),
    "the header again": ((HEADER, *ROWS[:5], HEADER, *ROWS[5:]), "'y'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_data_is_named(name, tmp_path):
    lines, part = REFUSED[name]
    for error in lay_out(text(*lines), tmp_path, missing="drop"):
        assert isinstance(error, DataError), error
        assert part in str(error)


def test_a_group_may_be_called_like_a_footer_if_it_has_rows(tmp_path):
    rows = [row.replace("s5", "Total") for row in NAMED]
    for design in lay_out(text(HEADER, *rows), tmp_path):
        assert "Total" in design.labels.tolist()


def test_a_label_among_numbers_groups_rows_kept_and_summed_alike(tmp_path):
    rows = [f"{k % 30 + 1},{row.partition(',')[2]}" for k, row in enumerate(ROWS)]
    rows += [f"12b,{row.partition(',')[2]}" for row in ROWS[:3]]
    for design in lay_out(text(HEADER, *rows), tmp_path):
        assert design.J == 31
        assert "g: every label is a number but '12b'; check that label" in "".join(design.notes)


def test_a_nameless_column_can_be_used_by_its_place_and_not_by_no_name(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text(",y,unnamed_1", *ROWS))
    assert read_table(path).names == ("unnamed_1_", "y", "unnamed_1")
    kept = build_design("y ~ 1 + (1 | unnamed_1_)", read_table(path))
    same(sum_rows("y ~ 1 + (1 | unnamed_1_)", open_data(path)), kept)
    for use in (
        lambda: build_design("y ~ 1", read_table(path), group=" "),
        lambda: sum_rows("y ~ 1", open_data(path), group=" "),
    ):
        with pytest.raises(DataError, match="no column ' '.*columns: unnamed_1_, y, unnamed_1"):
            use()


def test_files_of_a_folder_may_have_other_lines_before_their_headers(tmp_path, plain):
    (tmp_path / "a.csv").write_text(text("", "", HEADER, *ROWS[:20]))
    (tmp_path / "b.csv").write_text(text(HEADER, *ROWS[20:]))
    same(sum_rows(FORMULA, open_data(tmp_path)), plain)


def same(design, plain):
    """Compare the groups' sums, and the estimate."""
    assert not isinstance(design, Exception), design
    one, other = design.moments(), plain.moments()
    assert one.labels.tolist() == other.labels.tolist()
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_allclose(one.means + one.centre, other.means + other.centre, atol=1e-9)
    np.testing.assert_allclose(fit_reml(design).beta, fit_reml(plain).beta, rtol=1e-6)
