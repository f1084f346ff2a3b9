"""What campaigns are run against: the lab, with its own database or a user's, and a stack on AWS.

`poolbench.campaign.target` says what a campaign asks of them.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def variables_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the block: this is how boto3 is pointed at the lab."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
