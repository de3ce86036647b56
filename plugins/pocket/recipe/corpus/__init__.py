"""The corpus, written by this code alone: families of exchanges, stories and how they are mixed."""
