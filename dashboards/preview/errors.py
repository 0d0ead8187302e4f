"""What ends the preview: one sentence for a person.

Never carries a traceback to the person; a bug raises something else and keeps its traceback.
"""

from __future__ import annotations


class PreviewError(Exception):
    """The preview can't be made; the message says what is wrong and what to do."""
