"""A test that never commits runs its callbacks when the transaction of the code under test ends."""

from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import TestCase

from uploads.testing.commits import committed_at_once


class TestCommits(TestCase):
    """Django's own `TestCase` wraps each test in a transaction that it rolls back."""

    done: list[str]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.done = []
        with committed_at_once(), transaction.atomic():
            transaction.on_commit(partial(cls.done.append, "class"))

    def setUp(self) -> None:
        self.did: list[str] = []
        transaction.on_commit(partial(self.did.append, "before"))

    def later(self, name: str) -> None:
        transaction.on_commit(partial(self.did.append, name))

    def test_callback_runs_after_the_outermost_block(self) -> None:
        with committed_at_once():
            with transaction.atomic():
                with transaction.atomic():
                    self.later("inner")
                    assert self.did == []
                self.later("outer")
                assert self.did == []
            assert self.did == ["inner", "outer"]
        assert self.did == ["inner", "outer"]

    def test_callback_outside_a_block_runs_at_once(self) -> None:
        with committed_at_once():
            self.later("alone")
            assert self.did == ["alone"]

    def test_callback_of_a_callback_runs(self) -> None:
        with committed_at_once(), transaction.atomic():
            transaction.on_commit(partial(self.later, "second"))
        assert self.did == ["second"]

    def test_callback_of_a_rolled_back_block_does_not_run(self) -> None:
        with committed_at_once():
            with transaction.atomic():
                self.later("never")
                transaction.set_rollback(True)
            with transaction.atomic():
                self.later("after")
        assert self.did == ["after"]

    def test_callback_may_open_a_durable_block(self) -> None:
        def create() -> None:
            with transaction.atomic(durable=True):
                User.objects.create_user("ada")

        with committed_at_once(), transaction.atomic():
            transaction.on_commit(create)
        assert User.objects.count() == 1

    def test_block_without_a_savepoint_is_run_at_the_end(self) -> None:
        with committed_at_once(), transaction.atomic(savepoint=False):
            self.later("late")
        assert self.did == ["late"]

    def test_nothing_of_it_remains(self) -> None:
        with committed_at_once():
            pass
        self.later("captured")
        assert self.did == []
        assert "on_commit" not in vars(connection)
        assert "savepoint_commit" not in vars(connection)

    def test_class_data_is_committed(self) -> None:
        assert self.done == ["class"]


@pytest.mark.django_db(transaction=True)
def test_real_commits_stay_as_they_are() -> None:
    done: list[str] = []
    with committed_at_once():
        with transaction.atomic():
            transaction.on_commit(partial(done.append, "real"))
            assert done == []
        assert done == ["real"]
