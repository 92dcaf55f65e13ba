"""Make the bucket of the settings, unless it exists: `python -m deploy.make_bucket`.

It is for a store of your own, such as that of deploy/compose.yaml.
"""

import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_THERE = ("BucketAlreadyExists", "BucketAlreadyOwnedByYou")
_PATIENT = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5})


def make_bucket(*, name: str, endpoint_url: str) -> str:
    """Make the bucket if it is not there, and return a sentence about it. Raises the errors of boto3."""
    client = boto3.client("s3", endpoint_url=endpoint_url, config=_PATIENT)
    try:
        client.create_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _THERE:
            raise
        return f"The bucket {name} is there."
    return f"The bucket {name} has been made."


if __name__ == "__main__":
    try:
        sentence = make_bucket(name=os.environ["S3_BUCKET"], endpoint_url=os.environ["AWS_S3_ENDPOINT_URL"])
    except KeyError as missing:
        sys.exit(f"Set {missing.args[0]}.")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"The bucket could not be made: {error}")
    sys.stdout.write(f"{sentence}\n")
