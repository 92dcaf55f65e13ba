"""The bucket of a site whose store is its own."""

import boto3
import pytest
from moto import mock_aws

from deploy.make_bucket import make_bucket

ENDPOINT = "https://s3.us-east-1.amazonaws.com"


@mock_aws
def test_bucket_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert make_bucket(name="photos", endpoint_url=ENDPOINT) == "The bucket photos has been made."
    assert "photos" in make_bucket(name="photos", endpoint_url=ENDPOINT)
    assert [one["Name"] for one in boto3.client("s3").list_buckets()["Buckets"]] == ["photos"]
