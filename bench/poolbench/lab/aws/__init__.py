"""A stand-in for AWS on one loopback port: Lambda with real freezing, and moto for the rest.

Where it is not Lambda: memory is reported, not limited, and buys no CPU; inits take turns on the machine's
cores, and only their own time counts; provisioned environments stay until somebody replaces them, others for
a fixed time without a call; a frozen process stops, but its kernel does not, unless packets are dropped too
(`Freeze.DROP`); of Lambda's API there is Invoke alone.
"""

from poolbench.lab.aws.environment import EnvironmentInfo
from poolbench.lab.aws.freezer import Freeze
from poolbench.lab.aws.function import BadFunction, FunctionConfig
from poolbench.lab.aws.launch import AwsUnavailable, RunningAws, running_aws

__all__ = [
    "AwsUnavailable",
    "BadFunction",
    "EnvironmentInfo",
    "Freeze",
    "FunctionConfig",
    "RunningAws",
    "running_aws",
]
