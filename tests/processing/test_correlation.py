"""The ids of the current work are those of its own thread, and end with it."""

from concurrent.futures import ThreadPoolExecutor

from processing import correlation
from processing.correlation import Correlation


def test_ids_end_with_the_work() -> None:
    with correlation.carried(request_id="one", upload_id=1):
        correlation.about_upload(2)
        assert correlation.current() == Correlation(request_id="one", upload_id="2")
        with correlation.carried(request_id="", upload_id=None):
            assert correlation.current() == Correlation(request_id="one")
        assert correlation.current().upload_id == "2"
    assert correlation.current() == Correlation()


def test_threads_have_their_own_ids() -> None:
    with correlation.carried(request_id="one", upload_id=1), ThreadPoolExecutor(1) as threads:
        assert threads.submit(correlation.request_id).result() == ""


def test_new_ids_differ_and_fit_into_their_column() -> None:
    ids = {correlation.new_request_id() for _ in range(100)}
    assert len(ids) == 100
    assert max(map(len, ids)) <= correlation.LONGEST
