"""The made-up provider and its districts, as whole nights use them."""

from tests.flow.conftest import connect_as, district_file, ready, sandbox, served

__all__ = ["connect_as", "district_file", "ready", "sandbox", "served"]
