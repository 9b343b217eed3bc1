"""A registry has its members in order, and names the nearest and all others when one is asked."""

import pytest

from bayes_mlm.base import EngineError, Registry, SpecError


@pytest.fixture
def links() -> Registry[int]:
    found: Registry[int] = Registry("link", EngineError)
    found.register("logit", 1)
    found.register("identity", 2)
    return found


def test_members_are_found_in_the_order_of_their_registration(links: Registry[int]) -> None:
    assert list(links) == ["logit", "identity"]
    assert len(links) == 2
    assert links["logit"] == 1
    assert "probit" not in links


def test_unknown_name_is_refused_with_the_nearest_and_all(links: Registry[int]) -> None:
    with pytest.raises(EngineError, match=r"^unknown link 'logot'.*logit.*") as caught:
        links["logot"]
    assert "identity" in str(caught.value)


def test_name_that_is_taken_is_refused(links: Registry[int]) -> None:
    with pytest.raises(SpecError, match="^there is a link 'logit' already$"):
        links.register("logit", 3)
    assert links["logit"] == 1
