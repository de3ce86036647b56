"""ctransformers for Penstock: legacy GGML files, and GGUF files of 2023, in this process.

Nothing here is imported before a model is loaded, except `plugin`, which only declares.
"""
