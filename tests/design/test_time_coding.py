"""Times become numbers: dates and units, counted from where zero is wanted."""

from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bayes_mlm import code_time
from bayes_mlm.base.errors import DataError
from bayes_mlm.design.time_coding import UNITS

PERSONS = ["a", "a", "b", "b", "b"]
VISITS = ["2020-03-01", "2021-03-01", "2019-03-01", "2020-02-29", "2020-03-01"]
YEAR = 365.2425  # days in a Gregorian year on average


@pytest.mark.parametrize(
    ("origin", "days"),
    [
        # Days between dates, counted by hand: 2020 has a 29th of February.
        ("first", [366, 731, 0, 365, 366]),
        ("person-first", [0, 365, 0, 365, 366]),
        ("2020-03-01", [0, 365, -366, -1, 0]),
        (date(2020, 3, 1), [0, 365, -366, -1, 0]),
        (datetime(2020, 3, 1, tzinfo=UTC), [0, 365, -366, -1, 0]),
        (np.datetime64("2020-03-01"), [0, 365, -366, -1, 0]),
    ],
)
def test_dates_are_counted_from_where_zero_is_wanted(origin, days):
    person = PERSONS if origin == "person-first" else None
    kinds = (
        VISITS,
        [date.fromisoformat(one) for one in VISITS],
        np.array(VISITS, dtype="datetime64[D]"),
        np.array(VISITS, dtype="datetime64[ns]"),
        np.array(VISITS, dtype=object),
    )
    for times in kinds:
        coded = code_time(times, origin=origin, person=person)
        np.testing.assert_allclose(coded.values, days, atol=1e-9)
        assert coded.unit == "days"
        years = code_time(times, origin=origin, person=person, unit="years").values
        np.testing.assert_allclose(years, np.array(days) / YEAR, atol=1e-12)


def test_pandas_columns_are_times_too():
    import pandas as pd

    frame = pd.DataFrame({"visit": pd.to_datetime(VISITS), "who": PERSONS})
    coded = code_time(frame["visit"], origin="person-first", person=frame["who"], unit="weeks")
    np.testing.assert_allclose(coded.values, np.array([0, 365, 0, 365, 366]) / 7)
    aware = frame["visit"].dt.tz_localize("UTC")
    np.testing.assert_allclose(code_time(aware).values, [366, 731, 0, 365, 366])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(0, 2**31))
def test_centred_times_add_up_to_nothing(times, seed):
    person = np.random.default_rng(seed).integers(0, 3, len(times))
    size = 1e-12 * (1.0 + max(map(abs, times))) * len(times)
    assert abs(code_time(times, origin="mean").values.sum()) <= size
    own = code_time(times, origin="person-mean", person=person).values
    assert all(abs(own[person == k].sum()) <= size for k in range(3))
    first = code_time(times, origin="person-first", person=person).values
    assert all(first[person == k].min() == 0.0 for k in np.unique(person))


def test_units_of_numbers_are_turned_into_one_another():
    coded = code_time([0, 18, 36], input_unit="months", unit="years")
    np.testing.assert_allclose(coded.values, [0.0, 1.5, 3.0], rtol=1e-15)
    assert str(coded) == "years since the first time of all"
    minutes = code_time(["2024-01-01T10:00", "2024-01-01T11:30+01:00"], unit="minutes")
    np.testing.assert_allclose(minutes.values, [0.0, 30.0])
    # Without input_unit the unit is only a name.
    assert code_time([1, 3], unit="years").values.tolist() == [0.0, 2.0]
    assert set(UNITS) >= {"days", "years"}


@pytest.mark.parametrize(
    ("times", "options", "told"),
    [
        ([1.0, np.nan], {}, r"1 times are missing \(row 2\)"),
        (["2020-01-01", None], {}, r"1 times are missing \(row 2\)"),
        (["2020-01-01", "1/2/2020"], {}, "row 2 is '1/2/2020'; write dates as"),
        (["2020-01-01", 4], {}, "row 2 is '?4"),
        ([], {}, "at least one row"),
        ([[1.0]], {}, "one column"),
        ([1, 2], {"unit": "fortnights"}, "no unit of time; use seconds"),
        (["2020-01-01"], {"input_unit": "days"}, "need no input_unit"),
        ([1, 2], {"origin": "fist"}, "'fist': give one of 'first', .* or a number"),
        (["2020-01-01"], {"origin": "fist"}, "'fist': give one of 'first', .* or a date"),
        (["2020-01-01"], {"origin": 3}, "or a date"),
        ([1, 2], {"origin": True}, "or a number"),
        ([1, 2], {"origin": float("nan")}, "or a number"),
        ([1, 2], {"origin": "person-mean"}, "give person"),
        ([1, 2], {"origin": "person-mean", "person": [1]}, "there are 2 times"),
        ([1, 2], {"person": [1, 1]}, "the same for every person"),
    ],
)
def test_times_that_cannot_be_coded_say_why(times, options, told):
    with pytest.raises(DataError, match=told):
        code_time(times, **options)
