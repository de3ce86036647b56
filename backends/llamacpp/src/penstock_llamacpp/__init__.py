"""llama.cpp for Penstock: GGUF models in this process, driven through llama.cpp's C functions.

Nothing here is imported before a model is loaded, except `plugin`, which only declares.
"""
