"""stub until history lands"""
from typing import Any
def on_history(*a: Any, **k: Any) -> dict[str, Any]:
    raise NotImplementedError
