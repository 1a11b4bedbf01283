"""Keras builds its functions at import time, and what a static reader finds of them is wrong."""

from typing import Any

def __getattr__(name: str) -> Any: ...
