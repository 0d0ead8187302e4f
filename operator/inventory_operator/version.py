"""The one place for the version of the operator and of the service."""

__version__ = "0.1.0"
