"""The web process with fault injection: `uvicorn tests.faults.mortal_web:application`."""

from myproject.asgi import application
from tests.faults import mortal

__all__ = ["application", "mortal"]
