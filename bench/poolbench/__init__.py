"""poolbench: which SQLAlchemy pool strategy a Lambda behind RDS Proxy should use, measured."""

__version__ = "0.1.0"
