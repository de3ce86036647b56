"""Chat templates: from messages to a prompt. Nothing else knows Jinja."""

from penstock.templates.formats import TEMPLATES, template_of
from penstock.templates.rendering import knows_tools, render

__all__ = ["TEMPLATES", "knows_tools", "render", "template_of"]
