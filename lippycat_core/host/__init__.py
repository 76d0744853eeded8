"""Finds plugins, ranks them and reads settings: the only place that knows pluggy, stevedore and pydantic."""
