"""The installed version."""

from importlib.metadata import PackageNotFoundError, version


def service_version() -> str:
    """Return the installed version of Barcast."""
    try:
        return version("barcast")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+uninstalled"
