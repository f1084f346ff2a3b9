"""Server settings of a lab: fast to start, small, and with data that nobody needs afterwards."""

from poolbench.lab.certificates import Certificate
from poolbench.lab.mysql.server import ServerOptions

_COMMON = (
    "--skip-log-bin",
    "--skip-name-resolve",
    "--performance-schema=OFF",
    "--character-set-server=utf8mb4",
    "--back-log=500",
    "--thread-cache-size=64",
    "--max-allowed-packet=256M",
    "--innodb-buffer-pool-size=64M",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
)
_LAYOUT = {
    "mariadb": ("--innodb-log-file-size=8M", "--skip-innodb-doublewrite"),
    "mysql": ("--innodb-redo-log-capacity=16M", "--innodb-doublewrite=OFF"),
}
_OF_FLAVOUR = {
    "mariadb": (),
    # Without NULL, MySQL looks for a directory that only its package makes.
    "mysql": ("--mysqlx=OFF", "--secure-file-priv=NULL"),
}


def layout_settings(flavour: str) -> list[str]:
    """Settings that shape the data directory, for those who lay it out and those who run on it."""
    return list(_LAYOUT[flavour])


def running_settings(flavour: str, options: ServerOptions, certificate: Certificate) -> list[str]:
    """Settings of any server of the lab's own, wherever it runs."""
    return [
        *_COMMON,
        *_LAYOUT[flavour],
        *_OF_FLAVOUR[flavour],
        f"--max-connections={options.max_connections}",
        f"--wait-timeout={options.wait_timeout_s}",
        f"--interactive-timeout={options.wait_timeout_s}",
        f"--ssl-ca={certificate.authority}",
        f"--ssl-cert={certificate.certificate}",
        f"--ssl-key={certificate.key}",
    ]
