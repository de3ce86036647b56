"""OpenAI's API, and every server that speaks its dialect, as a backend of Penstock."""
