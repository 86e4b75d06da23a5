"""From typed rows to what a person sees.

In: rows of the services' query modules, and events. Out: rich tables, lines and bars. Owns no state.
"""

from services.cli.rendering import (
    operation_sentences,
    sentences,
    statement_sentences,
    subnet_sentences,
    wire_sentences,
)

__all__ = ["operation_sentences", "sentences", "statement_sentences", "subnet_sentences", "wire_sentences"]
