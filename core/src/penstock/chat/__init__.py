"""Conversations: what was said in them, what still fits, and what an engine is sent of it."""

from penstock.chat.chat import Chat, KeptState

__all__ = ["Chat", "KeptState"]
