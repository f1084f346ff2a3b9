"""A stand-in for AWS on one loopback port: Lambda with real freezing, and moto for the rest."""

from bench.lab.aws.freezer import Freeze
from bench.lab.aws.function import BadFunction, FunctionConfig
from bench.lab.aws.launch import AwsUnavailable, EnvironmentInfo, RunningAws, running_aws

__all__ = [
    "AwsUnavailable",
    "BadFunction",
    "EnvironmentInfo",
    "Freeze",
    "FunctionConfig",
    "RunningAws",
    "running_aws",
]
