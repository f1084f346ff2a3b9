"""A function that calls AWS, with no more than what Lambda tells it."""

from typing import Any

import boto3


def read_secret(event: dict[str, str], context: Any) -> str:
    client = boto3.client("secretsmanager")
    secret: str = client.get_secret_value(SecretId=event["arn"])["SecretString"]
    return secret
