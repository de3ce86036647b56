"""What tests of backends and of programs need: a scripted backend, and the laws as checks.

`penstock.testing.conformance` holds the pytest suite; it needs pytest and trio, the rest does not.
"""

from penstock.testing.echo import EchoEngine, EchoOptions, EchoThreadEngine, Fail, Pause, Stall
from penstock.testing.echo_batch import EchoBatchEngine
from penstock.testing.laws import LAWS, Law, LawBroken
from penstock.testing.record import Record
from penstock.testing.subject import Subject, hosted

__all__ = [
    "LAWS",
    "EchoBatchEngine",
    "EchoEngine",
    "EchoOptions",
    "EchoThreadEngine",
    "Fail",
    "Law",
    "LawBroken",
    "Pause",
    "Record",
    "Stall",
    "Subject",
    "hosted",
]
