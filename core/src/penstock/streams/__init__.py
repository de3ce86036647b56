"""The stream layer: from an engine's events to what users read."""

from penstock.streams.assembly import Assembly
from penstock.streams.decoding import CharacterDecoder
from penstock.streams.deltas import DeltaStream, ItemStream
from penstock.streams.generation import Generation
from penstock.streams.stages import Progress
from penstock.streams.stopping import StopMatcher
from penstock.streams.stream import Stage, Stream
from penstock.streams.timing import Trace

__all__ = [
    "Assembly",
    "CharacterDecoder",
    "DeltaStream",
    "Generation",
    "ItemStream",
    "Progress",
    "Stage",
    "StopMatcher",
    "Stream",
    "Trace",
]
