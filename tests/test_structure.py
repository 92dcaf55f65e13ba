"""The rooms stay few, know little of each other, and are as small as a person can take in."""

from tests import structure


def test_rooms_know_little_of_each_other() -> None:
    assert len(structure.arrows()) <= 55


def test_no_way_leads_back() -> None:
    assert structure.cycles(structure.arrows()) == set()


def test_a_way_back_is_found() -> None:
    around = {("a", "b"), ("b", "c"), ("c", "a")}
    assert structure.cycles({*around, ("c", "d")}) == around


def test_no_folder_is_too_large_to_take_in() -> None:
    assert structure.folders().most_common(1)[0][1] <= 17
