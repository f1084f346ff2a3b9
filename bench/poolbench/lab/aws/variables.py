"""The environment variables of a runtime, as Lambda sets them."""

import functools
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from poolbench.lab.aws.function import REGION, BadFunction, FunctionConfig

# Of the machine's own variables only what a process needs to run at all; Lambda passes none.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


def runtime_variables(
    config: FunctionConfig,
    *,
    version: str,
    provisioned: bool,
    log_stream: str,
    runtime_api: str,
    endpoint_url: str,
) -> Mapping[str, str]:
    """Return all variables of one runtime; the function's own come last.

    AWS_ENDPOINT_URL and the credentials point the function's SDK at this service instead of at AWS.
    """
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
        "AWS_SESSION_TOKEN": "lab",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python_version(config.interpreter)}",
        "AWS_LAMBDA_FUNCTION_NAME": config.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency" if provisioned else "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": str(config.task_root()),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": config.handler,
        **config.environment,
    }


@functools.cache
def python_version(python: Path) -> str:
    """Major and minor version of an interpreter that has the runtime client.

    Raises:
        BadFunction: it is no interpreter, or has no `awslambdaric`.

    """
    if python == Path(sys.executable):
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    script = "import awslambdaric, sys; print('%d.%d' % sys.version_info[:2])"
    try:
        asked = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    except subprocess.CalledProcessError as error:
        why = error.stderr.strip().splitlines()[-1:] or [f"exit status {error.returncode}"]
        raise BadFunction(f"python {python}: {why[0]}: install awslambdaric there") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadFunction(f"python {python}: {error}") from error
    return asked.stdout.strip()
